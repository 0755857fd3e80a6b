use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use super::error::PageError;
use super::extract::Parameters;
use super::page::{Visit, page};
use super::{assets, format};
use crate::http::App;
use crate::metadata::Order;
use crate::metadata::overviews::By;
use crate::registry::{Paging, RepositoryGlance, RepositoryList};

const PAGE: u64 = 50;

#[derive(Template)]
#[template(path = "repositories.html")]
struct RepositoriesPage<'a> {
    visit: &'a Visit,
    query: &'a Query,
    /// The namespace, part by part: its name and its page.
    path: Vec<(&'a str, String)>,
    namespaces: Vec<Namespace>,
    repositories: Vec<RepositoryGlance>,
    is_first: bool,
    first: String,
    next: Option<String>,
    by_name: String,
    by_time: String,
    by_pull: String,
}

struct Namespace {
    name: String,
    url: String,
}

#[derive(Deserialize)]
#[serde(default)]
pub struct Query {
    /// Part of a name.
    q: String,
    /// The namespace to look in.
    r#in: String,
    sort: String,
    last: String,
    at: Option<i64>,
}

impl Default for Query {
    fn default() -> Self {
        let (q, r#in, sort, last) = Default::default();
        Self { q, r#in, sort, last, at: None }
    }
}

impl Query {
    fn order(&self) -> Order {
        if self.sort == "new" || self.sort == "pulled" { Order::NewestFirst } else { Order::Name }
    }

    /// Empty, or with a slash at its end.
    fn namespace(&self) -> String {
        let name = self.r#in.trim_matches('/');
        if name.is_empty() { String::new() } else { format!("{name}/") }
    }

    fn url(&self, namespace: &str, sort: &str, last: &str, at: &str) -> String {
        let query =
            [("q", &*self.q), ("in", namespace), ("sort", sort), ("last", last), ("at", at)];
        format::with_query("/", &query)
    }

    fn list(&self) -> RepositoryList {
        let last = (!self.last.is_empty()).then(|| self.last.clone());
        let paging = Paging { order: self.order(), n: Some(PAGE), last, last_changed_at: self.at };
        let by = if self.sort == "pulled" { By::Pull } else { By::Change };
        RepositoryList { namespace: self.namespace(), part: self.q.trim().to_owned(), paging, by }
    }
}

pub async fn list(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Parameters(query): Parameters<Query>,
) -> Result<Response, PageError> {
    let visible = visit.readable();
    let list = query.list();
    let found = app.registry.repository_glances(&visible, &list).await?;
    let is_searching = !list.part.is_empty();
    let namespaces = if is_searching || !query.last.is_empty() {
        Vec::new()
    } else {
        app.registry.namespaces(&visible, &list.namespace).await?
    };
    let last = found.items.last().filter(|_| found.has_more);
    let next = last.map(|last| {
        let at = match list.by {
            By::Change => last.repository.updated_at,
            By::Pull => last.pulls.last_at.unwrap_or_default(),
        };
        let (name, at) = (last.repository.name.as_str(), at.to_string());
        let at = if query.order().is_by_time() { &*at } else { "" };
        query.url(&list.namespace, &query.sort, name, at)
    });
    let link = |name: String| {
        let url = format::with_query("/", &[("in", &name), ("sort", &query.sort)]);
        Namespace { name: name[list.namespace.len()..].trim_end_matches('/').to_owned(), url }
    };
    page(&RepositoriesPage {
        visit: &visit,
        path: parts(&list.namespace),
        namespaces: namespaces.into_iter().map(link).collect(),
        repositories: found.items,
        is_first: query.last.is_empty(),
        first: query.url(&list.namespace, &query.sort, "", ""),
        next,
        by_name: query.url(&list.namespace, "", "", ""),
        by_time: query.url(&list.namespace, "new", "", ""),
        by_pull: query.url(&list.namespace, "pulled", "", ""),
        query: &query,
    })
}

/// The parts of a namespace, each with the page that lists it.
pub fn parts(namespace: &str) -> Vec<(&str, String)> {
    let mut found = Vec::new();
    for (at, _) in namespace.match_indices('/') {
        let start = namespace[..at].rfind('/').map_or(0, |slash| slash + 1);
        found.push((&namespace[start..at], format::with_query("/", &[("in", &namespace[..=at])])));
    }
    found
}
