pub mod activity;
mod history;
mod plot;

use std::borrow::Borrow;

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
use crate::metadata::overviews::{RepositorySpace, Space};
use crate::registry::Forecast;

const LARGEST: u32 = 50;
const FINDINGS: usize = 50;

#[derive(Template)]
#[template(path = "storage.html")]
struct StoragePage<'a> {
    visit: &'a Visit,
    space: Space,
    largest: Vec<RepositorySpace>,
    activity: Activity,
    history: History,
    /// What the collector is going to remove.
    garbage: Forecast,
}

impl StoragePage<'_> {
    /// A part of what the largest repository takes, in thousandths.
    fn part(&self, size: impl Borrow<u64>) -> u128 {
        let most = self.largest.first().map_or(0, |largest| largest.size);
        (u128::from(*size.borrow()) * 1000).checked_div(u128::from(most)).unwrap_or_default()
    }

    /// What sharing blobs saves.
    fn saved(&self) -> u64 {
        let shown = self.space.size - self.space.deleted_size - self.space.unused_size;
        self.space.unshared_size.saturating_sub(shown)
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
    let (space, largest) = app.registry.space(LARGEST).await?;
    let activity = Activity::read(&app.registry).await?;
    let history = History::read(&app.registry, days).await?;
    let garbage = app.registry.garbage_forecast(FINDINGS).await?;
    page(&StoragePage { visit: &visit, space, largest, activity, history, garbage })
}
