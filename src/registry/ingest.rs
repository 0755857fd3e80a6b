//! Takes a request's body into an upload session: receiving, hashing and writing overlap, and
//! memory stays at a few batches however large the body is.

use std::io;
use std::ops::RangeInclusive;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use futures_util::{Stream, StreamExt as _};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::RegistryError;
use super::lease::Lease;
use crate::storage::{StorageError, UploadWriter};

/// A client that takes longer for a batch is slow: it must not keep memory that others wait for.
const SLOW: Duration = Duration::from_secs(1);

/// Bytes of a batch, which are hashed and written together while the next are received. The larger,
/// the fewer changes of threads.
const BATCH: RangeInclusive<usize> = 64 << 10..=1 << 20;

/// Bytes that the batches of all bodies have together, as long as that leaves each its least.
const ALL_BATCHES: usize = 4 << 20;

/// Bodies that are being received.
static BODIES: AtomicUsize = AtomicUsize::new(0);

pub type IncomingError = Box<dyn std::error::Error + Send + Sync>;

/// The body of a request as it arrives.
pub type Incoming = Pin<Box<dyn Stream<Item = Result<Bytes, IncomingError>> + Send>>;

/// A body as far as it was taken in, and what ended it early, if anything did.
pub(super) struct Ingested {
    pub writer: UploadWriter,
    pub interrupted: Option<RegistryError>,
}

/// Runs `work` on a body in a task of its own, which goes on when the caller is dropped. The caller
/// reads the body: the work gets what has arrived by then, and what of a piece it has not read is lost.
pub(super) async fn to_its_end<T, F>(
    body: Incoming,
    work: impl FnOnce(Batches) -> F,
) -> Result<T, RegistryError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, RegistryError>> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(1);
    let working = tokio::spawn(work(Batches(receiver)));
    let done = match select(working, pin!(gather(body, sender))).await {
        Either::Left((done, _)) => done,
        Either::Right(((), working)) => working.await,
    };
    done.unwrap_or_else(|error| Err(StorageError::Io(io::Error::other(error)).into()))
}

/// A body in batches.
pub(super) struct Batches(mpsc::Receiver<Batch>);

struct Batch {
    bytes: Vec<Bytes>,
    /// None if more follows.
    end: Option<End>,
}

enum End {
    Whole,
    Interrupted(RegistryError),
}

impl End {
    fn broken(error: impl Into<IncomingError>) -> Self {
        Self::Interrupted(RegistryError::Interrupted(error.into()))
    }

    fn gone() -> Self {
        Self::broken(io::Error::from(io::ErrorKind::UnexpectedEof))
    }
}

/// Reads a body until it ends or nobody takes more of it.
async fn gather(mut body: Incoming, sender: mpsc::Sender<Batch>) {
    let _counted = Counted::new();
    while let Ok(place) = sender.reserve().await {
        let mut gathered = Gathered { place: Some(place), bytes: Vec::new() };
        let size = batch_size();
        let mut length = 0;
        let end = loop {
            if length >= size {
                break None;
            }
            match body.next().await {
                None => break Some(End::Whole),
                Some(Err(error)) => break Some(End::broken(error)),
                Some(Ok(bytes)) => {
                    length += bytes.len();
                    gathered.bytes.push(bytes);
                }
            }
        };
        let is_end = end.is_some();
        gathered.send(end);
        if is_end {
            return;
        }
    }
}

/// A batch that is being gathered. Dropped, it is the last.
struct Gathered<'a> {
    place: Option<mpsc::Permit<'a, Batch>>,
    bytes: Vec<Bytes>,
}

impl Gathered<'_> {
    fn send(&mut self, end: Option<End>) {
        if let Some(place) = self.place.take() {
            place.send(Batch { bytes: std::mem::take(&mut self.bytes), end });
        }
    }
}

impl Drop for Gathered<'_> {
    fn drop(&mut self) {
        self.send(Some(End::gone()));
    }
}

/// Counts one of the [`BODIES`].
struct Counted;

impl Counted {
    fn new() -> Self {
        BODIES.fetch_add(1, Relaxed);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        BODIES.fetch_sub(1, Relaxed);
    }
}

fn batch_size() -> usize {
    let share = ALL_BATCHES / BODIES.load(Relaxed).max(1);
    share.clamp(*BATCH.start(), *BATCH.end())
}

/// Writes the whole body, or what arrives of it until something ends it.
///
/// # Errors
/// If writing fails, or the lease is lost.
pub(super) async fn ingest(
    mut writer: UploadWriter,
    body: Batches,
    lease: Option<&Lease>,
    max_bytes: u64,
) -> Result<Ingested, RegistryError> {
    let room = max_bytes.saturating_sub(writer.written());
    let mut receiving = Receiving { body, room, max_bytes };
    let mut batch = receiving.next().await;
    while batch.end.is_none() {
        let writing = pin!(write(writer, batch.bytes, lease));
        (writer, batch) = match select(writing, pin!(receiving.next())).await {
            Either::Right((next, writing)) => (writing.await?, next),
            Either::Left((writer, receiving)) => patiently(writer?, receiving).await?,
        };
    }
    let writer = write(writer, batch.bytes, lease).await?;
    let interrupted = match batch.end {
        Some(End::Interrupted(error)) => Some(error),
        Some(End::Whole) | None => None,
    };
    Ok(Ingested { writer, interrupted })
}

/// Writes a batch, and tells the session's row what the store has to say.
async fn write(
    writer: UploadWriter,
    bytes: Vec<Bytes>,
    lease: Option<&Lease>,
) -> Result<UploadWriter, RegistryError> {
    let mut writer = writer.write(bytes).await?;
    let Some(lease) = lease else { return Ok(writer) };
    lease.has_arrived(writer.written());
    if let Some(handle) = writer.news() {
        lease.note(&handle).await?;
    }
    Ok(writer)
}

/// Waits for the next batch. A slow client gives way to others meanwhile.
async fn patiently(
    mut writer: UploadWriter,
    mut receiving: impl Future<Output = Batch> + Unpin,
) -> Result<(UploadWriter, Batch), RegistryError> {
    loop {
        if let Ok(batch) = timeout(SLOW, &mut receiving).await {
            return Ok((writer, batch));
        }
        if writer.is_in_the_way() {
            writer = writer.make_room().await?;
        }
    }
}

struct Receiving {
    body: Batches,
    /// Bytes that may still come.
    room: u64,
    max_bytes: u64,
}

impl Receiving {
    async fn next(&mut self) -> Batch {
        let gone = || Batch { bytes: Vec::new(), end: Some(End::gone()) };
        let batch = self.body.0.recv().await.unwrap_or_else(gone);
        let length: usize = batch.bytes.iter().map(Bytes::len).sum();
        match self.room.checked_sub(length as u64) {
            Some(room) => self.room = room,
            None => {
                let too_large = RegistryError::BlobTooLarge { limit: self.max_bytes };
                return Batch { bytes: Vec::new(), end: Some(End::Interrupted(too_large)) };
            }
        }
        batch
    }
}
