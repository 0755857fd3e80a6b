pub mod activity;
mod history;
mod plot;

use std::borrow::Borrow;
use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use self::activity::Activity;
use self::history::History;
use super::error::PageError;
use super::extract::Parameters;
use super::page::{Visit, page};
use super::{assets, format};
use crate::http::App;
use crate::registry::{Forecast, SpaceReport};

const FINDINGS: usize = 50;
/// Things of each kind among which they are looked for, so that the page is quick.
const CONSIDERED: u32 = 5000;

#[derive(Template)]
#[template(path = "storage.html")]
struct StoragePage<'a> {
    visit: &'a Visit,
    /// None while it is counted for the first time.
    report: Option<Arc<SpaceReport>>,
    activity: Activity,
    history: History,
    /// What the collector is going to remove.
    garbage: Forecast,
}

impl StoragePage<'_> {
    /// A part of what the largest repository takes, in thousandths.
    fn part(&self, size: impl Borrow<u64>) -> u128 {
        let largest = self.report.as_ref().and_then(|report| report.largest.first());
        let most = largest.map_or(0, |largest| largest.size);
        (u128::from(*size.borrow()) * 1000).checked_div(u128::from(most)).unwrap_or_default()
    }

    /// What sharing blobs saves.
    fn saved(&self) -> u64 {
        let space = self.report.as_ref().map(|report| report.space).unwrap_or_default();
        let shown = space.size.saturating_sub(space.deleted_size + space.unused_size);
        space.unshared_size.saturating_sub(shown)
    }
}

#[derive(Deserialize)]
pub struct Query {
    /// How far back the plots go.
    days: Option<u32>,
}

pub async fn show(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Parameters(Query { days }): Parameters<Query>,
) -> Result<Response, PageError> {
    let report = app.registry.space().await;
    let activity = Activity::read(&app.registry).await?;
    let history = History::read(&app.registry, days).await?;
    let garbage = app.registry.garbage_forecast(FINDINGS, CONSIDERED).await?;
    page(&StoragePage { visit: &visit, report, activity, history, garbage })
}
