//! Bytes: blobs under their digests, and what upload sessions received so far.
//!
//! Knows nothing of repositories, rows or rights. A blob that appears here is whole and durable;
//! whether anyone may see it is for the rows to say.

mod disk;
mod reader;
mod writer;

pub use disk::DiskStore;
pub use reader::BlobReader;
pub use writer::UploadWriter;

#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The bytes of a session are not as far as its row says: they were lost, or removed.
    #[error("the upload's bytes are gone")]
    UploadLost,
    /// A row says that the blob is there, but its bytes are not.
    #[error("the bytes of blob {0} are missing from the store")]
    BlobMissing(crate::oci::Digest),
    #[error("the disk is full")]
    Full(#[source] std::io::Error),
    #[error("the store failed: {0}")]
    Io(#[source] std::io::Error),
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

/// Runs file work on the threads that may wait for a disk.
async fn blocking<T, F>(work: F) -> Result<T, StorageError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, StorageError> + Send + 'static,
{
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| StorageError::Io(std::io::Error::other(error)))?
}
