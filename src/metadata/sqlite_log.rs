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
//!   next sync succeed. So after a failure nothing is promised until all that the log holds was
//!   written once more, while nobody else writes, and synced. The file stays open here, since the
//!   kernel tells of a failed write each open file once, also when SQLite's own sync met it first.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use sqlx::AnyPool;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::MetadataError;

/// The write-ahead log of an SQLite database.
pub(super) struct SqliteLog {
    waiting: Sender<Waiting>,
}

type Waiting = oneshot::Sender<Result<(), Arc<io::Error>>>;

impl SqliteLog {
    /// The log of the database file `main`, which `writers` write to.
    pub fn open(main: &Path, writers: &AnyPool) -> Result<Self, MetadataError> {
        let path = PathBuf::from(format!("{}-wal", main.display()));
        let file = open(&path).map_err(log_error)?;
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
        Ok(Self { waiting })
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
    /// Whether a sync failed, so that a further one proves nothing.
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
        if !self.has_failed {
            match self.sync_file() {
                Ok(()) => return Ok(()),
                Err(error) => tracing::warn!(%error, "the database's log is written once more"),
            }
        }
        self.has_failed = true;
        self.runtime.block_on(self.rewrite())?;
        self.has_failed = false;
        Ok(())
    }

    fn sync_file(&mut self) -> io::Result<()> {
        if self.file.metadata()?.nlink() == 0 {
            // Removed by hand. SQLite knows it no more either, if it has made a new one.
            self.file = open(&self.path)?;
        }
        self.file.sync_data()
    }

    /// Writes what the log holds over itself, from what the system still has of it, and syncs that.
    /// Readers find the same bytes as before.
    async fn rewrite(&self) -> io::Result<()> {
        let alone = self.writers.begin_with("BEGIN IMMEDIATE").await.map_err(io::Error::other)?;
        let file = open(&self.path)?;
        let length = file.metadata()?.len();
        let mut buffer = vec![0; 64 << 10];
        for offset in (0..length).step_by(buffer.len()) {
            let rest = usize::try_from(length - offset).unwrap_or(usize::MAX);
            let bytes = &mut buffer[..rest.min(64 << 10)];
            file.read_exact_at(bytes, offset)?;
            file.write_all_at(bytes, offset)?;
        }
        file.sync_data()?;
        alone.rollback().await.map_err(io::Error::other)
    }
}

fn open(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::super::Database;
    use super::*;

    async fn change(database: &Database, statement: &'static str) {
        let mut transaction = database.begin().await.unwrap();
        sqlx::query(statement).execute(&mut *transaction).await.unwrap();
        transaction.commit().await.unwrap();
    }

    #[tokio::test]
    async fn after_a_failed_sync_the_log_is_written_once_more() {
        let folder = tempfile::tempdir().unwrap();
        let url = Database::sqlite_url(&folder.path().join("a.db"));
        let database = Database::open(&url, 1).await.unwrap();
        change(&database, "CREATE TABLE x (y INTEGER)").await;
        let path = folder.path().join("a.db-wal");
        let before = std::fs::read(&path).unwrap();
        let mut disk = Disk {
            path: folder.path().join("missing"),
            // Cannot be synced.
            file: File::open("/dev/null").unwrap(),
            has_failed: false,
            writers: sqlx::AnyPool::connect(&url).await.unwrap(),
            runtime: Handle::current(),
        };
        // As on a thread of its own.
        let sync = |mut disk: Disk| {
            let synced = tokio::task::spawn_blocking(move || (disk.sync(), disk));
            async { synced.await.unwrap() }
        };
        let (failed, mut disk_again) = sync(disk).await;
        assert!(failed.is_err() && disk_again.has_failed);
        disk_again.path = path.clone();
        disk_again.file = open(&path).unwrap();
        (_, disk) = sync(disk_again).await;
        assert!(!disk.has_failed);
        assert_eq!(std::fs::read(&path).unwrap(), before);
        change(&database, "INSERT INTO x VALUES (1)").await;
    }

    #[tokio::test]
    async fn commits_at_once_are_all_synced() {
        let folder = tempfile::tempdir().unwrap();
        let url = Database::sqlite_url(&folder.path().join("a.db"));
        let database = Database::open(&url, 1).await.unwrap();
        let commits = (0..20).map(|_| async { database.begin().await?.commit().await });
        for committed in futures_util::future::join_all(commits).await {
            committed.unwrap();
        }
    }
}
