use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use super::error::PageError;
use super::extract::{Parameters, Path};
use super::page::{Visit, page};
use super::{assets, format};
use crate::http::App;
use crate::oci::{Digest, RepositoryName};
use crate::registry::{FileKind, LayerFile, ListingEnd};

/// Files of one page.
const PAGE: usize = 200;

#[derive(Template)]
#[template(path = "layer.html")]
struct LayerPage<'a> {
    visit: &'a Visit,
    name: &'a RepositoryName,
    digest: &'a Digest,
    query: &'a Query,
    files: Vec<LayerFile>,
    /// Of those that were looked for.
    count: usize,
    total_size: u64,
    end: Option<&'static str>,
    next: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Query {
    /// Part of a path.
    q: String,
    sort: String,
    skip: usize,
    /// The manifest that the visitor came from.
    from: String,
}

impl Query {
    fn url(&self, name: &RepositoryName, digest: &Digest, sort: &str, skip: usize) -> String {
        let skip = if skip == 0 { String::new() } else { skip.to_string() };
        let query = [("q", &*self.q), ("sort", sort), ("skip", &*skip), ("from", &*self.from)];
        format::with_query(&format::within(name, "layers", digest), &query)
    }
}

pub async fn show(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((name, digest)): Path<(RepositoryName, Digest)>,
    Parameters(query): Parameters<Query>,
) -> Result<Response, PageError> {
    let found = app.registry.layer_files(&name, &digest).await?;
    let mut files = found.files;
    files.retain(|file| file.path.contains(query.q.trim()));
    if query.sort == "size" {
        files.sort_by_key(|file| std::cmp::Reverse(file.size));
    }
    let (count, total_size) = (files.len(), files.iter().map(|file| file.size).sum());
    let more = query.skip.saturating_add(PAGE);
    let next = (count > more).then(|| query.url(&name, &digest, &query.sort, more));
    page(&LayerPage {
        visit: &visit,
        name: &name,
        digest: &digest,
        files: files.into_iter().skip(query.skip).take(PAGE).collect(),
        count,
        total_size,
        end: found.end.map(|end| match end {
            ListingEnd::TooLarge => {
                "The layer is too large to look at all of it; this is its start."
            }
            ListingEnd::TooSlow => "Looking at all of the layer takes too long; this is its start.",
            ListingEnd::NoArchive => "What follows is no archive that can be read.",
        }),
        next,
        query: &query,
    })
}
