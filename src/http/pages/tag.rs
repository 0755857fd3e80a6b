use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use super::error::PageError;
use super::extract::{Parameters, Path};
use super::page::{Visit, page};
use super::repository::Lock;
use super::{assets, format};
use crate::http::App;
use crate::metadata::pulls::Pulls;
use crate::metadata::tag_history::TagMove;
use crate::metadata::tag_records::TagRecord;
use crate::oci::{Digest, RepositoryName, Tag};
use crate::registry::RegistryError;

const PAGE: u64 = 50;

#[derive(Template)]
#[template(path = "tag.html")]
struct TagPage<'a> {
    visit: &'a Visit,
    name: &'a RepositoryName,
    tag: &'a Tag,
    /// None if the tag is deleted.
    record: Option<TagRecord>,
    locks: Vec<Lock>,
    pulls: Pulls,
    moves: Vec<TagMove>,
    next: Option<String>,
}

impl TagPage<'_> {
    fn promote_url(&self) -> String {
        let source = format!("{}:{}", self.name, self.tag);
        format::with_query("/promote", &[("source", &source)])
    }

    fn is_now(&self, digest: &Digest) -> bool {
        self.record.as_ref().is_some_and(|record| record.digest == *digest)
    }

    fn url(&self) -> String {
        format::within(self.name, "tags", self.tag)
    }
}

#[derive(Deserialize)]
pub struct Query {
    last: Option<i64>,
}

pub async fn show(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((name, tag)): Path<(RepositoryName, Tag)>,
    Parameters(Query { last }): Parameters<Query>,
) -> Result<Response, PageError> {
    let found = app.registry.tag_history(&name, &tag, Some(PAGE), last).await?;
    let record = match app.registry.tag(&name, &tag).await {
        Ok(record) => Some(record),
        // Deleted, it still has a history.
        Err(RegistryError::ManifestUnknown { .. }) if !found.items.is_empty() => None,
        Err(error) => return Err(error.into()),
    };
    let pulls = app.registry.pulls_of_tags(&name, &[&tag]).await?;
    let last = found.items.last().filter(|_| found.has_more);
    let next = last.map(|last| {
        let last = last.number.to_string();
        format::with_query(&format::within(&name, "tags", &tag), &[("last", &last)])
    });
    page(&TagPage {
        visit: &visit,
        name: &name,
        tag: &tag,
        locks: record.as_ref().map(|record| Lock::all(&record.attributes)).unwrap_or_default(),
        record,
        pulls: pulls.get(&tag).copied().unwrap_or_default(),
        moves: found.items,
        next,
    })
}
