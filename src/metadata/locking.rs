//! What makes decisions hold where several transactions write at once.

use std::error::Error;
use std::time::Duration;

use sqlx::AnyConnection;

/// How a transaction holds the rows that it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowLock {
    /// Nobody else holds, changes or removes them.
    Alone,
    /// Others hold them in this way too, but nobody changes or removes them.
    Shared,
}

impl RowLock {
    /// The end of a `SELECT` that holds the rows it finds until the transaction ends. SQLite has
    /// no such words, and needs none: nobody else writes meanwhile.
    pub(super) fn clause(self, connection: &AnyConnection) -> &'static str {
        match (connection.backend_name(), self) {
            ("PostgreSQL", Self::Alone) => " FOR UPDATE",
            ("PostgreSQL", Self::Shared) => " FOR SHARE",
            _ => "",
        }
    }
}

/// PostgreSQL's codes for transactions that went wrong only because of what others did at the same
/// time: serialization_failure and deadlock_detected.
const CONFLICTS: [&str; 2] = ["40001", "40P01"];

/// Times that a transaction is tried again.
const RETRIES: u32 = 4;

/// Runs a transaction, and runs it again if it met with another one. `transaction` begins and
/// commits it, and does nothing else that lasts.
///
/// # Errors
/// The error of the last try.
pub async fn retry<T, E, F>(transaction: impl Fn() -> F) -> Result<T, E>
where
    E: Error + 'static,
    F: Future<Output = Result<T, E>>,
{
    for round in 0..RETRIES {
        match transaction().await {
            Err(error) if is_conflict(&error) => {
                tracing::debug!(error = &error as &dyn Error, "a transaction is tried again");
                // Apart, so that the same two do not meet again.
                let millis = rand::random_range(1..=10_u64 << round);
                tokio::time::sleep(Duration::from_millis(millis)).await;
            }
            done => return done,
        }
    }
    transaction().await
}

fn is_conflict(error: &(dyn Error + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| error.source())
        .filter_map(|error| error.downcast_ref::<sqlx::Error>())
        .filter_map(|error| error.as_database_error()?.code())
        .any(|code| CONFLICTS.contains(&code.as_ref()))
}
