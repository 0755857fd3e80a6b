//! What the collector would remove, when, and why: for people to read before they let it.

use super::lease::after;
use super::{Registry, RegistryError};
use crate::metadata::garbage_forecast::{self, Part, Waiting};
use crate::oci::{Digest, RepositoryName};

/// Something that is going to be removed.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Not before this time, in microseconds since 1970.
    pub at: i64,
    /// `manifest`, `blob` (in a repository), `bytes` (of a blob, in the store).
    pub kind: &'static str,
    pub repository: Option<RepositoryName>,
    pub digest: Digest,
    /// In bytes; 0 if it is not known.
    pub size: u64,
    pub reason: &'static str,
}

#[derive(Clone, Debug, Default)]
pub struct Forecast {
    /// In the order of their time.
    pub findings: Vec<Finding>,
    /// Whether there is more than was asked for.
    pub has_more: bool,
}

impl Registry {
    /// What is going to be removed by what is known now, at most about `limit`, among the
    /// `considered` next things of each kind that wait to be looked at.
    pub async fn garbage_forecast(
        &self,
        limit: usize,
        considered: u32,
    ) -> Result<Forecast, RegistryError> {
        let rows = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
        let considered = i64::from(considered);
        let mut connection = self.database.read().await?;
        let mut forecast = Forecast::default();
        for part in Part::ALL {
            let waiting = garbage_forecast::list(&mut connection, part, rows, considered).await?;
            forecast.has_more |= waiting.len() > limit
                || garbage_forecast::has_more(&mut connection, part, considered).await?;
            let findings = waiting.into_iter().filter_map(|waiting| self.finding(part, waiting));
            forecast.findings.extend(findings);
        }
        forecast.findings.sort_by_key(|finding| finding.at);
        forecast.has_more |= forecast.findings.len() > limit;
        forecast.findings.truncate(limit);
        Ok(forecast)
    }

    fn finding(&self, part: Part, waiting: Waiting) -> Option<Finding> {
        let Waiting { repository, digest, size, at, since, flag } = waiting;
        let grace = self.grace();
        let (kind, at, reason) = match part {
            Part::DeletedManifests => {
                ("manifest", self.restorable_until(at), "deleted; until then it can be restored")
            }
            Part::DeletedLinks => (
                "blob",
                self.restorable_until(at),
                if flag {
                    "deleted here; other repositories have it, so that its bytes stay"
                } else {
                    "deleted; its bytes go after it"
                },
            ),
            Part::Manifests if flag => {
                if !self.gc.orphaned_referrers {
                    return None;
                }
                ("manifest", at.max(after(since, grace)), "what it refers to is gone")
            }
            Part::Manifests => {
                self.keep_untagged()?;
                ("manifest", at, "it has no tag, and no index lists it")
            }
            Part::Links => (
                "blob",
                at.max(after(since, grace)),
                if flag {
                    "no manifest here needs it; other repositories have it, so that its bytes stay"
                } else {
                    "no manifest needs it; its bytes go after it"
                },
            ),
            Part::Blobs => ("bytes", at, "no repository has the blob"),
            Part::Objects => ("bytes", at, "no blob is made of them"),
        };
        Some(Finding { at, kind, repository, digest, size, reason })
    }
}
