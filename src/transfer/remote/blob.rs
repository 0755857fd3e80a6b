//! A blob of another registry as one stream, taken up again where its connection breaks.

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use http::{Method, StatusCode};

use super::request::Asked;
use super::{RemoteRegistry, pull};
use crate::oci::{Digest, RepositoryName};
use crate::registry::{Incoming, IncomingError};
use crate::transfer::TransferError;

/// How often in a row a broken answer is taken up again without a byte of progress.
const ATTEMPTS: u32 = 5;

/// # Errors
/// [`TransferError`] if not even the first byte can be had.
pub async fn stream(
    registry: RemoteRegistry,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Incoming, TransferError> {
    let path = format!("/v2/{repository}/blobs/{digest}");
    let request = Request { registry, path, scope: pull(repository) };
    let answer = match request.send(0).await {
        Err(TransferError::Missing(_)) => {
            return Err(TransferError::Missing(format!("blob {digest}")));
        }
        answer => Some(answer?),
    };
    let reading = Reading { request, first: 0, answer, attempts: 0 };
    Ok(futures_util::stream::try_unfold(reading, Reading::next).boxed())
}

type Answer = BoxStream<'static, reqwest::Result<Bytes>>;

struct Request {
    registry: RemoteRegistry,
    path: String,
    scope: String,
}

impl Request {
    /// The bytes from `first` on.
    async fn send(&self, first: u64) -> Result<Answer, TransferError> {
        let mut asked = Asked::new(Method::GET, &self.path, &self.scope);
        if first > 0 {
            asked = asked.from(first);
        }
        let answer = self.registry.send(&asked).await?;
        // A server may ignore the range: then what came before comes again.
        let is_rest = answer.status() == StatusCode::PARTIAL_CONTENT;
        let known = if is_rest { 0 } else { first };
        Ok(skip(answer.bytes_stream().boxed(), known))
    }
}

struct Reading {
    request: Request,
    /// Bytes that came.
    first: u64,
    answer: Option<Answer>,
    /// To take up the answer again, since the last byte.
    attempts: u32,
}

impl Reading {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, IncomingError> {
        loop {
            let mut answer = match self.answer.take() {
                Some(answer) => answer,
                None => self.request.send(self.first).await?,
            };
            match answer.try_next().await {
                Ok(Some(bytes)) => {
                    self.first += bytes.len() as u64;
                    self.attempts = 0;
                    self.answer = Some(answer);
                    return Ok(Some((bytes, self)));
                }
                Ok(None) => return Ok(None),
                Err(error) if self.attempts == ATTEMPTS => return Err(error.into()),
                Err(_) => self.attempts += 1,
            }
        }
    }
}

/// The stream without its first `count` bytes.
fn skip(stream: Answer, count: u64) -> Answer {
    let mut left = count;
    let rest = stream.try_filter_map(move |mut bytes| {
        let known = left.min(bytes.len() as u64);
        left -= known;
        let rest = bytes.split_off(usize::try_from(known).expect("no longer than the bytes"));
        async move { Ok((!rest.is_empty()).then_some(rest)) }
    });
    rest.boxed()
}
