use crate::oci::{Digest, ManifestError};
use crate::registry::RegistryError;
use crate::storage::StorageError;

/// Why content could not be carried.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The source does not have it.
    #[error("{0} is not there")]
    Missing(String),
    #[error("{url} answered {status}: {message}")]
    Refused { url: String, status: u16, message: String },
    #[error("the sign-in at {url} failed: {message}")]
    SignIn { url: String, message: String },
    #[error("{url} answered what no registry answers: {reason}")]
    Answer { url: String, reason: String },
    #[error("a request failed")]
    Http(#[from] reqwest::Error),
    #[error("the content has digest {actual}, not {expected}")]
    Digest { expected: Digest, actual: Digest },
    #[error("it has more than {0} bytes, which registry.max_manifest_bytes allows")]
    ManifestTooLarge(u64),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// What is wrong with it has been told.
    #[error("a part of it could not be had: {0}")]
    Incomplete(Digest),
    #[error("{0}")]
    Source(String),
    #[error("cannot read {path}")]
    Read { path: String, source: std::io::Error },
    #[error("cannot write {path}")]
    Write { path: String, source: std::io::Error },
    #[error("the bucket failed")]
    Bucket(#[from] object_store::Error),
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl TransferError {
    /// Whether the rest would fail for the same reason: our own database or store does not work.
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::Registry(RegistryError::Metadata(_)) => true,
            Self::Registry(RegistryError::Storage(error)) => {
                !matches!(error, StorageError::UploadLost | StorageError::BlobMissing(_))
            }
            Self::Write { .. } => true,
            _ => false,
        }
    }

    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing(_))
    }
}
