//! Management of content under `/api/v1/`: repositories, tags, manifests, search,
//! promotion, storage.
//!
//! A repository's name is one segment of a path, its slashes written `%2F`. [`NEEDS`] names what
//! each route needs; a route that is missing there answers nobody. The handlers' annotations make
//! the description.

mod manifests;
mod page;
pub(super) mod promotions;
mod repositories;
mod search;
mod storage;
mod tags;
pub(super) mod views;

use axum::Router;
use axum::routing::{get, post};
use http::Method;
use utoipa::OpenApi;

use super::need::{Need, Table};
use super::{App, Error};
use crate::auth::{Action, Caller, RegistryAction};

/// Every method on every route, and the right that it needs: the only place that says so.
pub const NEEDS: &Table<&str> = {
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
        (Method::GET, STORAGE_HISTORY, InRegistry(RegistryAction::Admin)),
        (Method::GET, STORAGE_ACTIVITY, InRegistry(RegistryAction::Admin)),
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
const STORAGE_HISTORY: &str = "/api/v1/storage/history";
const STORAGE_ACTIVITY: &str = "/api/v1/storage/activity";

pub fn routes() -> Router<App> {
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
        .route(STORAGE_HISTORY, get(storage::history))
        .route(STORAGE_ACTIVITY, get(storage::activity))
}

#[derive(OpenApi)]
#[openapi(
    paths(
        repositories::list,
        repositories::show,
        repositories::update,
        repositories::remove,
        repositories::usage,
        tags::list,
        tags::show,
        tags::update,
        tags::remove,
        tags::history,
        tags::roll_back,
        manifests::list,
        manifests::show,
        manifests::update,
        manifests::remove,
        search::search,
        promotions::create,
        storage::history,
        storage::activity,
    ),
    components(schemas(page::OrderView))
)]
struct Description;

/// This part of the API's description.
pub fn description() -> utoipa::openapi::OpenApi {
    Description::openapi()
}

/// The repositories that a list may show to the caller.
fn readable(caller: &Caller) -> Vec<crate::metadata::NameRange> {
    caller.readable().iter().map(super::dispatch::name_range).collect()
}
