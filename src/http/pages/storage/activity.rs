//! What goes on in the background: a part of the page of storage, and a page of its own, which is
//! asked for again while something goes on.

use std::borrow::Borrow;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;

use crate::http::App;
use crate::http::pages::error::PageError;
use crate::http::pages::page::{Visit, page};
use crate::http::pages::storage::activity;
use crate::http::pages::{assets, format};
use crate::metadata::gc_rounds::GcRound;
use crate::metadata::overviews::UploadGlance;
use crate::metadata::scrubs::{Phase, Scrub};
use crate::registry::{Registry, State as Work};

/// Upload sessions that are listed.
const UPLOADS: u32 = 100;

#[derive(Template)]
#[template(path = "storage/activity-page.html")]
struct ActivityPage<'a> {
    visit: &'a Visit,
    activity: Activity,
}

pub async fn show(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, PageError> {
    page(&ActivityPage { visit: &visit, activity: Activity::read(&app.registry).await? })
}

pub struct Activity {
    /// Rounds that run, and those whose servers died.
    pub running: Vec<GcRound>,
    pub stopped: Vec<GcRound>,
    /// The last that ended, and those before it that removed something.
    pub last: Option<GcRound>,
    pub ended: Vec<GcRound>,
    pub scrub: Option<ScrubNow>,
    /// With what it found.
    pub last_scrub: Option<(Scrub, u64)>,
    /// Blobs and manifests.
    pub damaged: u64,
    pub uploads: Vec<UploadNow>,
}

/// A scrub that is not at its end.
pub struct ScrubNow {
    pub scrub: Scrub,
    pub faults: u64,
    pub is_running: bool,
}

pub struct UploadNow {
    pub upload: UploadGlance,
    pub is_receiving: bool,
    pub bytes: u64,
    pub expected: Option<u64>,
}

impl Activity {
    pub async fn read(registry: &Registry) -> Result<Self, PageError> {
        let found = registry.activity(UPLOADS).await?;
        let now = found.at;
        let rounds = |state| {
            let rounds = found.gc_rounds.iter().filter(move |round| round.state(now) == state);
            rounds.cloned().collect::<Vec<_>>()
        };
        let ended = rounds(Work::Finished);
        let upload = |upload: UploadGlance| UploadNow {
            is_receiving: upload.is_receiving(now),
            bytes: upload.bytes(now),
            expected: upload.expected(now),
            upload,
        };
        Ok(Self {
            running: rounds(Work::Running),
            stopped: rounds(Work::Stopped),
            last: ended.first().cloned(),
            ended: ended.into_iter().filter(GcRound::has_removed).collect(),
            scrub: found.scrub.map(|(scrub, faults)| {
                let is_running = scrub.state(now) == Work::Running;
                ScrubNow { scrub, faults, is_running }
            }),
            last_scrub: found.last_scrub,
            damaged: found.damaged_blobs + found.damaged_manifests,
            uploads: found.uploads.into_iter().map(upload).collect(),
        })
    }
}

impl ScrubNow {
    /// Which of the three steps it is at.
    pub fn step(&self) -> &'static str {
        match self.scrub.phase {
            Phase::Blobs => "Step 1 of 3, reading blobs",
            Phase::Manifests => "Step 2 of 3, reading manifests",
            Phase::Store => "Step 3 of 3, looking for bytes that nothing names",
        }
    }

    /// How much of the step is done, of how much; none if that is not known.
    pub fn part(&self) -> Option<(u64, u64)> {
        let totals = self.scrub.totals?;
        let (done, all) = match self.scrub.phase {
            Phase::Blobs => (self.scrub.bytes, totals.bytes),
            Phase::Manifests => (self.scrub.manifests, totals.manifests),
            Phase::Store => return None,
        };
        (all > 0).then(|| (done.min(all), all))
    }
}

/// In words, what a round removed.
pub fn removed(round: &GcRound) -> String {
    let mut parts = Vec::new();
    let mut part = |count: u64, one: &str, more: &str| {
        if count > 0 {
            parts.push(format!("{} {}", format::count(count), if count == 1 { one } else { more }));
        }
    };
    part(round.manifests, "manifest", "manifests");
    part(round.links, "blob of a repository", "blobs of repositories");
    part(round.blobs, "blob from the store", "blobs from the store");
    if parts.is_empty() {
        return "nothing".into();
    }
    let freed = if round.blobs > 0 {
        format!(", {} freed", format::size(round.bytes))
    } else {
        String::new()
    };
    format!("{}{freed}", parts.join(", "))
}

/// `done` of `all` in whole hundredths.
pub fn percent(done: impl Borrow<u64>, all: impl Borrow<u64>) -> u128 {
    let (done, all) = (u128::from(*done.borrow()), u128::from(*all.borrow()));
    (done * 100).checked_div(all).unwrap_or_default().min(100)
}

/// How long a round took, in words.
pub fn took(round: &GcRound) -> String {
    let seconds = (round.updated_at - round.started_at) / 1_000_000;
    if seconds < 1 { "less than a second".into() } else { format::span(seconds) }
}
