//! The data plane of Azure Container Registry under `/acr/v1/`, as its command line and SDKs
//! speak it. `docs/azure-cli.md` tells what differs from Azure.

mod body;
mod catalog;
mod deleted;
mod manifests;
mod page;
mod repositories;
mod tags;
mod views;

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, Method, StatusCode, header};
use serde::Serialize;

use super::Error;
use super::dispatch::Asked;
use super::route::Route;
use crate::oci::RepositoryName;
use crate::registry::{Incoming, RegistryError};
use views::Within;

/// A failure in the words of Azure's API.
struct Failure(Error);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        Self(Error::in_acr(error))
    }
}

/// Answers a request whose right was checked.
pub async fn run(asked: &Asked<'_>, route: &Route, body: Incoming) -> Result<Response, Error> {
    let method = &asked.parts.method;
    let answer = match (method, route) {
        (_, Route::AcrCatalog) => catalog::list(asked).await,
        (&Method::PATCH, Route::AcrRepository(name)) => {
            repositories::update(asked, name, body).await
        }
        (&Method::DELETE, Route::AcrRepository(name)) => repositories::delete(asked, name).await,
        (_, Route::AcrRepository(name)) => repositories::show(asked, name).await,
        (_, Route::AcrTags(name)) => tags::list(asked, name).await,
        (&Method::PATCH, Route::AcrTag(name, tag)) => tags::update(asked, name, tag, body).await,
        (&Method::DELETE, Route::AcrTag(name, tag)) => tags::delete(asked, name, tag).await,
        (_, Route::AcrTag(name, tag)) => tags::show(asked, name, tag).await,
        (_, Route::AcrManifests(name)) => manifests::list(asked, name).await,
        (&Method::PATCH, Route::AcrManifest(name, digest)) => {
            manifests::update(asked, name, digest, body).await
        }
        (_, Route::AcrManifest(name, digest)) => manifests::show(asked, name, digest).await,
        (_, Route::DeletedCatalog) => deleted::catalog(asked).await,
        (_, Route::DeletedTags(name)) => deleted::tags(asked, name).await,
        (_, Route::DeletedManifests(name)) => deleted::manifests(asked, name).await,
        (_, Route::DeletedManifest(name, digest)) => {
            deleted::restore(asked, name, digest, body).await
        }
        _ => Err(Error::not_found().into()),
    };
    answer.map_err(|Failure(error)| error)
}

/// Content of a repository as JSON.
fn within<T: Serialize>(asked: &Asked<'_>, repository: &RepositoryName, content: T) -> Response {
    json(Within { registry: &asked.origin.host, image_name: repository, content })
}

fn json<T: Serialize>(body: T) -> Response {
    let content_type = HeaderValue::from_static("application/json; charset=utf-8");
    ([(header::CONTENT_TYPE, content_type)], Json(body)).into_response()
}

fn accepted() -> Response {
    (StatusCode::ACCEPTED, [(header::CONTENT_LENGTH, HeaderValue::from(0))]).into_response()
}
