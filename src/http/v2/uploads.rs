use axum::response::{IntoResponse as _, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use uuid::Uuid;

use super::{DOCKER_CONTENT_DIGEST, blob_location};
use crate::auth::Action;
use crate::http::byte_range::parse_chunk;
use crate::http::challenge::repository_scope;
use crate::http::dispatch::{Asked, ascii};
use crate::http::{Error, upload_range};
use crate::metadata::uploads::Upload;
use crate::oci::{Algorithm, Digest, RepositoryName};
use crate::registry::{Declared, Incoming};

const DOCKER_UPLOAD_UUID: HeaderName = HeaderName::from_static("docker-upload-uuid");

/// Opens a session, mounts a blob, or takes a whole one.
pub async fn post(
    asked: &Asked<'_>,
    repository: &RepositoryName,
    body: Incoming,
) -> Result<Response, Error> {
    let query = asked.query();
    if let Some(digest) = query.get("mount") {
        let digest = Digest::parse(digest)?;
        let from = query.get("from").map(RepositoryName::parse).transpose()?;
        if mount(asked, repository, from.as_ref(), &digest).await? {
            return Ok(created(repository, &digest));
        }
    } else if let Some(digest) = query.get("digest") {
        let digest = Digest::parse(digest)?;
        asked.app.registry.push_blob(repository, &digest, asked.caller.name(), body).await?;
        return Ok(created(repository, &digest));
    }
    let algorithm =
        query.get("digest-algorithm").map_or(Ok(Algorithm::Sha256), Algorithm::parse)?;
    let upload =
        asked.app.registry.start_upload(repository, algorithm, asked.caller.name()).await?;
    Ok(accepted(StatusCode::ACCEPTED, &upload))
}

/// Whether the blob was mounted. It is, only from a repository that the caller may pull; nothing
/// tells a caller of a blob elsewhere.
///
/// # Errors
/// A challenge, if the caller's token does not cover such a repository but its identity does.
async fn mount(
    asked: &Asked<'_>,
    repository: &RepositoryName,
    from: Option<&RepositoryName>,
    digest: &Digest,
) -> Result<bool, Error> {
    let registry = &asked.app.registry;
    let may_pull = |name: &RepositoryName| asked.caller.may(Action::ContentRead, name);
    let sources = match from {
        Some(from) => vec![from.clone()],
        None => registry.repositories_with_blob(digest).await?,
    };
    for from in sources.iter().filter(|name| may_pull(name)) {
        if registry.mount_blob(repository, from, digest).await? {
            return Ok(true);
        }
    }
    let rights = asked.app.auth.rights_of(asked.caller).await?;
    let could_pull = |name: &&RepositoryName| rights.may(Action::ContentRead, name);
    if let Some(from) = sources.iter().filter(|name| !may_pull(name)).find(could_pull) {
        let to = repository_scope(repository, Action::ContentWrite);
        let from = repository_scope(from, Action::ContentRead);
        return Err(Error::insufficient_scope(asked.origin, &format!("{to} {from}")));
    }
    Ok(false)
}

pub async fn get(
    asked: &Asked<'_>,
    repository: &RepositoryName,
    id: Uuid,
) -> Result<Response, Error> {
    let upload = asked.app.registry.upload(repository, id).await?;
    Ok(accepted(StatusCode::NO_CONTENT, &upload))
}

pub async fn patch(
    asked: &Asked<'_>,
    repository: &RepositoryName,
    id: Uuid,
    body: Incoming,
) -> Result<Response, Error> {
    let declared = declared(asked)?;
    let upload = asked.app.registry.append_upload(repository, id, declared, body).await?;
    Ok(accepted(StatusCode::ACCEPTED, &upload))
}

pub async fn put(
    asked: &Asked<'_>,
    repository: &RepositoryName,
    id: Uuid,
    body: Incoming,
) -> Result<Response, Error> {
    let query = asked.query();
    let Some(digest) = query.get("digest") else {
        let message = "the request that ends an upload needs ?digest=ALGORITHM:HEX";
        return Err(Error::bad_request("DIGEST_INVALID", message));
    };
    let digest = Digest::parse(digest)?;
    let declared = declared(asked)?;
    asked.app.registry.finish_upload(repository, id, declared, body, &digest).await?;
    Ok(created(repository, &digest))
}

pub async fn delete(
    asked: &Asked<'_>,
    repository: &RepositoryName,
    id: Uuid,
) -> Result<Response, Error> {
    asked.app.registry.cancel_upload(repository, id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The bytes that the body is to be, if the client says so.
fn declared(asked: &Asked<'_>) -> Result<Declared, Error> {
    let length = asked.header(header::CONTENT_LENGTH).and_then(|text| text.parse().ok());
    let Some(text) = asked.header(header::CONTENT_RANGE) else {
        return Ok(Declared { range: None, length });
    };
    match parse_chunk(text) {
        Some(range) => Ok(Declared { range: Some(range), length }),
        // Some clients close with an empty body and say so in their own ways.
        None if length == Some(0) => Ok(Declared { range: None, length }),
        None => {
            let message = format!("Content-Range {text:?} is not of the form FIRST-LAST");
            Err(Error::bad_request("BLOB_UPLOAD_INVALID", message))
        }
    }
}

fn accepted(status: StatusCode, upload: &Upload) -> Response {
    let location = format!("/v2/{}/blobs/uploads/{}", upload.repository, upload.id);
    let headers = [
        (header::LOCATION, ascii(location)),
        (header::RANGE, upload_range(upload.received)),
        (DOCKER_UPLOAD_UUID, ascii(upload.id.to_string())),
    ];
    let mut response = (status, headers).into_response();
    if status != StatusCode::NO_CONTENT {
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(0));
    }
    response
}

fn created(repository: &RepositoryName, digest: &Digest) -> Response {
    let headers = [
        (header::LOCATION, blob_location(repository, digest)),
        (DOCKER_CONTENT_DIGEST, ascii(digest)),
        (header::CONTENT_LENGTH, HeaderValue::from(0)),
    ];
    (StatusCode::CREATED, headers).into_response()
}
