//! Management of access under `/api/v1/`: identities, credentials, roles, scope maps, audit.
//!
//! [`NEEDS`] names what each route needs. The guard reads it before any handler runs, so a route
//! that is missing there answers nobody.

mod assignments;
mod audit_events;
mod issuers;
mod principals;
mod scope_maps;
mod signing_keys;
mod users;
pub(super) mod views;

use std::net::IpAddr;

use axum::extract::{MatchedPath, RawPathParams, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{delete, get, post, put};
use axum::{Extension, Json, Router};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};

use super::extract::Body;
use super::visitor::Visitor;
use super::{App, Error};
use crate::auth::administration::Actor;
use crate::auth::{Auth, Caller, RegistryAction};

/// What a request needs before its handler runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Any credentials that are good.
    SignedIn,
    /// [`RegistryAction::Admin`], or the very user that the path names, in person and not by a token.
    UserOrAdmin,
    /// [`RegistryAction::Admin`].
    Admin,
}

/// Every method on every route, and what it needs: the only place that says so.
pub const NEEDS: &[(Method, &str, Need)] = {
    use Need::{Admin, SignedIn, UserOrAdmin};
    &[
        (Method::GET, "/api/v1/me", SignedIn),
        (Method::GET, "/api/v1/users", Admin),
        (Method::POST, "/api/v1/users", Admin),
        (Method::GET, "/api/v1/users/{name}", UserOrAdmin),
        (Method::PATCH, "/api/v1/users/{name}", Admin),
        (Method::DELETE, "/api/v1/users/{name}", Admin),
        (Method::PUT, "/api/v1/users/{name}/password", UserOrAdmin),
        (Method::GET, "/api/v1/users/{name}/tokens", UserOrAdmin),
        (Method::POST, "/api/v1/users/{name}/tokens", UserOrAdmin),
        (Method::DELETE, "/api/v1/users/{name}/tokens/{id}", UserOrAdmin),
        (Method::GET, "/api/v1/principals", Admin),
        (Method::POST, "/api/v1/principals", Admin),
        (Method::GET, "/api/v1/principals/{id}", Admin),
        (Method::PATCH, "/api/v1/principals/{id}", Admin),
        (Method::DELETE, "/api/v1/principals/{id}", Admin),
        (Method::POST, "/api/v1/principals/{id}/secrets", Admin),
        (Method::DELETE, "/api/v1/principals/{id}/secrets/{secret}", Admin),
        (Method::GET, "/api/v1/roles", SignedIn),
        (Method::GET, "/api/v1/assignments", Admin),
        (Method::POST, "/api/v1/assignments", Admin),
        (Method::DELETE, "/api/v1/assignments/{id}", Admin),
        (Method::GET, "/api/v1/scope-maps", Admin),
        (Method::GET, "/api/v1/scope-maps/{name}", Admin),
        (Method::PUT, "/api/v1/scope-maps/{name}", Admin),
        (Method::DELETE, "/api/v1/scope-maps/{name}", Admin),
        (Method::GET, "/api/v1/issuers", Admin),
        (Method::POST, "/api/v1/issuers", Admin),
        (Method::GET, "/api/v1/issuers/{name}", Admin),
        (Method::DELETE, "/api/v1/issuers/{name}", Admin),
        (Method::POST, "/api/v1/issuers/{name}/rules", Admin),
        (Method::DELETE, "/api/v1/issuers/{name}/rules/{id}", Admin),
        (Method::GET, "/api/v1/signing-keys", Admin),
        (Method::POST, "/api/v1/signing-keys", Admin),
        (Method::GET, "/api/v1/audit-events", Admin),
    ]
};

pub fn routes(app: &App) -> Router<App> {
    Router::new()
        .route("/api/v1/me", get(me))
        .route("/api/v1/users", get(users::list).post(users::create))
        .route("/api/v1/users/{name}", get(users::show).patch(users::update).delete(users::remove))
        .route("/api/v1/users/{name}/password", put(users::set_password))
        .route("/api/v1/users/{name}/tokens", get(users::tokens).post(users::add_token))
        .route("/api/v1/users/{name}/tokens/{id}", delete(users::remove_token))
        .route("/api/v1/principals", get(principals::list).post(principals::create))
        .route(
            "/api/v1/principals/{id}",
            get(principals::show).patch(principals::update).delete(principals::remove),
        )
        .route("/api/v1/principals/{id}/secrets", post(principals::add_secret))
        .route("/api/v1/principals/{id}/secrets/{secret}", delete(principals::remove_secret))
        .route("/api/v1/roles", get(assignments::roles))
        .route("/api/v1/assignments", get(assignments::list).post(assignments::create))
        .route("/api/v1/assignments/{id}", delete(assignments::remove))
        .route("/api/v1/scope-maps", get(scope_maps::list))
        .route(
            "/api/v1/scope-maps/{name}",
            get(scope_maps::show).put(scope_maps::put).delete(scope_maps::remove),
        )
        .route("/api/v1/issuers", get(issuers::list).post(issuers::create))
        .route("/api/v1/issuers/{name}", get(issuers::show).delete(issuers::remove))
        .route("/api/v1/issuers/{name}/rules", post(issuers::add_rule))
        .route("/api/v1/issuers/{name}/rules/{id}", delete(issuers::remove_rule))
        .route("/api/v1/signing-keys", get(signing_keys::list).post(signing_keys::rotate))
        .route("/api/v1/audit-events", get(audit_events::list))
        .route_layer(from_fn_with_state(app.clone(), guard))
}

/// Who asks, once the guard has let them in.
#[derive(Clone)]
struct Asker {
    caller: Caller,
    address: IpAddr,
}

impl Asker {
    fn actor(&self) -> Actor<'_> {
        Actor { caller: &self.caller, address: self.address }
    }
}

async fn guard(
    State(auth): State<Auth>,
    path: MatchedPath,
    params: RawPathParams,
    Visitor { address, origin, authorization }: Visitor,
    mut request: Request,
    next: Next,
) -> Result<Response, Error> {
    let visitor = Visitor { address, origin, authorization };
    let caller = authenticate(&auth, &visitor, request.method(), request.headers()).await?;
    if caller.is_anonymous() {
        let message = "sign in first: this needs credentials";
        return Err(ask(Error::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", message)));
    }
    let user = params.iter().find(|(key, _)| *key == "name").map(|(_, name)| name);
    if !is_allowed(&caller, need(request.method(), path.as_str()), user) {
        let message = "your rights do not cover this: it is for owners of the whole registry";
        return Err(Error::new(StatusCode::FORBIDDEN, "DENIED", message));
    }
    request.extensions_mut().insert(Asker { caller, address });
    Ok(next.run(request).await)
}

/// Who is asking, by credentials or by the session of a browser.
pub(super) async fn authenticate(
    auth: &Auth,
    visitor: &Visitor,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Caller, Error> {
    let Visitor { address, origin, authorization } = visitor;
    let session = super::browser::session(origin, method, headers)?;
    let caller = match (authorization, session) {
        (None, Some(session)) => auth.caller_of_session(session).await,
        (authorization, _) => {
            auth.authenticate(authorization.as_ref(), *address, &origin.host).await
        }
    };
    caller.map_err(|error| ask(error.into()))
}

/// What a method on a route needs; `HEAD` is as `GET`.
pub fn need(method: &Method, route: &str) -> Option<Need> {
    let method = if method == Method::HEAD { &Method::GET } else { method };
    let row = NEEDS.iter().find(|(m, path, _)| m == method && *path == route);
    row.map(|(_, _, need)| *need)
}

fn is_allowed(caller: &Caller, need: Option<Need>, user: Option<&str>) -> bool {
    let is_admin = caller.may_in_registry(RegistryAction::Admin);
    match need {
        None => false,
        Some(Need::SignedIn) => true,
        Some(Need::UserOrAdmin) => is_admin || (caller.in_person() && user == Some(caller.name())),
        Some(Need::Admin) => is_admin,
    }
}

/// Tells clients to send a name and a password.
pub(super) fn ask(error: Error) -> Error {
    if error.status() != StatusCode::UNAUTHORIZED {
        return error;
    }
    let challenge = HeaderValue::from_static(r#"Basic realm="orlop", charset="UTF-8""#);
    error.with_header(header::WWW_AUTHENTICATE, challenge)
}

async fn me(Extension(asker): Extension<Asker>) -> Json<Value> {
    let caller = &asker.caller;
    let readable: Vec<_> = caller.readable().iter().map(ToString::to_string).collect();
    Json(json!({
        "name": caller.name(),
        "admin": caller.may_in_registry(RegistryAction::Admin),
        "readable": readable,
    }))
}
