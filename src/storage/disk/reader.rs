use std::fs::File;
use std::future::ready;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::ops::Range;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use tokio::task::JoinHandle;

use crate::storage::{StorageError, blocking};

/// Bytes of one read. A transfer holds at most two: one on its way out, one being read.
const CHUNK: u64 = 256 << 10;

/// An open blob. It stays readable when the blob is deleted meanwhile.
#[derive(Debug)]
pub struct FileReader {
    file: File,
    size: u64,
}

impl FileReader {
    pub(super) fn new(file: File, size: u64) -> Self {
        Self { file, size }
    }

    /// In bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Another handle on the same blob.
    pub fn try_clone(&self) -> Result<Self, StorageError> {
        Ok(Self { file: self.file.try_clone()?, size: self.size })
    }

    /// All of a small blob at once.
    pub async fn read_all(mut self) -> Result<Bytes, StorageError> {
        blocking(move || {
            let mut bytes = Vec::new();
            self.file.read_to_end(&mut bytes)?;
            Ok(bytes.into())
        })
        .await
    }

    /// The bytes in `range`, which lies within the blob and is not empty. Ends with an error if the
    /// file turns out to be shorter.
    ///
    /// # Errors
    /// [`StorageError`] if not even the first bytes can be read.
    pub async fn stream(
        self,
        range: Range<u64>,
    ) -> Result<impl Stream<Item = Result<Bytes, StorageError>> + Send, StorageError> {
        let (first, file, rest) = arrived(read_ahead(self.file, range)).await?;
        let state = Reading { next: more(file, rest) };
        let others = stream::try_unfold(state, |mut state| async move {
            let Some(next) = state.next.take() else { return Ok(None) };
            let (bytes, file, rest) = arrived(next).await?;
            state.next = more(file, rest);
            Ok(Some((bytes, state)))
        });
        Ok(stream::once(ready(Ok(first))).chain(others))
    }
}

struct Reading {
    next: Option<ChunkHandle>,
}

type ChunkHandle = JoinHandle<Result<ReadChunk, StorageError>>;

/// The bytes read, and the range that is still to be read.
type ReadChunk = (Bytes, File, Range<u64>);

async fn arrived(chunk: ChunkHandle) -> Result<ReadChunk, StorageError> {
    chunk.await.map_err(|error| StorageError::Io(std::io::Error::other(error)))?
}

/// Starts to read on, if there is more.
fn more(file: File, rest: Range<u64>) -> Option<ChunkHandle> {
    (!rest.is_empty()).then(|| read_ahead(file, rest))
}

/// Starts to read the first chunk of `range`; gives it with the rest of the range.
fn read_ahead(mut file: File, range: Range<u64>) -> ChunkHandle {
    tokio::task::spawn_blocking(move || {
        let length = CHUNK.min(range.end - range.start);
        let mut bytes = Vec::with_capacity(usize::try_from(length).expect("a chunk fits memory"));
        file.seek(SeekFrom::Start(range.start))?;
        (&file).take(length).read_to_end(&mut bytes)?;
        if (bytes.len() as u64) < length {
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
        }
        Ok((bytes.into(), file, range.start + length..range.end))
    })
}
