//! The distribution API under `/v2/` (distribution-spec, "API").

mod blobs;
mod catalog;
mod manifests;
mod referrers;
mod tags;
mod uploads;

use axum::response::{IntoResponse as _, Response};
use http::{HeaderName, HeaderValue, Method, header};

use super::Error;
use super::dispatch::{Asked, ascii};
use super::route::Route;
use crate::oci::RepositoryName;
use crate::registry::Incoming;

const DOCKER_CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// Answers a request whose right was checked.
pub async fn run(asked: &Asked<'_>, route: &Route, body: Incoming) -> Result<Response, Error> {
    match (&asked.parts.method, route) {
        (_, Route::Base) => Ok(axum::Json(serde_json::json!({})).into_response()),
        (_, Route::Catalog) => catalog::list(asked).await,
        (_, Route::Tags(name)) => tags::list(asked, name).await,
        (_, Route::Referrers(name, digest)) => referrers::list(asked, name, digest).await,
        (&Method::PUT, Route::Manifest(name, reference)) => {
            manifests::put(asked, name, reference, body).await
        }
        (&Method::DELETE, Route::Manifest(name, reference)) => {
            manifests::delete(asked, name, reference).await
        }
        (_, Route::Manifest(name, reference)) => manifests::get(asked, name, reference).await,
        (&Method::DELETE, Route::Blob(name, digest)) => blobs::delete(asked, name, digest).await,
        (_, Route::Blob(name, digest)) => blobs::get(asked, name, digest).await,
        (_, Route::Uploads(name)) => uploads::post(asked, name, body).await,
        (&Method::PATCH, Route::Upload(name, id)) => uploads::patch(asked, name, *id, body).await,
        (&Method::PUT, Route::Upload(name, id)) => uploads::put(asked, name, *id, body).await,
        (&Method::DELETE, Route::Upload(name, id)) => uploads::delete(asked, name, *id).await,
        (_, Route::Upload(name, id)) => uploads::get(asked, name, *id).await,
        _ => Err(Error::not_found()),
    }
}

fn blob_location(repository: &RepositoryName, digest: &crate::oci::Digest) -> HeaderValue {
    ascii(format!("/v2/{repository}/blobs/{digest}"))
}

/// Whether the client has this content already (RFC 9110, section 13.1.2).
fn is_cached(asked: &Asked<'_>, digest: &crate::oci::Digest) -> bool {
    asked.header(header::IF_NONE_MATCH).is_some_and(|tags| {
        tags.split(',').map(str::trim).any(|tag| {
            tag == "*" || tag.trim_start_matches("W/").trim_matches('"') == digest.as_str()
        })
    })
}

fn etag(digest: &crate::oci::Digest) -> HeaderValue {
    ascii(format!("\"{digest}\""))
}
