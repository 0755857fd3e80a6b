use std::fs::File;
use std::future::ready;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::ops::Range;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use tokio::task::JoinHandle;

use crate::storage::{StorageError, blocking};

/// Bytes of one read. A transfer holds at most two: one on its way out, one being read.
const CHUNK: u64 = 256 << 10;

/// A blob that is being read. It stays readable when the blob is deleted meanwhile.
#[derive(Debug)]
pub enum FileReader {
    File {
        file: File,
        size: u64,
    },
    /// All of a small blob.
    Content(Bytes),
}

impl FileReader {
    /// Reads a small blob at once, while the thread may wait for the disk anyway.
    pub(super) fn new(mut file: File, size: u64) -> io::Result<Self> {
        if size > CHUNK {
            return Ok(Self::File { file, size });
        }
        let mut content = vec![0; place(size)];
        file.read_exact(&mut content)?;
        Ok(Self::Content(content.into()))
    }

    /// In bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::File { size, .. } => *size,
            Self::Content(content) => content.len() as u64,
        }
    }

    /// Another handle on the same blob.
    pub fn try_clone(&self) -> Result<Self, StorageError> {
        Ok(match self {
            Self::File { file, size } => Self::File { file: file.try_clone()?, size: *size },
            Self::Content(content) => Self::Content(content.clone()),
        })
    }

    /// All of a small blob at once.
    pub async fn read_all(self) -> Result<Bytes, StorageError> {
        let mut file = match self {
            Self::File { file, .. } => file,
            Self::Content(content) => return Ok(content),
        };
        blocking(move || {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
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
        let file = match self {
            Self::File { file, .. } => file,
            Self::Content(content) => {
                let part = content.slice(place(range.start)..place(range.end));
                return Ok(stream::iter([Ok(part)]).left_stream());
            }
        };
        let (first, file, rest) = arrived(read_ahead(file, range)).await?;
        let state = Reading { next: more(file, rest) };
        let others = stream::try_unfold(state, |mut state| async move {
            let Some(next) = state.next.take() else { return Ok(None) };
            let (bytes, file, rest) = arrived(next).await?;
            state.next = more(file, rest);
            Ok(Some((bytes, state)))
        });
        Ok(stream::once(ready(Ok(first))).chain(others).right_stream())
    }
}

/// A place in content that is in memory.
fn place(offset: u64) -> usize {
    usize::try_from(offset).expect("the range lies within the blob")
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
