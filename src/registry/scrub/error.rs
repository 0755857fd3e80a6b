use crate::metadata::MetadataError;
use crate::registry::RegistryError;
use crate::storage::StorageError;

/// Why a scrub did not come to its end. What it found until then is kept.
#[derive(Debug, thiserror::Error)]
pub enum ScrubError {
    #[error("another scrub is under way, in its phase {phase}, after {blobs} blobs")]
    Busy { phase: &'static str, blobs: u64 },
    #[error("another scrub has gone on in the place of this one")]
    Lost,
    /// Better to stop than to call every blob damaged.
    #[error(
        "the store holds no blob at all, but the database knows some: is it the right store, and \
         is its disk mounted?"
    )]
    StoreEmpty,
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<sqlx::Error> for ScrubError {
    fn from(error: sqlx::Error) -> Self {
        Self::Metadata(error.into())
    }
}
