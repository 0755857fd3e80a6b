use std::fs::File;
use std::io;
use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::storage::StorageError;

/// Bytes after which what was written is sent to the disk, while more arrive. Large enough that the
/// notes the file system takes with each sync do not count.
const STEP: u64 = 16 << 20;

/// Brings what is written to a file to the disk while more arrives, so that the sync at its end has
/// little left to do: without it the disk would idle while a large body is received, and the client
/// would wait for all of it afterwards.
pub(super) struct WriteBehind {
    /// Bytes written since the last sync began.
    waiting: u64,
    running: Option<JoinHandle<io::Result<()>>>,
}

impl WriteBehind {
    pub fn new() -> Self {
        Self { waiting: 0, running: None }
    }

    /// To be called after each write.
    ///
    /// # Errors
    /// If an earlier sync failed: nobody else would be told.
    pub async fn wrote(&mut self, file: &Arc<File>, bytes: u64) -> Result<(), StorageError> {
        self.waiting += bytes;
        if self.waiting < STEP || self.running.as_ref().is_some_and(|sync| !sync.is_finished()) {
            return Ok(());
        }
        self.settle().await?;
        self.waiting = 0;
        let file = Arc::clone(file);
        self.running = Some(tokio::task::spawn_blocking(move || file.sync_data()));
        Ok(())
    }

    /// Waits until no sync is under way.
    pub async fn settle(&mut self) -> Result<(), StorageError> {
        if let Some(running) = self.running.take() {
            running.await.map_err(io::Error::other)??;
        }
        Ok(())
    }
}
