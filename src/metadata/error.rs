use std::io::ErrorKind::{QuotaExceeded, StorageFull};
use std::sync::Arc;

#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    #[error("the database's schema could not be brought up to date: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    #[error(
        "databases of type {0:?} are not supported: use sqlite://PATH or \
         postgres://USER:PASSWORD@HOST/DATABASE"
    )]
    Engine(Box<str>),
    /// A commit was made, but may be lost should the machine crash now.
    #[error("the database's log did not reach the disk: {0}")]
    Log(#[source] Arc<std::io::Error>),
    #[error("the rows are of a newer Orlop, whose schema has version {0}: use that program")]
    Newer(i64),
    #[error(
        "the database is of an older Orlop: use that program, or start this server to bring it up \
         to date"
    )]
    Older,
    #[error("there is no registry in the database: {0}")]
    NoRegistry(#[source] sqlx::Error),
    #[error("somebody else works on the database: stop all servers that use it")]
    InUse,
    /// Something else than Orlop wrote to the database, or it is damaged.
    #[error("the database holds {value:?} as {column}, which is not valid")]
    Damaged { column: &'static str, value: String },
}

/// What is to be done about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It passes: the database is away, starting, overloaded, or moved to another machine.
    Passing,
    /// The database has no room left.
    Full,
    /// The request holds text that the database cannot keep.
    Text,
    /// Somebody has to look into it.
    Lasting,
}

impl MetadataError {
    pub fn failure(&self) -> Failure {
        let error = match self {
            Self::Database(error) => error,
            Self::Log(error) if matches!(error.kind(), StorageFull | QuotaExceeded) => {
                return Failure::Full;
            }
            Self::Log(_) => return Failure::Passing,
            _ => return Failure::Lasting,
        };
        match error {
            sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::Io(_)
            | sqlx::Error::BeginFailed => Failure::Passing,
            sqlx::Error::Database(cause) => of_code(&cause.code().unwrap_or_default()),
            _ => Failure::Lasting,
        }
    }
}

/// By the codes of SQLite (<https://sqlite.org/rescode.html>) and PostgreSQL (its appendix A).
fn of_code(code: &str) -> Failure {
    match code {
        // SQLITE_FULL, disk_full
        "13" | "53100" => Failure::Full,
        // character_not_in_repertoire, which a NUL is
        "22021" => Failure::Text,
        // SQLITE_BUSY, read_only_sql_transaction, idle_in_transaction_session_timeout,
        // serialization_failure, deadlock_detected, lock_not_available
        "5" | "25006" | "25P03" | "40001" | "40P01" | "55P03" => Failure::Passing,
        // connection_exception, insufficient_resources, and operator_intervention but for
        // query_canceled
        "57014" => Failure::Lasting,
        code if ["08", "53", "57"]
            .iter()
            .any(|class| code.len() == 5 && code.starts_with(class)) =>
        {
            Failure::Passing
        }
        _ => Failure::Lasting,
    }
}
