//! Moves a registry to another database, another store, or both.
//!
//! Blobs are copied while the registry serves, as often as one likes; at the end nobody else may
//! work on it, and what came since is copied, then all rows in one transaction. Until that commits,
//! the registry is where it was.

mod blobs;
mod rows;

use std::sync::Arc;

use super::Progress;
use crate::metadata::{Database, MetadataError};
use crate::oci::Digest;
use crate::storage::{BlobStore, StorageError};

pub use blobs::MigratedBlobs;

/// Where a registry is, and where it shall be.
pub struct Migration {
    pub database: Database,
    pub store: BlobStore,
    /// If it is another one.
    pub new_store: Option<BlobStore>,
    /// URL of the new database, if it is another one.
    pub new_database: Option<String>,
    /// Blobs at the same time.
    pub jobs: usize,
    pub progress: Arc<Progress>,
}

#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("the new database is not empty: its table {0} has rows")]
    NotEmpty(&'static str),
    #[error(
        "the rows of {table} are not the same in the new database, which has {found} of {expected}"
    )]
    Rows { table: &'static str, expected: u64, found: u64 },
    /// Nothing was kept of it.
    #[error("the content that the old store has for {expected} has digest {actual}")]
    Damaged { expected: Digest, actual: Digest },
    #[error("the new store has {found:?} bytes of {digest}, not {expected}")]
    Size { digest: Digest, expected: u64, found: Option<u64> },
}

impl From<sqlx::Error> for MigrationError {
    fn from(error: sqlx::Error) -> Self {
        Self::Metadata(error.into())
    }
}
