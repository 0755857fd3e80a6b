use axum::Extension;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::{HeaderValue, StatusCode, header};
use std::ops::Range;
use std::sync::Arc;

use super::{DOCKER_CONTENT_DIGEST, etag, is_cached};
use crate::http::Error;
use crate::http::byte_range::Ranges;
use crate::http::dispatch::{Asked, ascii};
use crate::http::send_file::{self, FileToSend, MaySendFile};
use crate::oci::{Digest, RepositoryName};
use crate::storage::{BlobReader, StorageError};

const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");

pub async fn get(
    asked: &Asked<'_>,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Response, Error> {
    let blob = if asked.is_head() {
        asked.app.registry.promise_blob(repository, digest).await?
    } else {
        asked.app.registry.blob(repository, digest).await?
    };
    let headers = [
        (DOCKER_CONTENT_DIGEST, ascii(digest)),
        (header::ETAG, etag(digest)),
        (header::ACCEPT_RANGES, HeaderValue::from_static("bytes")),
        (header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=31536000, immutable")),
    ];
    if is_cached(asked, digest) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    if !asked.is_head()
        && asked.app.settings.storage.redirects(asked.remote())
        && let Some(link) = asked.app.registry.blob_link(&blob).await?
    {
        return Ok(redirect(digest, &link));
    }
    // A range of another version of the content would be of no use (RFC 9110, section 13.1.5).
    let is_other = asked.header(header::IF_RANGE).is_some_and(|tag| tag != format!("\"{digest}\""));
    let range = asked.header(header::RANGE).filter(|_| !is_other && !asked.is_head());
    let ranges = match Ranges::parse(range, blob.size) {
        Ranges::Whole => None,
        Ranges::Parts(parts) => Some(parts),
        Ranges::Unsatisfiable => return Err(unsatisfiable(blob.size)),
    };
    if asked.is_head() {
        let length = [(header::CONTENT_LENGTH, HeaderValue::from(blob.size))];
        return Ok((headers, [(header::CONTENT_TYPE, OCTETS)], length).into_response());
    }
    let reader = asked.app.registry.read_blob(&blob).await?;
    let body = match ranges.as_deref() {
        None => whole(asked, reader).await?,
        Some([range]) => part(asked, reader, range.clone()).await?,
        Some(ranges) => parts(reader, ranges)?,
    };
    Ok((headers, body).into_response())
}

/// Sends the client to where the bytes are. It brings its own `Range` there.
fn redirect(digest: &Digest, link: &str) -> Response {
    let headers = [
        (header::LOCATION, ascii(link)),
        (DOCKER_CONTENT_DIGEST, ascii(digest)),
        // The link ends, the content does not.
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (StatusCode::TEMPORARY_REDIRECT, headers).into_response()
}

async fn whole(asked: &Asked<'_>, reader: BlobReader) -> Result<Response, Error> {
    let size = reader.size();
    let about = [(header::CONTENT_TYPE, OCTETS), (header::CONTENT_LENGTH, HeaderValue::from(size))];
    Ok((about, bytes_of(asked, reader, 0..size).await?).into_response())
}

async fn part(asked: &Asked<'_>, reader: BlobReader, range: Range<u64>) -> Result<Response, Error> {
    let about = [
        (header::CONTENT_TYPE, OCTETS),
        (header::CONTENT_LENGTH, HeaderValue::from(range.end - range.start)),
        (header::CONTENT_RANGE, ascii(content_range(&range, reader.size()))),
    ];
    let bytes = bytes_of(asked, reader, range).await?;
    Ok((StatusCode::PARTIAL_CONTENT, about, bytes).into_response())
}

/// Several ranges as one body (RFC 9110, section 15.3.7.2), in the order asked for.
fn parts(reader: BlobReader, ranges: &[Range<u64>]) -> Result<Response, Error> {
    let boundary = uuid::Uuid::new_v4().simple().to_string();
    let mut length = 0;
    let mut pieces = Vec::with_capacity(ranges.len());
    for range in ranges {
        let head = format!(
            "\r\n--{boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: {}\r\n\r\n",
            content_range(range, reader.size())
        );
        length += head.len() as u64 + (range.end - range.start);
        pieces.push((Bytes::from(head), range.clone()));
    }
    let end = format!("\r\n--{boundary}--\r\n");
    length += end.len() as u64;
    let bodies = stream::iter(pieces).flat_map(move |(head, range)| {
        let head = stream::iter([Ok(head)]);
        // Opened when its turn comes, so that only one part is read at a time.
        let reader = reader.try_clone();
        let bytes = async move { reader?.stream(range).await };
        head.chain(stream::once(bytes).try_flatten())
    });
    let body = bodies.chain(stream::iter([Ok::<_, StorageError>(Bytes::from(end))]));
    let about = [
        (header::CONTENT_TYPE, ascii(format!("multipart/byteranges; boundary={boundary}"))),
        (header::CONTENT_LENGTH, HeaderValue::from(length)),
    ];
    Ok((StatusCode::PARTIAL_CONTENT, about, Body::from_stream(body)).into_response())
}

/// The body; of a large piece of a file only a note of it, where the connection sends that itself.
async fn bytes_of(
    asked: &Asked<'_>,
    reader: BlobReader,
    range: Range<u64>,
) -> Result<Response, StorageError> {
    if range.is_empty() {
        return Ok(Body::empty().into_response());
    }
    if let Some(content) = reader.content() {
        let place = |offset| usize::try_from(offset).expect("the range lies within the blob");
        let part = content.slice(place(range.start)..place(range.end));
        return Ok(Body::from(part).into_response());
    }
    let reader = match asked.parts.extensions.get::<MaySendFile>() {
        Some(_) if range.end - range.start >= send_file::WORTH_IT => match reader.into_file() {
            Ok(file) => {
                let file = Arc::new(file);
                return Ok(Extension(FileToSend { file, range }).into_response());
            }
            Err(reader) => reader,
        },
        _ => reader,
    };
    Ok(Body::from_stream(reader.stream(range).await?).into_response())
}

fn content_range(range: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", range.start, range.end - 1)
}

fn unsatisfiable(size: u64) -> Error {
    let message = format!("the range is not within the blob, which has {size} bytes");
    Error::new(StatusCode::RANGE_NOT_SATISFIABLE, "RANGE_INVALID", message)
        .with_header(header::CONTENT_RANGE, ascii(format!("bytes */{size}")))
}

pub async fn delete(
    asked: &Asked<'_>,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Response, Error> {
    asked.app.registry.delete_blob(repository, digest).await?;
    let headers =
        [(header::CONTENT_LENGTH, HeaderValue::from(0)), (DOCKER_CONTENT_DIGEST, ascii(digest))];
    Ok((StatusCode::ACCEPTED, headers).into_response())
}
