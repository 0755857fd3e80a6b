//! What is stored over time, and what work goes on with it in the background.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Error;
use super::views::Refusals;
use crate::http::App;
use crate::http::access::views::time;
use crate::http::extract::Parameters;
use crate::metadata::gc_rounds::GcRound;
use crate::metadata::overviews::UploadGlance;
use crate::metadata::scrubs::Scrub;
use crate::metadata::storage_samples::Sample;
use crate::registry;

/// Upload sessions that are told of.
const UPLOADS: u32 = 1000;

#[derive(Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct HistoryParameters {
    /// Days up to now
    #[param(minimum = 1, maximum = 1098, default = 30)]
    days: u32,
}

impl Default for HistoryParameters {
    fn default() -> Self {
        Self { days: 30 }
    }
}

/// The oldest first: by the hour for two weeks, before that by the day.
#[derive(Serialize, ToSchema)]
pub struct StorageHistory {
    samples: Vec<SampleView>,
}

/// What was stored at a time.
#[derive(Serialize, ToSchema)]
pub struct SampleView {
    time: String,
    /// Bytes of all blobs.
    size: u64,
    blobs: u64,
    manifests: u64,
    tags: u64,
    repositories: u64,
}

impl From<Sample> for SampleView {
    fn from(sample: Sample) -> Self {
        let Sample { at, size, blobs, manifests, tags, repositories } = sample;
        Self { time: time(at), size, blobs, manifests, tags, repositories }
    }
}

/// Show what was stored over time
#[utoipa::path(get, path = super::STORAGE_HISTORY, tag = "storage", params(HistoryParameters),
    responses((status = 200, body = StorageHistory), Refusals))]
pub async fn history(
    State(app): State<App>,
    Parameters(HistoryParameters { days }): Parameters<HistoryParameters>,
) -> Result<Json<StorageHistory>, Error> {
    let samples = app.registry.storage_samples(days).await?;
    Ok(Json(StorageHistory { samples: samples.into_iter().map(SampleView::from).collect() }))
}

/// Work in the background.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActivityView {
    garbage_collection: Vec<GcRoundView>,
    /// The scrub that is not at its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    scrub: Option<ScrubView>,
    /// The last one that came to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_scrub: Option<ScrubView>,
    /// Blobs that are known to be damaged and are not served.
    damaged_blobs: u64,
    /// Likewise.
    damaged_manifests: u64,
    /// Upload sessions, the newest first, a thousand at most.
    uploads: Vec<UploadView>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum StateView {
    Running,
    /// It is not at its end, and nobody is at it: its server stopped or died.
    Stopped,
    Finished,
}

impl From<registry::State> for StateView {
    fn from(state: registry::State) -> Self {
        match state {
            registry::State::Running => Self::Running,
            registry::State::Stopped => Self::Stopped,
            registry::State::Finished => Self::Finished,
        }
    }
}

/// A round of garbage collection: the last one, and those before it that removed something, the newest
/// first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GcRoundView {
    state: StateView,
    started_time: String,
    last_update_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_time: Option<String>,
    /// Whether some of it could not be done.
    failed: bool,
    /// Things that were looked at, and that there are to look at as far as is known.
    reviewed: u64,
    due: u64,
    /// What was removed: manifests, which can be restored, blobs from repositories, blobs from the store.
    manifests: u64,
    links: u64,
    blobs: u64,
    /// Bytes of the blobs that were removed from the store.
    bytes: u64,
}

impl GcRoundView {
    fn new(round: &GcRound, now: i64) -> Self {
        Self {
            state: round.state(now).into(),
            started_time: time(round.started_at),
            last_update_time: time(round.updated_at),
            finished_time: round.finished_at.map(time),
            failed: round.has_failed,
            reviewed: round.reviewed,
            due: round.due,
            manifests: round.manifests,
            links: round.links,
            blobs: round.blobs,
            bytes: round.bytes,
        }
    }
}

/// A look through the whole store.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScrubView {
    state: StateView,
    /// What it goes through: first `blobs`, then `manifests`, at last the `store`.
    phase: String,
    started_time: String,
    last_update_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_time: Option<String>,
    /// What it has read; the bytes with those of manifests.
    blobs: u64,
    manifests: u64,
    bytes: u64,
    /// What there was to read when it began; the bytes of blobs.
    #[serde(skip_serializing_if = "Option::is_none")]
    total_blobs: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_manifests: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_bytes: Option<u64>,
    /// Things that are not as they should be.
    faults: u64,
}

impl ScrubView {
    fn new(scrub: &Scrub, faults: u64, now: i64) -> Self {
        Self {
            state: scrub.state(now).into(),
            phase: scrub.phase.as_str().to_owned(),
            started_time: time(scrub.started_at),
            last_update_time: time(scrub.updated_at),
            finished_time: scrub.finished_at.map(time),
            blobs: scrub.blobs,
            manifests: scrub.manifests,
            bytes: scrub.bytes,
            total_blobs: scrub.totals.map(|totals| totals.blobs),
            total_manifests: scrub.totals.map(|totals| totals.manifests),
            total_bytes: scrub.totals.map(|totals| totals.bytes),
            faults,
        }
    }
}

/// A blob on its way in.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UploadView {
    id: String,
    repository: String,
    actor: String,
    /// Whether a request sends bytes now.
    receiving: bool,
    /// Bytes so far.
    received: u64,
    /// Bytes there are to be when the request ends, if it said how many it sends.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<u64>,
    started_time: String,
    expiry_time: String,
}

impl UploadView {
    fn new(upload: UploadGlance, now: i64) -> Self {
        Self {
            receiving: upload.is_receiving(now),
            received: upload.bytes(now),
            expected: upload.expected(now),
            started_time: time(upload.created_at),
            expiry_time: time(upload.expires_at),
            repository: upload.repository.to_string(),
            actor: upload.actor,
            id: upload.id,
        }
    }
}

/// Show garbage collection, scrub and uploads that are under way, and what came of the last ones
#[utoipa::path(get, path = super::STORAGE_ACTIVITY, tag = "storage",
    responses((status = 200, body = ActivityView), Refusals))]
pub async fn activity(State(app): State<App>) -> Result<Json<ActivityView>, Error> {
    let activity = app.registry.activity(UPLOADS).await?;
    let now = activity.at;
    let scrub = |found: Option<(Scrub, u64)>| {
        found.map(|(scrub, faults)| ScrubView::new(&scrub, faults, now))
    };
    Ok(Json(ActivityView {
        garbage_collection: activity.gc_rounds.iter().map(|r| GcRoundView::new(r, now)).collect(),
        scrub: scrub(activity.scrub),
        last_scrub: scrub(activity.last_scrub),
        damaged_blobs: activity.damaged_blobs,
        damaged_manifests: activity.damaged_manifests,
        uploads: activity.uploads.into_iter().map(|u| UploadView::new(u, now)).collect(),
    }))
}
