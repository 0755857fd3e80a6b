//! Web pages for people: what the APIs tell and do, for a browser. One file a page, its template
//! beside it.
//!
//! [`NEEDS`] names what each page needs; the guard reads it before any handler runs, so a page that
//! is missing there is shown to nobody. Pages ask the same functions as the APIs and show no more.
//!
//! In addresses the name of a repository stands as it is: `/r/NAME` is its page, and what belongs
//! to it comes after `/-/`, which no name can hold.

mod account;
mod artifact;
mod assets;
mod assignments;
mod audit;
mod change;
mod compare;
mod deleted;
mod document;
mod error;
mod extract;
mod format;
mod kind;
mod layer;
mod live;
mod markdown;
mod page;
mod principals;
mod promotion;
mod pull;
mod repositories;
mod repository;
mod scope_maps;
mod sign_in;
mod storage;
mod tag;
mod users;
mod welcome;

use axum::Router;
use axum::extract::{ConnectInfo, MatchedPath, RawPathParams, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get, post};
use http::request::Parts;
use http::{Method, StatusCode, Uri};
use tower::ServiceExt as _;

use self::error::PageError;
use self::page::Visit;
use super::need::{About, Need, Table, need};
use super::visitor::Visitor;
use super::{App, Error, RouteName, UserName, browser};
use crate::auth::{Action, Auth, AuthError, Caller, RegistryAction};
use crate::oci::RepositoryName;

/// Pages and forms that need nothing: sign-in itself.
pub const OPEN: &[(Method, &str)] =
    &[(Method::GET, "/sign-in"), (Method::POST, "/sign-in"), (Method::POST, "/sign-out")];

/// Every method on every other page, and what it needs: the only place that says so.
pub const NEEDS: &Table<&str> = {
    use Action::{ContentDelete, ContentRead, ContentWrite, MetadataRead, MetadataWrite};
    use Need::{EitherInRepository, InRegistry, InRepository, SignedIn, UserOrAdmin};
    const LIST: Need = InRegistry(RegistryAction::CatalogRead);
    const ADMIN: Need = InRegistry(RegistryAction::Admin);
    &[
        (Method::GET, "/", LIST),
        (Method::GET, "/events", LIST),
        (Method::GET, "/welcome", SignedIn),
        // Each does only what the caller may read or write.
        (Method::GET, "/promote", SignedIn),
        (Method::POST, "/promote", SignedIn),
        (Method::GET, "/r/{repository}", InRepository(MetadataRead)),
        (Method::GET, "/r/{repository}/-/events", InRepository(MetadataRead)),
        (Method::POST, "/r/{repository}/-/lock", InRepository(MetadataWrite)),
        (Method::GET, "/r/{repository}/-/delete", InRepository(MetadataRead)),
        (Method::POST, "/r/{repository}/-/delete", InRepository(ContentDelete)),
        (Method::GET, "/r/{repository}/-/deleted", InRepository(MetadataRead)),
        (Method::POST, "/r/{repository}/-/restore", InRepository(ContentWrite)),
        (Method::GET, "/r/{repository}/-/compare", InRepository(ContentRead)),
        (Method::GET, "/r/{repository}/-/tags/{tag}", InRepository(MetadataRead)),
        (Method::POST, "/r/{repository}/-/tags/{tag}/lock", InRepository(MetadataWrite)),
        (Method::GET, "/r/{repository}/-/tags/{tag}/untag", InRepository(MetadataRead)),
        (
            Method::POST,
            "/r/{repository}/-/tags/{tag}/untag",
            EitherInRepository(ContentDelete, MetadataWrite),
        ),
        (Method::GET, "/r/{repository}/-/tags/{tag}/rollback", InRepository(MetadataRead)),
        (Method::POST, "/r/{repository}/-/tags/{tag}/rollback", InRepository(ContentWrite)),
        (Method::GET, "/r/{repository}/-/manifests/{reference}", InRepository(MetadataRead)),
        (Method::GET, "/r/{repository}/-/manifests/{reference}/raw", InRepository(ContentRead)),
        (Method::POST, "/r/{repository}/-/manifests/{reference}/lock", InRepository(MetadataWrite)),
        (Method::GET, "/r/{repository}/-/manifests/{reference}/delete", InRepository(MetadataRead)),
        (
            Method::POST,
            "/r/{repository}/-/manifests/{reference}/delete",
            InRepository(ContentDelete),
        ),
        (Method::GET, "/r/{repository}/-/layers/{digest}", InRepository(ContentRead)),
        (Method::GET, "/r/{repository}/-/documents/{digest}", InRepository(ContentRead)),
        (Method::GET, "/users", ADMIN),
        (Method::POST, "/users", ADMIN),
        (Method::GET, "/users/{name}", UserOrAdmin),
        (Method::POST, "/users/{name}/password", UserOrAdmin),
        (Method::POST, "/users/{name}/tokens", UserOrAdmin),
        (Method::POST, "/users/{name}/tokens/{id}/delete", UserOrAdmin),
        (Method::POST, "/users/{name}/enabled", ADMIN),
        (Method::POST, "/users/{name}/delete", ADMIN),
        (Method::GET, "/principals", ADMIN),
        (Method::POST, "/principals", ADMIN),
        (Method::GET, "/principals/{id}", ADMIN),
        (Method::POST, "/principals/{id}/secrets", ADMIN),
        (Method::POST, "/principals/{id}/secrets/{secret}/delete", ADMIN),
        (Method::POST, "/principals/{id}/enabled", ADMIN),
        (Method::POST, "/principals/{id}/delete", ADMIN),
        (Method::GET, "/roles", ADMIN),
        (Method::POST, "/roles", ADMIN),
        (Method::POST, "/roles/{id}/delete", ADMIN),
        (Method::GET, "/scope-maps", ADMIN),
        (Method::POST, "/scope-maps", ADMIN),
        (Method::POST, "/scope-maps/{name}/delete", ADMIN),
        (Method::GET, "/audit", ADMIN),
        (Method::GET, "/storage", ADMIN),
        (Method::GET, "/storage/activity", ADMIN),
        (Method::GET, "/storage/events", ADMIN),
    ]
};

pub fn routes(app: &App) -> Router<App> {
    let inside = repository_routes(app).with_state(app.clone());
    Router::new()
        .route("/", get(repositories::list))
        .route("/events", get(live::registry))
        .route("/welcome", get(welcome::show))
        .route("/sign-in", get(sign_in::show).post(sign_in::sign_in))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/promote", get(promotion::show).post(promotion::promote))
        .merge(access_routes())
        .route("/audit", get(audit::list))
        .route("/storage", get(storage::show))
        .route("/storage/activity", get(storage::activity::show))
        .route("/storage/events", get(live::activity))
        .route_layer(from_fn_with_state(app.clone(), guard))
        // Every name of a repository holds what a router would take for further segments.
        .route("/r/{*rest}", any(async move |request| in_repository(inside, request).await))
        .layer(from_fn(page::protect))
        .route("/static/{version}/{file}", get(assets::show))
}

fn access_routes() -> Router<App> {
    Router::new()
        .route("/users", get(users::list).post(users::create))
        .route("/users/{name}", get(account::show))
        .route("/users/{name}/password", post(account::set_password))
        .route("/users/{name}/tokens", post(account::add_token))
        .route("/users/{name}/tokens/{id}/delete", post(account::remove_token))
        .route("/users/{name}/enabled", post(users::set_enabled))
        .route("/users/{name}/delete", post(users::remove))
        .route("/principals", get(principals::list).post(principals::create))
        .route("/principals/{id}", get(principals::show))
        .route("/principals/{id}/secrets", post(principals::add_secret))
        .route("/principals/{id}/secrets/{secret}/delete", post(principals::remove_secret))
        .route("/principals/{id}/enabled", post(principals::set_enabled))
        .route("/principals/{id}/delete", post(principals::remove))
        .route("/roles", get(assignments::list).post(assignments::create))
        .route("/roles/{id}/delete", post(assignments::remove))
        .route("/scope-maps", get(scope_maps::list).post(scope_maps::put))
        .route("/scope-maps/{name}/delete", post(scope_maps::remove))
}

fn repository_routes(app: &App) -> Router<App> {
    const TAG: &str = "/r/{repository}/-/tags/{tag}";
    const MANIFEST: &str = "/r/{repository}/-/manifests/{reference}";
    let of_tag = |rest: &str| format!("{TAG}/{rest}");
    let of_manifest = |rest: &str| format!("{MANIFEST}/{rest}");
    Router::new()
        .route("/r/{repository}", get(repository::show))
        .route("/r/{repository}/-/events", get(live::repository))
        .route("/r/{repository}/-/lock", post(change::lock_repository))
        .route(
            "/r/{repository}/-/delete",
            get(change::ask_delete_repository).post(change::delete_repository),
        )
        .route("/r/{repository}/-/deleted", get(deleted::list))
        .route("/r/{repository}/-/restore", post(deleted::restore))
        .route("/r/{repository}/-/compare", get(compare::show))
        .route(TAG, get(tag::show))
        .route(&of_tag("lock"), post(change::lock_tag))
        .route(&of_tag("untag"), get(change::ask_untag).post(change::untag))
        .route(&of_tag("rollback"), get(change::ask_roll_back).post(change::roll_back))
        .route(MANIFEST, get(artifact::show))
        .route(&of_manifest("raw"), get(artifact::raw))
        .route(&of_manifest("lock"), post(change::lock_manifest))
        .route(
            &of_manifest("delete"),
            get(change::ask_delete_manifest).post(change::delete_manifest),
        )
        .route("/r/{repository}/-/layers/{digest}", get(layer::show))
        .route("/r/{repository}/-/documents/{digest}", get(document::show))
        .route_layer(from_fn_with_state(app.clone(), guard))
        .fallback(async || PageError::from(Error::not_found()))
}

/// Hands a request for `/r/NAME…` on with the name as one segment.
async fn in_repository(pages: Router, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let mut inner = Request::new(body);
    *inner.method_mut() = parts.method;
    *inner.headers_mut() = parts.headers;
    *inner.uri_mut() = one_segment(&parts.uri);
    // Not the rest: it holds the parameters of this path.
    if let Some(address) = parts.extensions.remove::<ConnectInfo<std::net::SocketAddr>>() {
        inner.extensions_mut().insert(address);
    }
    if let Some(stopping) = parts.extensions.remove::<super::Stopping>() {
        inner.extensions_mut().insert(stopping);
    }
    pages.oneshot(inner).await.unwrap_or_else(|never| match never {})
}

fn one_segment(uri: &Uri) -> Uri {
    let rest = uri.path().strip_prefix("/r/").unwrap_or_default();
    let (name, rest) = match rest.find("/-/") {
        Some(at) => rest.split_at(at),
        None => (rest.trim_end_matches('/'), ""),
    };
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let path = format!("/r/{}{rest}{query}", name.replace('/', "%2F"));
    path.parse().unwrap_or_else(|_| uri.clone())
}

async fn guard(
    State(app): State<App>,
    path: MatchedPath,
    params: RawPathParams,
    visitor: Visitor,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let mut response = match admit(&app, path.as_str(), &params, visitor, &parts).await {
        Ok(Admitted::To(visit)) => {
            let name = visit.is_signed_in().then(|| visit.caller.name().to_owned());
            parts.extensions.insert(visit);
            let mut response = next.run(Request::from_parts(parts, body)).await;
            if let Some(name) = name {
                response.extensions_mut().insert(UserName(name));
            }
            response
        }
        Ok(Admitted::AfterSignIn(response)) => response,
        Err(error) => PageError::from(error).into_response(),
    };
    response.extensions_mut().insert(RouteName("pages"));
    response
}

enum Admitted {
    To(Visit),
    AfterSignIn(Response),
}

async fn admit(
    app: &App,
    path: &str,
    params: &RawPathParams,
    visitor: Visitor,
    request: &Parts,
) -> Result<Admitted, Error> {
    let param = |name| params.iter().find(|(key, _)| *key == name).map(|(_, value)| value);
    let method = &request.method;
    if !method.is_safe() {
        browser::from_own_pages(&visitor.origin, &request.headers)?;
    }
    let caller = authenticate(&app.auth, &visitor, request).await?;
    let repository = param("repository").map(RepositoryName::parse);
    let is_met = match (need(NEEDS, method, &path), &repository) {
        _ if is_open(method, path) => true,
        // What is no name is as a name that nobody may see.
        (_, Some(Err(_))) => false,
        (None, _) => {
            let message = "this page does not take this method";
            return Err(Error::new(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", message));
        }
        (Some(need), name) => {
            let repository = name.as_ref().and_then(|name| name.as_ref().ok());
            need.is_met(&caller, About { repository, user: param("name") })
        }
    };
    if is_met {
        return Ok(Admitted::To(Visit::new(caller, visitor, &request.uri)));
    }
    if caller.is_anonymous() {
        let back = if *method == Method::GET { page::place(&request.uri) } else { "/".into() };
        return Ok(Admitted::AfterSignIn(page::see_other(&sign_in::path(&back))));
    }
    let message = format!("{} has no right to see or do this", caller.name());
    Err(Error::new(StatusCode::FORBIDDEN, "DENIED", message))
}

/// Who looks at the page. A session that is over is none.
async fn authenticate(auth: &Auth, visitor: &Visitor, request: &Parts) -> Result<Caller, Error> {
    let Visitor { address, origin, authorization } = visitor;
    let session = browser::session(origin, &request.method, &request.headers)?;
    match (authorization, session) {
        (None, Some(session)) => match auth.caller_of_session(session).await {
            Err(AuthError::WrongCredentials) => Ok(auth.anonymous()),
            caller => Ok(caller?),
        },
        (authorization, _) => {
            Ok(auth.authenticate(authorization.as_ref(), *address, &origin.host).await?)
        }
    }
}

fn is_open(method: &Method, page: &str) -> bool {
    let method = if method == Method::HEAD { &Method::GET } else { method };
    OPEN.iter().any(|(m, path)| m == method && *path == page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_many_parts_is_one_segment() {
        let path = |text: &str| one_segment(&text.parse().unwrap()).to_string();
        assert_eq!(path("/r/team/app"), "/r/team%2Fapp");
        assert_eq!(path("/r/team/app/?q=1"), "/r/team%2Fapp?q=1");
        assert_eq!(path("/r/team%2Fapp/-/tags/1.0"), "/r/team%2Fapp/-/tags/1.0");
        assert_eq!(path("/r/a/b/-/manifests/x/raw?q"), "/r/a%2Fb/-/manifests/x/raw?q");
    }
}
