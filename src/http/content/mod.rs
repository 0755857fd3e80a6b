//! Management of content under `/api/v1/`: repositories, tags, manifests, search, promotion.
//!
//! A repository's name is one segment of a path, its slashes written `%2F`. [`NEEDS`] names what
//! each route needs; the guard reads it before any handler runs, so a route that is missing there
//! answers nobody. The handlers' annotations make the OpenAPI document.

mod manifests;
mod openapi;
mod page;
mod promotions;
mod repositories;
mod search;
mod tags;
mod views;

use axum::extract::{MatchedPath, RawPathParams, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{Method, StatusCode};

use super::access::{ask, authenticate};
use super::route::Need;
use super::visitor::Visitor;
use super::{App, Error};
use crate::auth::{Action, Auth, Caller, RegistryAction};
use crate::oci::RepositoryName;

/// Every method on every route, and the right that it needs: the only place that says so.
pub const NEEDS: &[(Method, &str, Need)] = {
    use Action::{ContentDelete, ContentWrite, MetadataRead, MetadataWrite};
    use Need::{EitherInRepository, InRegistry, InRepository, SignedIn};
    &[
        (Method::GET, REPOSITORIES, InRegistry(RegistryAction::CatalogRead)),
        (Method::GET, REPOSITORY, InRepository(MetadataRead)),
        (Method::PATCH, REPOSITORY, InRepository(MetadataWrite)),
        (Method::DELETE, REPOSITORY, InRepository(ContentDelete)),
        (Method::GET, USAGE, InRepository(MetadataRead)),
        (Method::GET, TAGS, InRepository(MetadataRead)),
        (Method::GET, TAG, InRepository(MetadataRead)),
        (Method::PATCH, TAG, InRepository(MetadataWrite)),
        (Method::DELETE, TAG, EitherInRepository(ContentDelete, MetadataWrite)),
        (Method::GET, HISTORY, InRepository(MetadataRead)),
        (Method::POST, ROLLBACK, InRepository(ContentWrite)),
        (Method::GET, MANIFESTS, InRepository(MetadataRead)),
        (Method::GET, MANIFEST, InRepository(MetadataRead)),
        (Method::PATCH, MANIFEST, InRepository(MetadataWrite)),
        (Method::DELETE, MANIFEST, InRepository(ContentDelete)),
        // Each answers or does only what the caller may read or write.
        (Method::GET, SEARCH, InRegistry(RegistryAction::CatalogRead)),
        (Method::POST, PROMOTIONS, SignedIn),
    ]
};

const REPOSITORIES: &str = "/api/v1/repositories";
const REPOSITORY: &str = "/api/v1/repositories/{repository}";
const USAGE: &str = "/api/v1/repositories/{repository}/usage";
const TAGS: &str = "/api/v1/repositories/{repository}/tags";
const TAG: &str = "/api/v1/repositories/{repository}/tags/{tag}";
const HISTORY: &str = "/api/v1/repositories/{repository}/tags/{tag}/history";
const ROLLBACK: &str = "/api/v1/repositories/{repository}/tags/{tag}/rollback";
const MANIFESTS: &str = "/api/v1/repositories/{repository}/manifests";
const MANIFEST: &str = "/api/v1/repositories/{repository}/manifests/{reference}";
const SEARCH: &str = "/api/v1/search";
const PROMOTIONS: &str = "/api/v1/promotions";

pub fn routes(app: &App) -> Router<App> {
    Router::new()
        .route(REPOSITORIES, get(repositories::list))
        .route(
            REPOSITORY,
            get(repositories::show).patch(repositories::update).delete(repositories::remove),
        )
        .route(USAGE, get(repositories::usage))
        .route(TAGS, get(tags::list))
        .route(TAG, get(tags::show).patch(tags::update).delete(tags::remove))
        .route(HISTORY, get(tags::history))
        .route(ROLLBACK, post(tags::roll_back))
        .route(MANIFESTS, get(manifests::list))
        .route(MANIFEST, get(manifests::show).patch(manifests::update).delete(manifests::remove))
        .route(SEARCH, get(search::search))
        .route(PROMOTIONS, post(promotions::create))
        .method_not_allowed_fallback(method_not_allowed)
        .route_layer(from_fn_with_state(app.clone(), guard))
        .route("/api/openapi.json", get(async || Json(openapi::document())))
}

pub use openapi::document;

async fn guard(
    State(auth): State<Auth>,
    path: MatchedPath,
    params: RawPathParams,
    visitor: Visitor,
    mut request: Request,
    next: Next,
) -> Result<Response, Error> {
    let caller = authenticate(&auth, &visitor, request.method(), request.headers()).await?;
    let name = params.iter().find(|(key, _)| *key == "repository").map(|(_, name)| name);
    let repository = match name.map(RepositoryName::parse) {
        Some(Err(_)) if caller.is_anonymous() => return Err(sign_in_first()),
        name => name.transpose()?,
    };
    let Some(need) = need(request.method(), path.as_str()) else {
        return Err(method_not_allowed().await);
    };
    if !need.is_met(&caller, repository.as_ref()) {
        let message = format!("{} has no right to do this", caller.name());
        return Err(if caller.is_anonymous() {
            sign_in_first()
        } else {
            Error::new(StatusCode::FORBIDDEN, "DENIED", message)
        });
    }
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

/// What a method on a route needs; `HEAD` is as `GET`.
pub fn need(method: &Method, route: &str) -> Option<Need> {
    let method = if method == Method::HEAD { &Method::GET } else { method };
    let row = NEEDS.iter().find(|(m, path, _)| m == method && *path == route);
    row.map(|(_, _, need)| *need)
}

fn sign_in_first() -> Error {
    let message = "sign in first: this needs credentials";
    ask(Error::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", message))
}

async fn method_not_allowed() -> Error {
    let message = "this path does not take this method";
    Error::new(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", message)
}

/// The repositories that a list may show to the caller.
fn readable(caller: &Caller) -> Vec<crate::metadata::NameRange> {
    caller.readable().iter().map(super::dispatch::name_range).collect()
}
