//! What goes on in the background, at whatever server, and what came of it the last time.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::{Registry, RegistryError};
use crate::metadata::gc_rounds::{self, GcRound};
use crate::metadata::overviews::{self, UploadGlance};
use crate::metadata::scrubs::{self, Scrub};
use crate::metadata::{now, stored_blobs, stored_manifests};

/// A round that said nothing for so many microseconds is over: its server died.
const SILENT: i64 = 30_000_000;

/// Work as it stands at one time.
#[derive(Clone, Debug)]
pub struct Activity {
    /// The time.
    pub at: i64,
    /// The newest first.
    pub gc_rounds: Vec<GcRound>,
    /// The scrub that is not at its end, with what it has found.
    pub scrub: Option<(Scrub, u64)>,
    /// The last one that came to its end, with what it found.
    pub last_scrub: Option<(Scrub, u64)>,
    /// Blobs that are hidden now, whichever scrub found them.
    pub damaged_blobs: u64,
    /// Likewise.
    pub damaged_manifests: u64,
    /// Upload sessions, the newest first.
    pub uploads: Vec<UploadGlance>,
}

/// Whether work goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    Running,
    /// Nobody is at it, and it is not at its end.
    Stopped,
    Finished,
}

impl GcRound {
    pub fn state(&self, now: i64) -> State {
        match self.finished_at {
            Some(_) => State::Finished,
            None if self.updated_at.saturating_add(SILENT) > now => State::Running,
            None => State::Stopped,
        }
    }
}

impl Scrub {
    pub fn state(&self, now: i64) -> State {
        match self.finished_at {
            Some(_) => State::Finished,
            None if self.lease_until > now => State::Running,
            None => State::Stopped,
        }
    }
}

impl UploadGlance {
    pub fn is_receiving(&self, now: i64) -> bool {
        self.lease_until > now
    }

    /// Bytes with those that count when the request ends that sends them.
    pub fn bytes(&self, now: i64) -> u64 {
        let arrived = self.arrived.filter(|_| self.is_receiving(now));
        arrived.unwrap_or_default().max(self.received)
    }

    /// What there are to be when the request ends, if it said so.
    pub fn expected(&self, now: i64) -> Option<u64> {
        self.expected.filter(|_| self.is_receiving(now))
    }
}

impl Registry {
    /// What goes on, with `uploads` sessions at most.
    pub async fn activity(&self, uploads: u32) -> Result<Activity, RegistryError> {
        let at = now();
        let mut connection = self.database.read().await?;
        let gc_rounds = gc_rounds::list(&mut connection).await?;
        let mut found = Vec::new();
        for scrub in [
            scrubs::last(&mut connection).await?.filter(|scrub| scrub.finished_at.is_none()),
            scrubs::last_finished(&mut connection).await?,
        ] {
            found.push(match scrub {
                None => None,
                Some(scrub) => {
                    let faults = scrubs::count_faults(&mut connection, scrub.id).await?;
                    Some((scrub, faults))
                }
            });
        }
        let last_scrub = found.pop().flatten();
        let damaged_blobs = stored_blobs::count_damaged(&mut connection).await?;
        let damaged_manifests = stored_manifests::count_damaged(&mut connection).await?;
        Ok(Activity {
            at,
            gc_rounds,
            scrub: found.pop().flatten(),
            last_scrub,
            damaged_blobs: u64::try_from(damaged_blobs).unwrap_or_default(),
            damaged_manifests: u64::try_from(damaged_manifests).unwrap_or_default(),
            uploads: overviews::uploads(&mut connection, at, uploads.into()).await?,
        })
    }

    /// A number that changes with what [`Registry::activity`] tells.
    pub async fn activity_mark(&self) -> Result<i64, RegistryError> {
        let at = now();
        let mut connection = self.database.read().await?;
        let mut mark = DefaultHasher::new();
        for round in gc_rounds::list(&mut connection).await? {
            (round.id, round.updated_at, round.state(at)).hash(&mut mark);
        }
        if let Some(scrub) = scrubs::last(&mut connection).await? {
            (scrub.id, scrub.updated_at, scrub.state(at)).hash(&mut mark);
        }
        overviews::uploads_mark(&mut connection, at).await?.hash(&mut mark);
        Ok(mark.finish().cast_signed())
    }
}
