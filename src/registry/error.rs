use super::Disallowed;
use crate::metadata::MetadataError;
use crate::oci::{Digest, ManifestError, Reference, RepositoryName, Tag};
use crate::storage::StorageError;

/// Why the registry did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("repository {0} is not known to this registry")]
    RepositoryUnknown(RepositoryName),
    #[error("repository {repository} has no manifest {reference}")]
    ManifestUnknown { repository: RepositoryName, reference: Reference },
    #[error("repository {repository} has no blob {digest}")]
    BlobUnknown { repository: RepositoryName, digest: Digest },
    /// Pushed again, it is there again.
    #[error("blob {0} is damaged in the registry's store: push it again")]
    BlobDamaged(Digest),
    /// Likewise.
    #[error("manifest {0} is damaged in the registry's database: push it again")]
    ManifestDamaged(Digest),
    #[error("the repository has no such upload session, or it has expired: start a new one")]
    UploadUnknown,
    #[error("another request is writing to this upload session")]
    UploadBusy,
    /// Bytes are expected from `received` on.
    #[error("the chunk does not start at byte {received}, where the upload session stands")]
    ChunkOutOfOrder { received: u64 },
    #[error("the body has {actual} bytes, but Content-Range says {declared}")]
    ChunkLength { declared: u64, actual: u64 },
    #[error("the client's body ended before it was complete: {0}")]
    Interrupted(#[source] super::IncomingError),
    #[error("a blob may have {limit} bytes at most")]
    BlobTooLarge { limit: u64 },
    #[error("the content has digest {actual}, not {expected}")]
    DigestMismatch { expected: Digest, actual: Digest },
    /// It was garbage when it came again, and its push took longer than `gc.delay_seconds` allows.
    #[error("blob {0} was removed while it was pushed again: push it once more")]
    BlobCollected(Digest),
    #[error(transparent)]
    ManifestInvalid(#[from] ManifestError),
    #[error("the manifest says that {digest} has {stated} bytes, but it has {actual}")]
    SizeMismatch { digest: Digest, stated: u64, actual: u64 },
    /// Not empty.
    #[error("the manifest needs content that the repository does not have: push it first")]
    ReferencesUnknown(Vec<Digest>),
    #[error("blob {digest} is part of manifest {manifest}: delete the manifest first")]
    BlobInUse { digest: Digest, manifest: Digest },
    #[error("manifest {digest} is part of index {index}: delete the index first")]
    ManifestInUse { digest: Digest, index: Digest },
    #[error("{0:?} is not there, so the page after it is not known: begin with the first page")]
    PlaceUnknown(String),
    #[error("the manifest refers to {0}, which is deleted: restore that first")]
    SubjectDeleted(Digest),
    #[error("tag {tag} names {digest} now: restore with force to take it from there")]
    TagExists { tag: Tag, digest: Digest },
    #[error("tag {tag} never named {}", digest.as_ref().map_or("anything else", Digest::as_str))]
    NoSuchMove { tag: Tag, digest: Option<Digest> },
    #[error(transparent)]
    Disallowed(#[from] Disallowed),
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<sqlx::Error> for RegistryError {
    fn from(error: sqlx::Error) -> Self {
        Self::Metadata(error.into())
    }
}
