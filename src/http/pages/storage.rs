use std::borrow::Borrow;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;

use super::error::PageError;
use super::page::{Visit, page};
use super::{assets, format};
use crate::http::App;
use crate::metadata::now;
use crate::metadata::overviews::{RepositorySpace, Space, UploadGlance};
use crate::registry::Forecast;

const LARGEST: u32 = 50;
const UPLOADS: u32 = 100;
const FINDINGS: usize = 50;

#[derive(Template)]
#[template(path = "storage.html")]
struct StoragePage<'a> {
    visit: &'a Visit,
    space: Space,
    largest: Vec<RepositorySpace>,
    uploads: Vec<UploadGlance>,
    /// What the collector is going to remove.
    garbage: Forecast,
    now: i64,
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

pub async fn show(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, PageError> {
    let (space, largest) = app.registry.space(LARGEST).await?;
    let uploads = app.registry.uploads(UPLOADS).await?;
    let garbage = app.registry.garbage_forecast(FINDINGS).await?;
    page(&StoragePage { visit: &visit, space, largest, uploads, garbage, now: now() })
}
