//! Bytes: blobs under their digests, and what upload sessions received so far.
//!
//! Knows nothing of repositories, rows or rights. A blob is whole and durable when the call returns
//! that made it one; whether anyone may see it is for the rows to say, which are written afterwards.
//!
//! [`BlobStore`] is what the layers above use: files in a folder ([`disk`]) or objects in a bucket
//! ([`bucket`]).

mod bucket;
pub mod care;
mod disk;
mod store;

use bytes::Bytes;
use uuid::Uuid;

pub use bucket::{BucketStore, objects};
pub use disk::{DiskStore, make_folder};
pub use store::{BlobReader, BlobStore, Removal, UploadWriter};

use crate::oci::{Digest, Hasher};

/// An upload session as far as it came: what its row knows of it.
pub struct Session {
    pub id: Uuid,
    /// Over the bytes received so far.
    pub hasher: Hasher,
    /// Bytes received and kept.
    pub received: u64,
    /// What the store itself noted, see [`UploadWriter::keep`].
    pub handle: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The bytes of a session are not as far as its row says: they were lost, or removed.
    #[error("the upload's bytes are gone")]
    UploadLost,
    /// A row says that the blob is there, but its bytes are not.
    #[error("the bytes of blob {0} are missing from the store")]
    BlobMissing(Digest),
    #[error("the disk is full")]
    Full(#[source] std::io::Error),
    #[error("the store failed: {0}")]
    Io(#[source] std::io::Error),
    /// The object store is away, or refuses us.
    #[error("the object store failed: {0}")]
    Bucket(#[from] object_store::Error),
    #[error("storage.url {url} cannot be used: {reason}")]
    Url { url: String, reason: String },
    /// Of the files that Amazon's tools share.
    #[error("the AWS profile {name:?} cannot be used: {reason}")]
    Profile { name: String, reason: String },
    /// Something else than Orlop wrote to the session's row, or it is damaged.
    #[error("the upload's row holds {0:?}, which does not say where its bytes are")]
    Handle(String),
}

impl From<std::io::Error> for StorageError {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        match error.kind() {
            StorageFull | QuotaExceeded => Self::Full(error),
            _ => Self::Io(error),
        }
    }
}

/// Work below this size is not worth a second thread: it is hashed and written on one.
const SPLIT: usize = 64 << 10;

fn hash(hasher: &mut Hasher, batch: &[Bytes]) {
    for bytes in batch {
        hasher.update(bytes);
    }
}

/// Runs file work and hashing on the threads that may wait for a disk.
async fn blocking<T, F>(work: F) -> Result<T, StorageError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, StorageError> + Send + 'static,
{
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| StorageError::Io(std::io::Error::other(error)))?
}
