use std::path::Path;
use std::time::Duration;

use sqlx::any::{AnyPoolOptions, install_default_drivers};
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyPool, Executor as _, Transaction};

use super::MetadataError;

/// Connections for reading beside the one that writes.
const READERS: u32 = 8;

/// How each SQLite connection is set up: readers go on beside the writer, and a commit is on the
/// disk when it returns.
const SQLITE_PRAGMAS: &str = "\
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
    PRAGMA busy_timeout = 10000;
    PRAGMA cache_size = -16384;
    PRAGMA temp_store = MEMORY;";

static SQLITE_MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("migrations/sqlite");

/// The database of rows. Cheap to clone.
///
/// SQLite takes one writer at a time, so writers queue for a single connection instead of finding
/// the file locked.
#[derive(Clone)]
pub struct Database {
    readers: AnyPool,
    writer: AnyPool,
}

impl Database {
    /// The URL of the SQLite file at `path`, which is made if it is missing.
    pub fn sqlite_url(path: &Path) -> String {
        format!("sqlite://{}?mode=rwc", path.display())
    }

    /// Connects and brings the schema up to date.
    ///
    /// # Errors
    /// [`MetadataError`] if the database cannot be reached or its schema is of a newer program.
    pub async fn open(url: &str) -> Result<Self, MetadataError> {
        install_default_drivers();
        if !url.starts_with("sqlite:") {
            return Err(MetadataError::Engine(url.split(':').next().unwrap_or_default().into()));
        }
        let pool = || {
            AnyPoolOptions::new()
                .test_before_acquire(false)
                .acquire_timeout(Duration::from_secs(30))
                .max_lifetime(None)
                .idle_timeout(None)
                .after_connect(|connection, _| {
                    Box::pin(async move {
                        connection.execute(SQLITE_PRAGMAS).await?;
                        Ok(())
                    })
                })
        };
        let writer = pool().max_connections(1).connect(url).await?;
        SQLITE_MIGRATIONS.run(&writer).await?;
        let readers = pool().max_connections(READERS).connect(url).await?;
        Ok(Self { readers, writer })
    }

    /// A connection for queries that change nothing.
    pub async fn read(&self) -> Result<PoolConnection<Any>, MetadataError> {
        Ok(self.readers.acquire().await?)
    }

    /// A transaction that may write. What it reads stays as read until it ends, so a decision may
    /// depend on it. Dropped without a commit, it changes nothing.
    pub async fn begin(&self) -> Result<Transaction<'static, Any>, MetadataError> {
        loop {
            match self.writer.begin_with("BEGIN IMMEDIATE").await {
                // SQLite ended a transaction by itself, as it does when the disk is full; sqlx
                // still counts it, so that the connection can begin no other.
                Err(sqlx::Error::InvalidSavePointStatement) => {
                    self.writer.acquire().await?.close().await?;
                }
                begun => return Ok(begun?),
            }
        }
    }

    /// # Errors
    /// [`MetadataError`] if the database does not answer.
    pub async fn ping(&self) -> Result<(), MetadataError> {
        sqlx::query("SELECT 1").execute(&mut *self.read().await?).await?;
        Ok(())
    }

    /// Ends all connections, so that SQLite folds its log into the main file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}
