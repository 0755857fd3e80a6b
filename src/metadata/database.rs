use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions, install_default_drivers};
use sqlx::migrate::Migrator;
use sqlx::pool::PoolConnection;
use sqlx::{
    Any, AnyConnection, AnyPool, ConnectOptions as _, Connection as _, Executor as _, Row as _,
};

use super::sqlite_index::{SqliteIndex, State};
use super::sqlite_log::SqliteLog;
use super::{MetadataError, Transaction};

/// Connections to SQLite for reading beside the one that writes.
const SQLITE_READERS: u32 = 8;

/// How each SQLite connection is set up: readers go on beside the writer, and a commit does not wait
/// for the disk, which [`Transaction::commit`] does in its stead. A checkpoint, which does wait,
/// comes with every 16 MiB of the log.
const SQLITE_SESSION: &str = "\
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    PRAGMA wal_autocheckpoint = 4096;
    PRAGMA foreign_keys = ON;
    PRAGMA busy_timeout = 10000;
    PRAGMA cache_size = -16384;
    PRAGMA temp_store = MEMORY;";

/// How the only SQLite connection is set up that is to work on a file.
const SQLITE_ALONE: &str = "\
    PRAGMA busy_timeout = 2000;
    PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;";

/// How each PostgreSQL connection is set up: nobody waits for ever for a lock, a replica that
/// froze in the middle of a transaction loses its locks, and a commit is on the disk when it
/// returns, even if the server's own settings are weaker.
const POSTGRES_SESSION: &str = "\
    SET lock_timeout = '20s';
    SET idle_in_transaction_session_timeout = '30s';
    SELECT set_config('synchronous_commit', 'on', false)
        WHERE current_setting('synchronous_commit') = 'off';";

/// A connection that lay idle for longer is tried before it is used: the server may have been
/// restarted, or something in between may have dropped it.
const TRUSTED_IDLE: Duration = Duration::from_secs(2);

static SQLITE_MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES_MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// The database of rows. Cheap to clone.
///
/// SQLite takes one writer at a time, so writers queue for a single connection instead of finding
/// the file locked. On PostgreSQL all share one pool, here and on other replicas.
#[derive(Clone)]
pub struct Database {
    url: Arc<str>,
    readers: AnyPool,
    writers: AnyPool,
    /// Of SQLite in a file.
    log: Option<Arc<SqliteLog>>,
    /// Of SQLite in a file.
    index: Option<Arc<SqliteIndex>>,
    engine: Engine,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Engine {
    Sqlite,
    Postgres,
}

/// Changes that are made one after the other, by whatever replica, as they decide by more rows
/// than they could lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alone {
    /// Of who may do what.
    Access = 1,
    /// Removing what has expired.
    Sweep = 2,
    /// Who scrubs.
    Scrub = 13,
}

/// What the numbers of [`Alone`] are added to, so that they meet no other program's locks.
const ALONE: i64 = 0x6f72_6c6f_7000_0000;

impl Database {
    /// The URL of the SQLite file at `path`, which is made if it is missing.
    pub fn sqlite_url(path: &Path) -> String {
        format!("sqlite://{}?mode=rwc", path.display())
    }

    /// Connects and brings the schema up to date; replicas that start at once do so one after the
    /// other. PostgreSQL is given at most `max_connections`.
    ///
    /// # Errors
    /// [`MetadataError`] if the database cannot be reached or its schema is of a newer program.
    pub async fn open(url: &str, max_connections: u32) -> Result<Self, MetadataError> {
        install_default_drivers();
        match migrations(url)?.1 {
            Engine::Sqlite => Self::open_sqlite(url).await,
            Engine::Postgres => Self::open_postgres(url, max_connections).await,
        }
    }

    async fn open_sqlite(url: &str) -> Result<Self, MetadataError> {
        let pool = || {
            AnyPoolOptions::new()
                .test_before_acquire(false)
                .acquire_timeout(Duration::from_secs(30))
                .max_lifetime(None)
                .idle_timeout(None)
                .after_connect(|connection, _| {
                    Box::pin(async move {
                        connection.execute(SQLITE_SESSION).await?;
                        Ok(())
                    })
                })
        };
        let writers = pool().max_connections(1).connect(url).await?;
        SQLITE_MIGRATIONS.run(&writers).await?;
        let readers = pool().max_connections(SQLITE_READERS).connect(url).await?;
        let main = sqlite_file(&writers).await?;
        let log = main.as_deref().map(|main| SqliteLog::open(main, &writers)).transpose()?;
        let index = main.as_deref().and_then(SqliteIndex::open);
        let (log, index) = (log.map(Arc::new), index.map(Arc::new));
        Ok(Self { url: url.into(), readers, writers, log, index, engine: Engine::Sqlite })
    }

    async fn open_postgres(url: &str, max_connections: u32) -> Result<Self, MetadataError> {
        // A connection of its own: a migration may take longer than a request may wait, and if it
        // fails its lock ends with the connection.
        let mut connection = AnyConnection::connect(url).await?;
        POSTGRES_MIGRATIONS.run(&mut connection).await?;
        connection.close().await?;
        let pool = AnyPoolOptions::new()
            .max_connections(max_connections)
            .acquire_timeout(Duration::from_secs(10))
            .test_before_acquire(false)
            .before_acquire(|connection, metadata| {
                Box::pin(async move {
                    if metadata.idle_for > TRUSTED_IDLE {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .after_connect(|connection, _| {
                Box::pin(async move {
                    connection.execute(POSTGRES_SESSION).await?;
                    Ok(())
                })
            })
            .connect(url)
            .await?;
        Ok(Self {
            url: url.into(),
            readers: pool.clone(),
            writers: pool,
            log: None,
            index: None,
            engine: Engine::Postgres,
        })
    }

    /// As [`Database::open`], for a registry that is there: nothing is made or brought up to date.
    ///
    /// # Errors
    /// [`MetadataError::NoRegistry`] and [`MetadataError::Older`].
    pub async fn attach(url: &str, max_connections: u32) -> Result<Self, MetadataError> {
        install_default_drivers();
        let existing = url.replace("mode=rwc", "mode=rw");
        let (migrations, _) = migrations(url)?;
        let version = async {
            let mut connection = AnyConnection::connect(&existing).await?;
            let sql = "SELECT max(version) FROM _sqlx_migrations";
            let version: i64 = sqlx::query_scalar(sql).fetch_one(&mut connection).await?;
            connection.close().await?;
            Ok(version)
        };
        let version = version.await.map_err(MetadataError::NoRegistry)?;
        if migrations.iter().any(|migration| migration.version > version) {
            return Err(MetadataError::Older);
        }
        Self::open(url, max_connections).await
    }

    /// Connects to a database on which nobody else works, and on SQLite keeps all others away until it
    /// is closed. There is one connection only.
    ///
    /// # Errors
    /// [`MetadataError::InUse`] if somebody else works on it.
    pub async fn open_alone(url: &str) -> Result<Self, MetadataError> {
        install_default_drivers();
        let (migrations, engine) = migrations(url)?;
        let pool = AnyPoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
        let pool = pool.connect_with(unlogged(url)?).await?;
        let (url, readers) = (url.into(), pool.clone());
        let database = Self { url, readers, writers: pool, log: None, index: None, engine };
        let is_alone = match engine {
            Engine::Sqlite => database.shut_others_out().await?,
            Engine::Postgres => database.is_alone().await?,
        };
        if !is_alone {
            database.close().await;
            return Err(MetadataError::InUse);
        }
        migrations.run(&database.writers).await?;
        Ok(database)
    }

    /// The log of a SQLite file can be left only by the last one who uses the file.
    async fn shut_others_out(&self) -> Result<bool, MetadataError> {
        let mut connection = self.writers.acquire().await?;
        let left = async {
            connection.execute(SQLITE_ALONE).await?;
            let sql = "PRAGMA journal_mode = DELETE";
            sqlx::query_scalar::<_, String>(sql).fetch_one(&mut *connection).await
        };
        match left.await {
            Ok(mode) => Ok(mode == "delete"),
            // SQLITE_BUSY
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("5") => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether no other session of this user is connected.
    async fn is_alone(&self) -> Result<bool, MetadataError> {
        let others: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND usename = current_user
               AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
        )
        .fetch_one(&mut *self.read().await?)
        .await?;
        Ok(others == 0)
    }

    /// Connects to a database that is to be filled, whose schema must be that of the migration
    /// `version`. When it is filled, [`Database::open`] brings it up to date.
    ///
    /// # Errors
    /// [`MetadataError::Newer`] if this program does not know that version.
    pub async fn open_at(url: &str, version: i64) -> Result<Self, MetadataError> {
        install_default_drivers();
        let (migrations, engine) = migrations(url)?;
        if !migrations.version_exists(version) {
            return Err(MetadataError::Newer(version));
        }
        let pool = AnyPoolOptions::new()
            .max_connections(1)
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    if engine == Engine::Sqlite {
                        connection.execute(SQLITE_SESSION).await?;
                        // A few long transactions may wait for the disk.
                        connection.execute("PRAGMA synchronous = FULL").await?;
                    }
                    Ok(())
                })
            })
            .connect_with(unlogged(url)?)
            .await?;
        migrations.run_to(version, &pool).await?;
        let (url, readers) = (url.into(), pool.clone());
        Ok(Self { url, readers, writers: pool, log: None, index: None, engine })
    }

    /// The version of the schema: that of its last migration.
    pub async fn schema_version(&self) -> Result<i64, MetadataError> {
        Self::schema_version_in(&mut *self.read().await?).await
    }

    /// As [`Database::schema_version`], on a connection of the caller.
    pub async fn schema_version_in(connection: &mut AnyConnection) -> Result<i64, MetadataError> {
        let sql = "SELECT max(version) FROM _sqlx_migrations";
        Ok(sqlx::query_scalar(sql).fetch_one(connection).await?)
    }

    /// Whether other processes may work on this database at the same time.
    pub fn is_shared(&self) -> bool {
        self.engine == Engine::Postgres
    }

    /// A connection for queries that change nothing.
    pub async fn read(&self) -> Result<PoolConnection<Any>, MetadataError> {
        Ok(self.readers.acquire().await?)
    }

    /// What all rows are like now, if that can be told without asking the database.
    pub(super) fn state(&self) -> Option<State> {
        self.index.as_ref()?.state()
    }

    /// A transaction that may write. Dropped without a commit, it changes nothing.
    ///
    /// On SQLite it is the only one. On PostgreSQL others commit meanwhile, and each query sees
    /// what was committed before it: what a decision depends on must be held by a row lock, in the
    /// order repository, blob, manifest, tag.
    pub async fn begin(&self) -> Result<Transaction, MetadataError> {
        let statement = match self.engine {
            Engine::Sqlite => "BEGIN IMMEDIATE",
            Engine::Postgres => "BEGIN ISOLATION LEVEL READ COMMITTED",
        };
        loop {
            match self.writers.begin_with(statement).await {
                // SQLite ended a transaction by itself, as it does when the disk is full; sqlx
                // still counts it, so that its only connection can begin no other.
                Err(sqlx::Error::InvalidSavePointStatement) if self.engine == Engine::Sqlite => {
                    self.writers.acquire().await?.close().await?;
                }
                begun => return Ok(Transaction::new(begun?, self.log.clone())),
            }
        }
    }

    /// A connection for one statement that is a transaction of its own, and lasts as one by
    /// [`Transaction::commit_unsynced`].
    ///
    /// # Errors
    /// [`MetadataError`] if the database does not answer.
    pub async fn write_unsynced(&self) -> Result<PoolConnection<Any>, MetadataError> {
        Ok(self.writers.acquire().await?)
    }

    /// A connection in a transaction that sees all rows as they are now, whatever others commit while
    /// it is open, and that disturbs nobody. On SQLite its log grows meanwhile.
    pub async fn snapshot(&self) -> Result<AnyConnection, MetadataError> {
        let mut connection = AnyConnection::connect_with(&unlogged(&self.url)?).await?;
        let begin = match self.engine {
            Engine::Sqlite => "BEGIN",
            // Whoever takes the rows may be slow.
            Engine::Postgres => {
                "SET idle_in_transaction_session_timeout = 0;
                 BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
            }
        };
        connection.execute(begin).await?;
        // The first query decides which rows are seen.
        Self::schema_version_in(&mut connection).await?;
        Ok(connection)
    }

    /// As [`Database::begin`], and no other of its kind goes on until it ends.
    pub async fn begin_alone(&self, kind: Alone) -> Result<Transaction, MetadataError> {
        let mut transaction = self.begin().await?;
        if self.engine == Engine::Postgres {
            sqlx::query("SELECT pg_advisory_xact_lock($1)")
                .bind(ALONE + kind as i64)
                .execute(&mut *transaction)
                .await?;
        }
        Ok(transaction)
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
        self.writers.close().await;
    }
}

/// The file of an SQLite database; none if it is in memory.
async fn sqlite_file(pool: &AnyPool) -> Result<Option<PathBuf>, MetadataError> {
    let main = sqlx::query("PRAGMA database_list").fetch_one(pool).await?;
    let main: String = main.try_get("file")?;
    Ok((!main.is_empty()).then(|| main.into()))
}

/// How to connect for work on whole tables, whose statements are long and slow and not worth a line of
/// the log.
fn unlogged(url: &str) -> Result<AnyConnectOptions, MetadataError> {
    Ok(AnyConnectOptions::from_str(url)?.disable_statement_logging())
}

/// The migrations of the engine that a URL names.
fn migrations(url: &str) -> Result<(&'static Migrator, Engine), MetadataError> {
    match url.split(':').next().unwrap_or_default() {
        "sqlite" => Ok((&SQLITE_MIGRATIONS, Engine::Sqlite)),
        "postgres" | "postgresql" => Ok((&POSTGRES_MIGRATIONS, Engine::Postgres)),
        other => Err(MetadataError::Engine(other.into())),
    }
}
