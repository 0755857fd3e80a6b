use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use super::error::PageError;
use super::extract::{Parameters, Path};
use super::kind::Kind;
use super::page::{Visit, page};
use super::repositories::parts;
use super::{assets, format};
use crate::http::App;
use crate::metadata::Order;
use crate::metadata::pulls::Pulls;
use crate::metadata::repositories::Repository;
use crate::metadata::search::Usage;
use crate::oci::RepositoryName;
use crate::registry::{Paging, TagGlance};

const PAGE: u64 = 50;

#[derive(Template)]
#[template(path = "repository.html")]
struct RepositoryPage<'a> {
    visit: &'a Visit,
    name: &'a RepositoryName,
    namespaces: Vec<(&'a str, String)>,
    repository: Repository,
    /// None while it is counted for the first time.
    usage: Option<Usage>,
    pulls: Pulls,
    query: &'a Query,
    tags: Vec<TagGlance>,
    is_first: bool,
    first: String,
    next: Option<String>,
    by_name: String,
    by_newest: String,
    by_oldest: String,
    locks: Vec<Lock>,
}

/// A lock with what a form needs to switch it.
pub struct Lock {
    pub field: &'static str,
    pub label: &'static str,
    pub is_on: bool,
}

impl Lock {
    pub fn all(attributes: &crate::metadata::Attributes) -> Vec<Self> {
        let lock = |field, label, is_enabled: bool| Self { field, label, is_on: is_enabled };
        vec![
            lock("delete", "may be deleted", attributes.delete_enabled),
            lock("write", "may be changed", attributes.write_enabled),
            lock("read", "may be pulled", attributes.read_enabled),
            lock("list", "is listed", attributes.list_enabled),
        ]
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Query {
    /// Part of a tag.
    q: String,
    sort: String,
    last: String,
    at: Option<i64>,
}

impl Query {
    fn order(&self) -> Order {
        match &*self.sort {
            "name" => Order::Name,
            "old" => Order::OldestFirst,
            _ => Order::NewestFirst,
        }
    }

    fn paging(&self) -> Paging {
        let last = (!self.last.is_empty()).then(|| self.last.clone());
        Paging { order: self.order(), n: Some(PAGE), last, last_changed_at: self.at }
    }

    fn url(&self, name: &RepositoryName, sort: &str, last: &str, at: &str) -> String {
        let query = [("q", &*self.q), ("sort", sort), ("last", last), ("at", at)];
        format::with_query(&format::repository(name), &query)
    }
}

pub async fn show(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path(name): Path<RepositoryName>,
    Parameters(query): Parameters<Query>,
) -> Result<Response, PageError> {
    let repository = app.registry.repository(&name).await?;
    let found = app.registry.tag_glances(&name, query.q.trim(), &query.paging()).await?;
    let usage = app.registry.last_usage(&repository).await?;
    let id = repository.key.id;
    let pulls = app.registry.pulls_of_repositories(&[id]).await?.remove(&id).unwrap_or_default();
    let last = found.items.last().filter(|_| found.has_more);
    let next = last.map(|last| {
        let at = last.record.updated_at.to_string();
        let at = if query.order().is_by_time() { &*at } else { "" };
        query.url(&name, &query.sort, last.record.name.as_str(), at)
    });
    let namespace = &name.as_str()[..name.as_str().rfind('/').map_or(0, |slash| slash + 1)];
    page(&RepositoryPage {
        visit: &visit,
        name: &name,
        namespaces: parts(namespace),
        locks: Lock::all(&repository.key.attributes),
        repository,
        usage,
        pulls,
        tags: found.items,
        is_first: query.last.is_empty(),
        first: query.url(&name, &query.sort, "", ""),
        next,
        by_name: query.url(&name, "name", "", ""),
        by_newest: query.url(&name, "", "", ""),
        by_oldest: query.url(&name, "old", "", ""),
        query: &query,
    })
}
