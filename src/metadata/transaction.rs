use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use sqlx::{Any, AnyConnection};

use super::MetadataError;
use super::sqlite_log::SqliteLog;

/// A transaction that may write. Dropped without a commit, it changes nothing.
pub struct Transaction {
    transaction: sqlx::Transaction<'static, Any>,
    /// On SQLite, what must reach the disk after the commit.
    log: Option<Arc<SqliteLog>>,
}

impl Transaction {
    pub(super) fn new(
        transaction: sqlx::Transaction<'static, Any>,
        log: Option<Arc<SqliteLog>>,
    ) -> Self {
        Self { transaction, log }
    }

    /// Makes the changes. When this returns, they survive a crash of the machine, and so does all
    /// that was committed before.
    ///
    /// On SQLite others see the changes a moment earlier, while they are on their way to the disk.
    /// Whatever they make of it and commit in turn becomes durable after it, never without it.
    ///
    /// # Errors
    /// [`MetadataError`] if the changes were not made, or if it is not known whether they last.
    pub async fn commit(self) -> Result<(), MetadataError> {
        let Self { transaction, log } = self;
        transaction.commit().await?;
        match log {
            Some(log) => log.sync().await,
            None => Ok(()),
        }
    }

    /// Makes changes that a crash of the machine may take back, until a later [`commit`]: for what
    /// no client was promised to last, as long as only one process works on the database. Where
    /// others do, who would not crash with it, this is as [`commit`].
    ///
    /// [`commit`]: Transaction::commit
    ///
    /// # Errors
    /// [`MetadataError`] if the changes were not made.
    pub async fn commit_unsynced(self) -> Result<(), MetadataError> {
        Ok(self.transaction.commit().await?)
    }
}

impl Deref for Transaction {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        &self.transaction
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        &mut self.transaction
    }
}
