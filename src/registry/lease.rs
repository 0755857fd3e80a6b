//! Leases: who may write to an upload session, on whatever replica.
//!
//! Where several processes work on one database, the session's row says who holds it and until when.
//! Where there is one process only, its memory does ([`super::holders`]).

use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::AnyConnection;
use tokio::time::timeout;
use uuid::Uuid;

use super::RegistryError;
use super::holders::Holder;
use crate::metadata::uploads::{Arrival, Placed, Upload};
use crate::metadata::{self, Database, Transaction, now};

/// The right to write to a session, until it is given back or runs out.
pub(super) struct Lease {
    pub database: Database,
    pub id: Uuid,
    /// By which the row knows the holder; none if the row need not.
    pub token: Option<Uuid>,
    /// How long it holds without renewal: after that its holder is taken for dead.
    pub life: Duration,
    pub session_life: Duration,
    /// Whether the row alone knows where the bytes are.
    pub needs_row: bool,
    /// What has arrived of it, told with each renewal.
    pub arrival: Mutex<Arrival>,
    /// Lets go of the session when it is dropped; none if others may work on it who would not end
    /// with this process.
    pub holder: Option<Holder>,
}

impl Lease {
    /// How often it is to be renewed, so that a lost renewal does not lose it.
    fn renew_every(&self) -> Duration {
        self.life / 3
    }

    /// Does work on the session, whatever time it takes, while the lease is held.
    pub async fn during<T>(
        &self,
        work: impl Future<Output = Result<T, RegistryError>>,
    ) -> Result<T, RegistryError> {
        let mut work = pin!(work);
        loop {
            if let Ok(done) = timeout(self.renew_every(), &mut work).await {
                return done;
            }
            // Both go on: the work may hold, or be next to get, the connection that this waits for.
            let mut renewal = pin!(self.renew());
            tokio::select! {
                done = &mut work => {
                    // It is not cut off in the middle; the session may have ended with the work.
                    let _ = renewal.await;
                    return done;
                }
                renewed = &mut renewal => renewed?,
            }
        }
    }

    fn lock_arrival(&self) -> MutexGuard<'_, Arrival> {
        self.arrival.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes how many bytes the session comes to when the request has sent all that it is to send.
    pub fn expect(&self, bytes: Option<u64>) {
        self.lock_arrival().expected = bytes;
    }

    /// Notes how many bytes the session has by now.
    pub fn has_arrived(&self, bytes: u64) {
        self.lock_arrival().arrived = bytes;
    }

    pub async fn renew(&self) -> Result<(), RegistryError> {
        let now = now();
        let arrival = *self.lock_arrival();
        let mut transaction = self.database.begin().await?;
        let held = metadata::uploads::renew_lease(
            &mut transaction,
            self.id,
            self.token,
            after(now, self.life),
            after(now, self.session_life),
            arrival,
        )
        .await?;
        self.commit(transaction).await?;
        if held { Ok(()) } else { Err(RegistryError::UploadBusy) }
    }

    /// As [`Lease::renew`], and notes where the bytes are about to be put.
    pub async fn place(
        &self,
        connection: &mut AnyConnection,
        placed: &Placed,
    ) -> Result<(), RegistryError> {
        let now = now();
        let held = metadata::uploads::place(
            connection,
            self.id,
            self.token,
            after(now, self.life),
            after(now, self.session_life),
            placed,
        )
        .await?;
        if held { Ok(()) } else { Err(RegistryError::UploadBusy) }
    }

    /// Keeps what the store noted of the session, so that its bytes can be found after a crash.
    pub async fn note(&self, storage_handle: &str) -> Result<(), RegistryError> {
        let mut transaction = self.database.begin().await?;
        let held = metadata::uploads::set_storage_handle(
            &mut transaction,
            self.id,
            self.token,
            storage_handle,
        )
        .await?;
        self.commit(transaction).await?;
        if held { Ok(()) } else { Err(RegistryError::UploadBusy) }
    }

    /// Keeps how far the session came, and lets others write to it.
    pub async fn release(self, upload: &Upload) -> Result<(), RegistryError> {
        let expires_at = after(now(), self.session_life);
        let mut transaction = self.database.begin().await?;
        let held =
            metadata::uploads::save(&mut transaction, upload, self.token, expires_at).await?;
        self.commit(transaction).await?;
        if held { Ok(()) } else { Err(RegistryError::UploadBusy) }
    }

    /// Lets others write to the session, which stands where it stood.
    pub async fn give_back(self) -> Result<(), RegistryError> {
        let expires_at = after(now(), self.session_life);
        let mut transaction = self.database.begin().await?;
        metadata::uploads::free_lease(&mut transaction, self.id, self.token, expires_at).await?;
        self.commit(transaction).await
    }

    /// Of a session whose bytes can be found without its row, a crash of the machine may take back
    /// the last moments: its client goes on from where it stood before, or begins anew. None was told
    /// yet that its blob is there.
    async fn commit(&self, transaction: Transaction) -> Result<(), RegistryError> {
        if self.holder.is_some() && !self.needs_row {
            transaction.commit_unsynced().await?;
        } else {
            transaction.commit().await?;
        }
        Ok(())
    }
}

/// The time in microseconds that is `duration` after `now`.
pub(super) fn after(now: i64, duration: Duration) -> i64 {
    now.saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SQLite has one connection that writes: a renewal must not keep the work from giving it back.
    #[tokio::test]
    async fn work_that_holds_what_a_renewal_waits_for_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let url = Database::sqlite_url(&folder.path().join("orlop.db"));
        let database = Database::open(&url, 2).await.unwrap();
        let lease = Lease {
            database: database.clone(),
            id: Uuid::new_v4(),
            token: Some(Uuid::new_v4()),
            life: Duration::from_millis(150),
            session_life: Duration::from_secs(60),
            needs_row: false,
            arrival: Mutex::default(),
            holder: None,
        };
        let work = async {
            let transaction = database.begin().await?;
            // Longer than a renewal waits to begin.
            tokio::time::sleep(lease.life).await;
            transaction.commit().await?;
            Ok(())
        };
        let done = timeout(Duration::from_secs(20), lease.during(work)).await;
        // There is no such session, which a renewal finds out when it has its turn.
        assert!(matches!(done, Ok(Ok(()) | Err(RegistryError::UploadBusy))), "{done:?}");
    }
}
