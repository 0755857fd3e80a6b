//! Takes a request's body into an upload session: receiving, hashing and writing overlap, and
//! memory stays at a few batches however large the body is.

use std::pin::{Pin, pin};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::RegistryError;
use super::lease::Lease;
use crate::storage::{StorageError, UploadWriter};

/// A client that takes longer for a batch is slow: it must not keep memory that others wait for.
const SLOW: Duration = Duration::from_secs(1);

pub type IncomingError = Box<dyn std::error::Error + Send + Sync>;

/// The body of a request as it arrives.
pub type Incoming = Pin<Box<dyn Stream<Item = Result<Bytes, IncomingError>> + Send>>;

/// Bytes that are hashed and written together, while the next are received.
const BATCH: usize = 256 << 10;

/// A body as far as it was taken in, and what ended it early, if anything did.
pub(super) struct Ingested {
    pub writer: UploadWriter,
    pub interrupted: Option<RegistryError>,
}

/// Writes the whole body, or what arrives of it until something ends it.
///
/// # Errors
/// If writing fails, or the lease is lost.
pub(super) async fn ingest(
    writer: UploadWriter,
    body: Incoming,
    lease: Option<&Lease>,
    max_bytes: u64,
) -> Result<Ingested, RegistryError> {
    let room = max_bytes.saturating_sub(writer.written());
    let mut receiving = Receiving { body, room, max_bytes };
    let (batch, mut next) = receiving.next_batch().await;
    // A small body has nothing to overlap with.
    if !matches!(next, Next::More) {
        let writer = noted(writer.write(batch).await?, lease).await?;
        return Ok(next.ingested(writer));
    }
    let mut writing = start(writer, batch);
    while let Next::More = next {
        let mut receive = pin!(receiving.next_batch());
        let (batch, after) = loop {
            if let Ok(received) = timeout(SLOW, &mut receive).await {
                break received;
            }
            let writer = written(writing, lease).await?;
            writing = AbortOnDropHandle::new(tokio::spawn(async move {
                if writer.is_in_the_way() { writer.make_room().await } else { Ok(writer) }
            }));
        };
        writing = start(written(writing, lease).await?, batch);
        next = after;
    }
    Ok(next.ingested(written(writing, lease).await?))
}

fn start(writer: UploadWriter, batch: Vec<Bytes>) -> Writing {
    AbortOnDropHandle::new(tokio::spawn(writer.write(batch)))
}

/// Waits until a batch is written.
async fn written(writing: Writing, lease: Option<&Lease>) -> Result<UploadWriter, RegistryError> {
    noted(writing.await.map_err(task_failed)??, lease).await
}

/// Tells the session's row what the store has to say.
async fn noted(
    mut writer: UploadWriter,
    lease: Option<&Lease>,
) -> Result<UploadWriter, RegistryError> {
    if let (Some(handle), Some(lease)) = (writer.news(), lease) {
        lease.note(&handle).await?;
    }
    Ok(writer)
}

type Writing = AbortOnDropHandle<Result<UploadWriter, StorageError>>;

fn task_failed(error: tokio::task::JoinError) -> StorageError {
    StorageError::Io(std::io::Error::other(error))
}

/// What follows a batch.
enum Next {
    More,
    End,
    Interrupted(RegistryError),
}

impl Next {
    fn ingested(self, writer: UploadWriter) -> Ingested {
        let interrupted = match self {
            Self::Interrupted(error) => Some(error),
            Self::More | Self::End => None,
        };
        Ingested { writer, interrupted }
    }
}

struct Receiving {
    body: Incoming,
    /// Bytes that may still come.
    room: u64,
    max_bytes: u64,
}

impl Receiving {
    async fn next_batch(&mut self) -> (Vec<Bytes>, Next) {
        let mut batch = Vec::new();
        let mut length = 0;
        while length < BATCH {
            let bytes = match self.body.next().await {
                None => return (batch, Next::End),
                Some(Err(error)) => {
                    return (batch, Next::Interrupted(RegistryError::Interrupted(error)));
                }
                Some(Ok(bytes)) => bytes,
            };
            let Some(room) = self.room.checked_sub(bytes.len() as u64) else {
                let too_large = RegistryError::BlobTooLarge { limit: self.max_bytes };
                return (batch, Next::Interrupted(too_large));
            };
            self.room = room;
            length += bytes.len();
            batch.push(bytes);
        }
        (batch, Next::More)
    }
}
