use crate::metadata::MetadataError;
use crate::registry::scrub::ScrubError;
use crate::storage::StorageError;

/// Why a backup was not made, or not restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error(
        "blobs were collected again and again before they were copied: try again, or raise the \
         grace period of the collector"
    )]
    Restless,
    #[error("there is no backup at {0}")]
    NoBackup(String),
    #[error("there is no backup {id} there; there are: {}", known.join(", "))]
    Unknown { id: String, known: Vec<String> },
    #[error("{file} of the backup is damaged or missing: {reason}; restore another one")]
    Damaged { file: String, reason: String },
    #[error("the backup has format {0}, which this program does not know: use a newer one")]
    Format(u32),
    #[error(
        "the registry to restore into is not empty: table {0} has rows. Give an empty database"
    )]
    NotEmpty(&'static str),
    #[error(
        "the tables of the database are of version {found}, those of the backup of version \
         {expected}: give an empty database"
    )]
    Schema { found: i64, expected: i64 },
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Scrub(#[from] ScrubError),
}

impl From<sqlx::Error> for BackupError {
    fn from(error: sqlx::Error) -> Self {
        Self::Metadata(error.into())
    }
}
