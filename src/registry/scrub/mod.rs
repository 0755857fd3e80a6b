//! Looks through the whole store while the registry serves: bytes against digests, rows against
//! bytes, bytes against rows.
//!
//! What is damaged is hidden: to clients it is not there, so that whoever pushes the content heals
//! it. If another store or a backup has it, it is healed from there at once. One look runs at a time, at
//! whatever replica; it keeps how far it came, and whoever runs the next one goes on there.

mod blobs;
mod error;
mod lease;
mod manifests;
mod orphans;

use std::time::Duration;

pub use error::ScrubError;
use lease::Lease;

use super::Registry;
use super::pace::Pace;
use crate::metadata::scrubs::{self, Finding, Phase, Scrub};
use crate::metadata::{Alone, Database, now, stored_blobs, stored_manifests};
use crate::settings::ScrubSettings;
use crate::storage::BlobStore;

/// Findings of a report; the count of damaged blobs is complete whatever it is.
const REPORTED: i64 = 10_000;

/// How often progress is kept, in microseconds: what a crash lets be read again.
const KEEP_EVERY: i64 = 1_000_000;

/// Looks through a store. Cheap to clone.
#[derive(Clone)]
pub struct Scrubber {
    pub registry: Registry,
    /// Where sound copies of blobs may be, and backups with sound copies of manifests.
    pub copies: Vec<BlobStore>,
    /// No limit if absent.
    pub bytes_per_second: Option<u64>,
    /// Bytes that changed later may be of an upload under way.
    pub grace: Duration,
    /// Whether bytes of which there is no row go to the collector.
    pub hands_over: bool,
}

/// What the last scrub found.
#[derive(Debug)]
pub struct ScrubReport {
    pub scrub: Scrub,
    pub findings: Vec<Finding>,
    /// Blobs that are hidden now, whichever scrub found them.
    pub damaged_blobs: u64,
    /// Likewise manifests.
    pub damaged_manifests: u64,
}

impl Scrubber {
    pub fn new(registry: Registry, copy: Option<BlobStore>, settings: &ScrubSettings) -> Self {
        Self {
            registry,
            copies: copy.into_iter().collect(),
            bytes_per_second: settings.limit(),
            grace: Duration::from_secs(settings.grace_seconds.into()),
            hands_over: settings.collect,
        }
    }

    /// Looks through everything, or through the rest of what an earlier call did not finish unless
    /// it is to begin anew.
    ///
    /// # Errors
    /// [`ScrubError::Busy`] if another one is at it.
    pub async fn run(&self, anew: bool) -> Result<ScrubReport, ScrubError> {
        let (lease, scrub) = Lease::take(&self.registry.database, anew).await?;
        let lost = lease.lost();
        let pace = Pace::new(self.bytes_per_second);
        let mut pass = Pass { scrubber: self, pace, lease, scrub, kept_at: 0 };
        let ended = tokio::select! {
            ended = pass.run() => Some(ended),
            () = lost => None,
        };
        pass.lease.give_back().await?;
        ended.unwrap_or(Err(ScrubError::Lost))?;
        report(&self.registry.database).await?.ok_or(ScrubError::Lost)
    }

    /// Whether the last scrub was finished longer ago than `interval`, or not at all.
    pub async fn is_due(&self, interval: Duration) -> Result<bool, ScrubError> {
        let mut connection = self.registry.database.read().await?;
        let Some(last) = scrubs::last(&mut connection).await? else { return Ok(true) };
        let interval = i64::try_from(interval.as_micros()).unwrap_or(i64::MAX);
        Ok(last.finished_at.is_none_or(|at| at.saturating_add(interval) <= now()))
    }
}

/// What the last scrub found so far; none, if there never was one.
pub async fn report(database: &Database) -> Result<Option<ScrubReport>, ScrubError> {
    let mut connection = database.read().await?;
    let Some(scrub) = scrubs::last(&mut connection).await? else { return Ok(None) };
    let findings = scrubs::findings(&mut connection, scrub.id, REPORTED).await?;
    let damaged = stored_blobs::count_damaged(&mut connection).await?;
    let damaged_manifests = stored_manifests::count_damaged(&mut connection).await?;
    let count = |count: i64| u64::try_from(count).unwrap_or_default();
    Ok(Some(ScrubReport {
        scrub,
        findings,
        damaged_blobs: count(damaged),
        damaged_manifests: count(damaged_manifests),
    }))
}

/// One run over what is left of a scrub.
struct Pass<'a> {
    scrubber: &'a Scrubber,
    pace: Pace,
    lease: Lease,
    scrub: Scrub,
    /// When progress was last kept.
    kept_at: i64,
}

impl Pass<'_> {
    async fn run(&mut self) -> Result<(), ScrubError> {
        if self.scrub.totals.is_none() {
            self.count().await?;
        }
        loop {
            match self.scrub.phase {
                Phase::Blobs => self.blobs().await?,
                Phase::Manifests => self.manifests().await?,
                Phase::Store => self.orphans().await?,
            }
            match self.scrub.phase.next() {
                Some(next) => {
                    self.scrub.phase = next;
                    self.scrub.place = String::new();
                }
                None => self.scrub.finished_at = Some(now()),
            }
            self.keep().await?;
            if self.scrub.finished_at.is_some() {
                return Ok(());
            }
        }
    }

    /// Notes what there is to read, for those who look how far it is.
    async fn count(&mut self) -> Result<(), ScrubError> {
        let totals = scrubs::totals(&mut *self.database().read().await?).await?;
        let mut transaction = self.database().begin().await?;
        scrubs::set_totals(&mut transaction, self.scrub.id, totals).await?;
        transaction.commit().await?;
        self.scrub.totals = Some(totals);
        Ok(())
    }

    /// Notes that all up to `place` was looked at.
    async fn passed(&mut self, place: String) -> Result<(), ScrubError> {
        self.scrub.place = place;
        if now() - self.kept_at >= KEEP_EVERY {
            self.keep().await?;
        }
        Ok(())
    }

    async fn keep(&mut self) -> Result<(), ScrubError> {
        self.scrub.updated_at = now();
        self.kept_at = self.scrub.updated_at;
        let mut transaction = self.database().begin().await?;
        let held = scrubs::save(&mut transaction, &self.scrub, self.lease.token).await?;
        transaction.commit().await?;
        if held { Ok(()) } else { Err(ScrubError::Lost) }
    }

    async fn record(
        &self,
        kind: &str,
        name: String,
        size: u64,
        outcome: String,
    ) -> Result<(), ScrubError> {
        tracing::warn!(kind, name, size, outcome, "scrub: not as it should be");
        let finding = Finding { kind: kind.to_owned(), name, size, outcome, found_at: now() };
        let mut transaction = self.database().begin().await?;
        scrubs::record(&mut transaction, self.scrub.id, &finding).await?;
        transaction.commit().await?;
        Ok(())
    }

    fn database(&self) -> &Database {
        &self.scrubber.registry.database
    }

    fn store(&self) -> &BlobStore {
        &self.scrubber.registry.store
    }

    /// The id after which the phase goes on, where places are ids.
    fn id(&self) -> i64 {
        self.scrub.place.parse().unwrap_or_default()
    }
}

/// Takes the right to look through the store; see [`Lease`].
async fn hold(
    database: &Database,
    anew: bool,
    held: impl Fn(&Scrub) -> bool,
    token: uuid::Uuid,
    until: i64,
) -> Result<Result<Scrub, Scrub>, ScrubError> {
    let mut transaction = database.begin_alone(Alone::Scrub).await?;
    let mut last = scrubs::last(&mut transaction).await?;
    if let Some(scrub) = last.take_if(|scrub| held(scrub)) {
        return Ok(Err(scrub));
    }
    if anew || last.as_ref().is_none_or(|scrub| scrub.finished_at.is_some()) {
        scrubs::begin(&mut transaction, now()).await?;
        last = scrubs::last(&mut transaction).await?;
    }
    let scrub = last.ok_or(ScrubError::Lost)?;
    scrubs::take_lease(&mut transaction, scrub.id, token, until).await?;
    transaction.commit().await?;
    Ok(Ok(scrub))
}
