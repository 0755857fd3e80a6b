//! Copies blobs from one store to another, and checks on the way that they are what they should be.

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use uuid::Uuid;

use super::Progress;
use super::pace::Pace;
use crate::oci::{Digest, Hasher};
use crate::storage::{BlobStore, Session, StorageError, UploadWriter};

/// Bytes that are written together.
const BATCH: usize = 256 << 10;

/// What came of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Copied {
    /// The copy is durable; where it is, if not at the place that follows from the digest.
    Whole(Option<String>),
    /// The source does not have it, or in another size.
    Missing,
    /// What the source has is the content of this digest instead; nothing was kept of it.
    Damaged(Digest),
}

/// A blob in some store.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub store: &'a BlobStore,
    pub digest: &'a Digest,
    pub size: u64,
    pub location: Option<&'a str>,
}

/// Where in the other store a copy is to be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum To {
    /// At the place that follows from the digest.
    Digest,
    /// Where an upload would be.
    Upload,
}

/// Who has to do with the bytes that come from the source.
#[derive(Clone, Copy, Default)]
pub(super) struct Watch<'a> {
    pub pace: Option<&'a Pace>,
    pub progress: Option<&'a Progress>,
}

impl Watch<'_> {
    async fn received(self, bytes: u64) {
        if let Some(progress) = self.progress {
            progress.received(bytes);
        }
        if let Some(pace) = self.pace {
            pace.spend(bytes).await;
        }
    }
}

/// Copies a blob into another store.
///
/// # Errors
/// [`StorageError`] if one of the stores fails.
pub(super) async fn copy(
    source: Source<'_>,
    to: &BlobStore,
    place: To,
    watch: Watch<'_>,
) -> Result<Copied, StorageError> {
    let id = Uuid::new_v4();
    let session =
        Session { id, hasher: Hasher::new(source.digest.algorithm()), received: 0, handle: None };
    let reader = match source.store.read(source.digest, source.size, source.location).await {
        Ok(reader) => reader,
        Err(StorageError::BlobMissing(_)) => return Ok(Copied::Missing),
        Err(error) => return Err(error),
    };
    let mut writer = match place {
        To::Digest => to.open_at_digest(session, source.digest).await?,
        To::Upload => to.open_upload(session).await?,
    };
    let mut failed = None;
    if source.size > 0 {
        match reader.stream(0..source.size).await {
            Ok(stream) => {
                let mut stream = std::pin::pin!(stream);
                let mut batch = Batch::default();
                loop {
                    match stream.try_next().await {
                        Ok(Some(bytes)) => {
                            watch.received(bytes.len() as u64).await;
                            batch.push(bytes);
                        }
                        Ok(None) => break,
                        Err(error) => {
                            failed = Some(error);
                            break;
                        }
                    }
                    if batch.size >= BATCH {
                        writer = writer.write(batch.take()).await?;
                    }
                }
                writer = writer.write(batch.take()).await?;
            }
            Err(error) => failed = Some(error),
        }
    }
    writer.settle().await?;
    let actual = writer.hasher().clone().finish();
    if failed.is_none() && actual == *source.digest {
        let location = to.finish_upload(writer, source.digest).await?;
        return Ok(Copied::Whole(location.filter(|_| place == To::Upload)));
    }
    discard(to, id, writer).await?;
    match failed {
        None => Ok(Copied::Damaged(actual)),
        Some(StorageError::BlobMissing(_)) => Ok(Copied::Missing),
        Some(error) => Err(error),
    }
}

async fn discard(to: &BlobStore, id: Uuid, writer: UploadWriter) -> Result<(), StorageError> {
    let handle = writer.keep().await?;
    to.remove_upload(id, handle.as_deref()).await
}

#[derive(Default)]
struct Batch {
    bytes: Vec<Bytes>,
    size: usize,
}

impl Batch {
    fn push(&mut self, bytes: Bytes) {
        self.size += bytes.len();
        self.bytes.push(bytes);
    }

    fn take(&mut self) -> Vec<Bytes> {
        self.size = 0;
        std::mem::take(&mut self.bytes)
    }
}
