use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http::{HeaderName, HeaderValue, StatusCode, header};

use super::{DOCKER_CONTENT_DIGEST, etag, is_cached};
use crate::http::Error;
use crate::http::dispatch::{Asked, ascii};
use crate::oci::{MediaType, Reference, RepositoryName, Tag};
use crate::registry::{Incoming, PushManifest, RegistryError};

const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
const OCI_TAG: HeaderName = HeaderName::from_static("oci-tag");

/// Tags that one push may set beside its reference.
const MAX_TAGS: usize = 100;

/// The bytes as they were pushed; what the client would rather have (`Accept`) changes nothing.
pub async fn get(
    asked: &Asked<'_>,
    repository: &RepositoryName,
    reference: &Reference,
) -> Result<Response, Error> {
    let manifest = asked.app.registry.manifest(repository, reference).await?;
    let cache_control = match reference {
        Reference::Digest(_) => "private, max-age=31536000, immutable",
        Reference::Tag(_) => "private, no-cache",
    };
    let headers = [
        (DOCKER_CONTENT_DIGEST, ascii(&manifest.digest)),
        (header::ETAG, etag(&manifest.digest)),
        (header::CACHE_CONTROL, HeaderValue::from_static(cache_control)),
    ];
    if is_cached(asked, &manifest.digest) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    if !asked.is_head() {
        asked.app.registry.count_pull(&manifest, reference);
    }
    let about_body = [
        (header::CONTENT_TYPE, ascii(&manifest.media_type)),
        (header::CONTENT_LENGTH, HeaderValue::from(manifest.content.len())),
    ];
    let body = if asked.is_head() { Body::empty() } else { manifest.content.into() };
    Ok((headers, about_body, body).into_response())
}

pub async fn put(
    asked: &Asked<'_>,
    repository: &RepositoryName,
    reference: &Reference,
    body: Incoming,
) -> Result<Response, Error> {
    let content_type =
        asked.header(header::CONTENT_TYPE).map(MediaType::from_header).transpose()?;
    let query = asked.query();
    let tags = query.all("tag").map(Tag::parse).collect::<Result<Vec<_>, _>>()?;
    if tags.len() > MAX_TAGS {
        let message = format!("a push may set {MAX_TAGS} tags, not {}", tags.len());
        return Err(Error::bad_request("TAG_INVALID", message));
    }
    let push = PushManifest {
        repository,
        reference,
        tags: &tags,
        content_type: content_type.as_ref(),
        content: read(asked, body).await?,
        actor: asked.caller.name(),
    };
    let pushed = asked.app.registry.push_manifest(push).await?;
    let location = ascii(format!("/v2/{repository}/manifests/{}", pushed.digest));
    let headers = [
        (header::LOCATION, location),
        (DOCKER_CONTENT_DIGEST, ascii(&pushed.digest)),
        (header::CONTENT_LENGTH, HeaderValue::from(0)),
    ];
    let mut response = (StatusCode::CREATED, headers).into_response();
    if let Some(subject) = pushed.subject {
        response.headers_mut().insert(OCI_SUBJECT, ascii(subject));
    }
    for tag in &tags {
        response.headers_mut().append(OCI_TAG, ascii(tag));
    }
    Ok(response)
}

/// A manifest's bytes, up to the limit.
async fn read(asked: &Asked<'_>, mut body: Incoming) -> Result<Bytes, Error> {
    let limit = asked.app.settings.registry.max_manifest_bytes;
    let too_large = || {
        let message = format!("a manifest may have {limit} bytes at most");
        Error::new(StatusCode::PAYLOAD_TOO_LARGE, "MANIFEST_INVALID", message)
    };
    let length = asked.header(header::CONTENT_LENGTH).and_then(|text| text.parse::<usize>().ok());
    if length.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let mut content = BytesMut::new();
    while let Some(bytes) = body.next().await {
        let bytes = bytes.map_err(RegistryError::Interrupted)?;
        if content.len() + bytes.len() > limit {
            return Err(too_large());
        }
        content.extend_from_slice(&bytes);
    }
    Ok(content.freeze())
}

pub async fn delete(
    asked: &Asked<'_>,
    repository: &RepositoryName,
    reference: &Reference,
) -> Result<Response, Error> {
    let (registry, actor) = (&asked.app.registry, asked.caller.name());
    match reference {
        Reference::Digest(digest) => registry.delete_manifest(repository, digest, actor).await?,
        Reference::Tag(tag) => registry.delete_tag(repository, tag, actor).await?,
    }
    Ok((StatusCode::ACCEPTED, [(header::CONTENT_LENGTH, HeaderValue::from(0))]).into_response())
}
