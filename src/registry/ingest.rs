//! Takes a request's body into an upload session: receiving, hashing and writing overlap, and
//! memory stays at a few batches however large the body is.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use tokio::time::{Instant, timeout_at};

use super::RegistryError;
use super::uploads::Lease;
use crate::storage::{StorageError, UploadWriter};

pub type IncomingError = Box<dyn std::error::Error + Send + Sync>;

/// The body of a request as it arrives.
pub type Incoming = Pin<Box<dyn Stream<Item = Result<Bytes, IncomingError>> + Send>>;

/// Bytes that are hashed and written together, while the next are received.
const BATCH: usize = 256 << 10;

/// A body as far as it was taken in, and what ended it early, if anything did.
pub(super) struct Ingested {
    /// What it wrote is durable.
    pub writer: UploadWriter,
    pub interrupted: Option<RegistryError>,
}

/// Writes the whole body, or what arrives of it until something ends it.
///
/// # Errors
/// Only if writing fails.
pub(super) async fn ingest(
    writer: UploadWriter,
    body: Incoming,
    lease: Option<&Lease>,
    max_bytes: u64,
) -> Result<Ingested, RegistryError> {
    let mut receiving = Receiving {
        body,
        lease,
        renew_at: next_renewal(lease),
        room: max_bytes.saturating_sub(writer.written()),
        max_bytes,
    };
    let (batch, mut next) = receiving.next_batch().await;
    let mut writing = tokio::spawn(writer.write(batch));
    while let Next::More = next {
        let (batch, after) = receiving.next_batch().await;
        let writer = writing.await.map_err(task_failed)??;
        writing = tokio::spawn(writer.write(batch));
        next = after;
    }
    let writer = writing.await.map_err(task_failed)??.sync().await?;
    let interrupted = match next {
        Next::Interrupted(error) => Some(error),
        Next::More | Next::End => None,
    };
    Ok(Ingested { writer, interrupted })
}

fn task_failed(error: tokio::task::JoinError) -> StorageError {
    StorageError::Io(std::io::Error::other(error))
}

/// What follows a batch.
enum Next {
    More,
    End,
    Interrupted(RegistryError),
}

struct Receiving<'a> {
    body: Incoming,
    lease: Option<&'a Lease>,
    renew_at: Instant,
    /// Bytes that may still come.
    room: u64,
    max_bytes: u64,
}

impl Receiving<'_> {
    async fn next_batch(&mut self) -> (Vec<Bytes>, Next) {
        let mut batch = Vec::new();
        let mut length = 0;
        while length < BATCH {
            // Asked for here as well, since a body that always has more never waits.
            if Instant::now() >= self.renew_at
                && let Err(error) = self.renew_lease().await
            {
                return (batch, Next::Interrupted(error));
            }
            let bytes = match timeout_at(self.renew_at, self.body.next()).await {
                Err(_) => continue,
                Ok(None) => return (batch, Next::End),
                Ok(Some(Err(error))) => {
                    return (batch, Next::Interrupted(RegistryError::Interrupted(error)));
                }
                Ok(Some(Ok(bytes))) => bytes,
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

    async fn renew_lease(&mut self) -> Result<(), RegistryError> {
        self.renew_at = next_renewal(self.lease);
        match self.lease {
            Some(lease) => lease.renew().await,
            None => Ok(()),
        }
    }
}

/// Without a lease there is nothing to renew, whenever that is.
fn next_renewal(lease: Option<&Lease>) -> Instant {
    const NO_LEASE: Duration = Duration::from_secs(3600);
    Instant::now() + lease.map_or(NO_LEASE, Lease::renew_every)
}
