use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{Stream, TryStreamExt as _};
use object_store::path::Path;
use object_store::{GetOptions, GetRange};

use super::{Service, is_missing};
use crate::oci::Digest;
use crate::storage::StorageError;

/// How often in a row a broken answer is taken up again without a byte of progress. A store drops
/// the connections of clients that are slow, so breaks are no sign that it is away.
const ATTEMPTS: u32 = 3;

/// The object of a blob.
#[derive(Clone, Debug)]
pub struct ObjectReader {
    service: Arc<dyn Service>,
    path: Path,
    digest: Digest,
    size: u64,
}

impl ObjectReader {
    pub(super) fn new(service: Arc<dyn Service>, path: Path, digest: Digest, size: u64) -> Self {
        Self { service, path, digest, size }
    }

    /// In bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The bytes in `range`, which lies within the blob and is not empty. As much is read ahead as
    /// fits the buffers of one connection.
    ///
    /// # Errors
    /// [`StorageError::BlobMissing`] if there is no such object, or if it has another size.
    pub async fn stream(
        self,
        range: Range<u64>,
    ) -> Result<impl Stream<Item = Result<Bytes, StorageError>> + Send, StorageError> {
        let answer = self.get(range.clone()).await?;
        let state = Reading { reader: self, range, answer, attempts: 0 };
        Ok(futures_util::stream::try_unfold(state, Reading::next))
    }

    /// All of a small blob at once.
    pub async fn read_all(self) -> Result<Bytes, StorageError> {
        if self.size == 0 {
            return Ok(Bytes::new());
        }
        let size = self.size;
        let parts: Vec<Bytes> = self.stream(0..size).await?.try_collect().await?;
        Ok(parts.concat().into())
    }

    async fn get(&self, range: Range<u64>) -> Result<Answer, StorageError> {
        let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
        match self.service.get_opts(&self.path, options).await {
            Ok(answer) if answer.meta.size == self.size => Ok(answer.into_stream()),
            Err(error) if !is_missing(&error) => Err(error.into()),
            Ok(_) | Err(_) => Err(StorageError::BlobMissing(self.digest.clone())),
        }
    }
}

type Answer = BoxStream<'static, object_store::Result<Bytes>>;

struct Reading {
    reader: ObjectReader,
    /// What is still to be read.
    range: Range<u64>,
    answer: Answer,
    /// To take up the answer again, since the last byte.
    attempts: u32,
}

impl Reading {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, StorageError> {
        while !self.range.is_empty() {
            let error = match self.answer.try_next().await {
                Ok(Some(bytes)) => {
                    self.range.start += bytes.len() as u64;
                    self.attempts = 0;
                    return Ok(Some((bytes, self)));
                }
                Ok(None) => StorageError::Io(std::io::ErrorKind::UnexpectedEof.into()),
                Err(error) => error.into(),
            };
            if self.attempts == ATTEMPTS {
                return Err(error);
            }
            self.attempts += 1;
            self.answer = self.reader.get(self.range.clone()).await?;
        }
        Ok(None)
    }
}
