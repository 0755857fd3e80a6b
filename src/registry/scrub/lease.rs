use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::{ScrubError, hold};
use crate::metadata::scrubs::{self, Scrub};
use crate::metadata::{Database, now};

/// Without a renewal for so long, the holder is taken for dead.
const LIFE: Duration = Duration::from_secs(6);

/// The right to go on with a scrub, renewed until it is dropped.
pub(super) struct Lease {
    database: Database,
    scrub_id: i64,
    pub token: Uuid,
    lost: CancellationToken,
    _renewing: AbortOnDropHandle<()>,
}

impl Lease {
    /// Takes the lease with the scrub it is for. If somebody has it, waits until it turns out
    /// whether they live.
    pub async fn take(database: &Database, anew: bool) -> Result<(Self, Scrub), ScrubError> {
        let token = Uuid::new_v4();
        let mut first_seen = None;
        let scrub = loop {
            let now = now();
            let is_held = |scrub: &Scrub| scrub.lease_until > now;
            match hold(database, anew, is_held, token, until()).await? {
                Ok(scrub) => break scrub,
                Err(other) if *first_seen.get_or_insert(other.lease_until) != other.lease_until => {
                    let (phase, blobs) = (other.phase.as_str(), other.blobs);
                    return Err(ScrubError::Busy { phase, blobs });
                }
                Err(_) => sleep(Duration::from_millis(200)).await,
            }
        };
        let lost = CancellationToken::new();
        let renewing = renew(database.clone(), scrub.id, token, lost.clone());
        let renewing = AbortOnDropHandle::new(tokio::spawn(renewing));
        let database = database.clone();
        Ok((Self { database, scrub_id: scrub.id, token, lost, _renewing: renewing }, scrub))
    }

    /// Waits until somebody else has it.
    pub fn lost(&self) -> impl Future<Output = ()> + 'static {
        self.lost.clone().cancelled_owned()
    }

    pub async fn give_back(&self) -> Result<(), ScrubError> {
        let mut transaction = self.database.begin().await?;
        scrubs::free_lease(&mut transaction, self.scrub_id, self.token).await?;
        transaction.commit().await?;
        Ok(())
    }
}

fn until() -> i64 {
    now().saturating_add(i64::try_from(LIFE.as_micros()).unwrap_or(i64::MAX))
}

async fn renew(database: Database, scrub_id: i64, token: Uuid, lost: CancellationToken) {
    loop {
        sleep(LIFE / 3).await;
        let renewed = async {
            let mut transaction = database.begin().await?;
            let held = scrubs::renew_lease(&mut transaction, scrub_id, token, until()).await?;
            transaction.commit().await?;
            Ok::<_, ScrubError>(held)
        };
        match renewed.await {
            Ok(true) => {}
            Ok(false) => return lost.cancel(),
            // The work itself meets the same failure, or outlives it.
            Err(error) => tracing::debug!(%error, "the lease of a scrub could not be renewed"),
        }
    }
}
