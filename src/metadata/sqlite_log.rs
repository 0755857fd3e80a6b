//! Durable commits on SQLite that share their wait for the disk.
//!
//! With `synchronous = FULL` SQLite waits for the disk within each commit, while it holds the only
//! connection that writes: pushes at once wait for one another's disk. So commits are made with
//! `synchronous = NORMAL`, which appends to the write-ahead log and does not wait, and whoever
//! promised that a change lasts calls [`SqliteLog::sync`] afterwards. One sync covers all who came
//! before it began.
//!
//! Why this is as good as FULL (<https://sqlite.org/wal.html>, <https://sqlite.org/pragma.html#pragma_synchronous>):
//!
//! - A commit has been written to the log file when SQLite returns from it. A sync that begins later
//!   puts it on the disk, with all that stands before it in the log. Recovery reads the log from its
//!   start and stops at the first frame whose checksum, which goes on from frame to frame, is wrong:
//!   a commit survives only together with those before it.
//! - A commit that a checkpoint moved to the main file before our sync is on the disk as well: under
//!   NORMAL a checkpoint syncs the log, moves the pages, and syncs the main file; only then is the
//!   log written anew from its start, after its new header was synced.
//! - The log's name lasts: SQLite syncs its folder with that first header. The file stays the same as
//!   long as one connection is open, and the pool of readers keeps some.
//! - When a sync fails, the kernel may count the pages as written although they are lost, and let the
//!   next sync succeed. So after a failure nothing is promised until a checkpoint has moved
//!   everything out of the log. The file stays open here, since the kernel tells of a failed
//!   write each open file once, also when SQLite's own sync met it first.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use sqlx::{AnyPool, Row as _};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::MetadataError;

/// The write-ahead log of an SQLite database.
pub(super) struct SqliteLog {
    waiting: Sender<Waiting>,
}

type Waiting = oneshot::Sender<Result<(), Arc<io::Error>>>;

impl SqliteLog {
    /// The log of the database that `writers` write to; none if that has no file.
    pub async fn open(writers: &AnyPool) -> Result<Option<Self>, MetadataError> {
        let main = sqlx::query("PRAGMA database_list").fetch_one(writers).await?;
        let main: String = main.try_get("file")?;
        if main.is_empty() {
            return Ok(None);
        }
        let path = PathBuf::from(format!("{main}-wal"));
        let file = File::open(&path).map_err(log_error)?;
        let disk = Disk {
            path,
            file,
            has_failed: false,
            writers: writers.clone(),
            runtime: Handle::current(),
        };
        let (waiting, came) = channel();
        std::thread::Builder::new()
            .name("sqlite-log".into())
            .spawn(move || disk.serve(&came))
            .map_err(log_error)?;
        Ok(Some(Self { waiting }))
    }

    /// Makes all that was committed before this call survive a crash of the machine.
    ///
    /// # Errors
    /// [`MetadataError::Log`] if it is not known whether it does.
    pub async fn sync(&self) -> Result<(), MetadataError> {
        let (done, hear) = oneshot::channel();
        let is_gone = || log_error(io::Error::other("its thread is gone"));
        self.waiting.send(done).map_err(|_| is_gone())?;
        hear.await.map_err(|_| is_gone())?.map_err(MetadataError::Log)
    }
}

fn log_error(error: io::Error) -> MetadataError {
    MetadataError::Log(Arc::new(error))
}

/// The file of the log, on a thread of its own.
struct Disk {
    path: PathBuf,
    file: File,
    /// Whether a sync failed since the log was last empty.
    has_failed: bool,
    writers: AnyPool,
    runtime: Handle,
}

impl Disk {
    /// Syncs for all who came meanwhile, until nobody can come any more.
    fn serve(mut self, came: &Receiver<Waiting>) {
        while let Ok(first) = came.recv() {
            let waiting: Vec<_> = std::iter::once(first).chain(came.try_iter()).collect();
            let result = self.sync().map_err(Arc::new);
            if let Err(error) = &result {
                tracing::error!(%error, "the database's log did not reach the disk");
            }
            for one in waiting {
                // Whoever went away needs no answer.
                let _ = one.send(result.clone());
            }
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.has_failed {
            self.runtime.block_on(self.empty())?;
        }
        self.has_failed = true;
        if self.file.metadata()?.nlink() == 0 {
            // Removed by hand. SQLite knows it no more either, if it has made a new one.
            self.file = File::open(&self.path)?;
        }
        self.file.sync_data()?;
        self.has_failed = false;
        Ok(())
    }

    /// Moves all that the log holds to the main file, from what the system still has of it, and
    /// syncs that.
    async fn empty(&self) -> io::Result<()> {
        let checkpoint = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)");
        let row = checkpoint.fetch_one(&self.writers).await.map_err(io::Error::other)?;
        match row.try_get("busy").map_err(io::Error::other)? {
            0_i64 => Ok(()),
            _ => Err(io::Error::other("readers are in the way of a checkpoint")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Database;
    use super::*;

    #[tokio::test]
    async fn after_a_failed_sync_nothing_is_promised_until_the_log_was_emptied() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let database = Database::open(&Database::sqlite_url(&path), 1).await.unwrap();
        let mut transaction = database.begin().await.unwrap();
        sqlx::query("CREATE TABLE x (y INTEGER)").execute(&mut *transaction).await.unwrap();
        transaction.commit().await.unwrap();

        let path = folder.path().join("a.db-wal");
        let log = File::open(&path).unwrap();
        assert!(log.metadata().unwrap().len() > 0);
        let mut disk = Disk {
            path,
            // Cannot be synced.
            file: File::open("/dev/null").unwrap(),
            has_failed: false,
            writers: sqlx::AnyPool::connect(&Database::sqlite_url(&folder.path().join("a.db")))
                .await
                .unwrap(),
            runtime: Handle::current(),
        };
        let failed = std::thread::spawn(move || (disk.sync().is_err(), disk));
        let (has_failed, mut disk) = failed.join().unwrap();
        assert!(has_failed && log.metadata().unwrap().len() > 0);

        disk.file = log.try_clone().unwrap();
        tokio::task::spawn_blocking(move || disk.sync()).await.unwrap().unwrap();
        assert_eq!(log.metadata().unwrap().len(), 0);
    }

    #[tokio::test]
    async fn commits_at_once_are_all_synced() {
        let folder = tempfile::tempdir().unwrap();
        let url = Database::sqlite_url(&folder.path().join("a.db"));
        let database = Database::open(&url, 1).await.unwrap();
        let commits = (0..20).map(|_| async {
            let transaction = database.begin().await?;
            transaction.commit().await
        });
        for committed in futures_util::future::join_all(commits).await {
            committed.unwrap();
        }
    }
}
