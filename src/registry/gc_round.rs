//! A round of the collector while it runs: what it has done so far, told to the database every now and
//! then, so that whoever looks sees it, at whatever server. A failure to tell ends no round.

use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::sleep;
use uuid::Uuid;

use super::{Collected, Registry, RegistryError};
use crate::metadata::gc_rounds::{self, GcRound};
use crate::metadata::{garbage, now};

const TELL_EVERY: Duration = Duration::from_secs(1);

pub(super) struct Round {
    id: Uuid,
    started_at: i64,
    done: Mutex<Done>,
}

#[derive(Clone, Copy, Default)]
struct Done {
    /// Things that were looked at.
    reviewed: u64,
    collected: Collected,
}

impl Round {
    pub fn begin() -> Self {
        Self { id: Uuid::new_v4(), started_at: now(), done: Mutex::default() }
    }

    pub fn add(&self, reviewed: usize, collected: Collected) {
        let mut done = self.lock();
        done.reviewed += reviewed as u64;
        done.collected += collected;
    }

    pub fn collected(&self) -> Collected {
        self.lock().collected
    }

    fn lock(&self) -> MutexGuard<'_, Done> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As it stands, with so much left to look at.
    fn row(&self, left: u64) -> GcRound {
        let Done { reviewed, collected } = *self.lock();
        let Collected { manifests, links, blobs, bytes } = collected;
        GcRound {
            id: self.id,
            started_at: self.started_at,
            updated_at: now(),
            finished_at: None,
            has_failed: false,
            reviewed,
            due: reviewed + left,
            manifests,
            links,
            blobs,
            bytes,
        }
    }
}

impl Registry {
    /// Tells how far a round is, for as long as it runs. One that ends at once is not told of.
    pub(super) async fn follow_round(&self, round: &Round) -> Infallible {
        loop {
            sleep(TELL_EVERY).await;
            let told = async {
                let mut connection = self.database.read().await?;
                let left = garbage::count_due(&mut connection, now()).await?;
                drop(connection);
                let mut transaction = self.database.begin().await?;
                gc_rounds::save(&mut transaction, &round.row(left)).await?;
                transaction.commit_unsynced().await?;
                Ok::<_, RegistryError>(())
            };
            if let Err(error) = told.await {
                tracing::debug!(%error, "it could not be told how far the collector is");
            }
        }
    }

    /// Tells that a round has ended.
    pub(super) async fn end_round(&self, round: &Round, has_failed: bool) {
        let row = GcRound { finished_at: Some(now()), has_failed, ..round.row(0) };
        let told = async {
            let mut transaction = self.database.begin().await?;
            gc_rounds::save(&mut transaction, &row).await?;
            gc_rounds::forget_others(&mut transaction, &row).await?;
            transaction.commit_unsynced().await?;
            Ok::<_, RegistryError>(())
        };
        if let Err(error) = told.await {
            tracing::debug!(%error, "it could not be told what the collector did");
        }
    }
}
