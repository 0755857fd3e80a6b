//! What was deleted and can be restored.

use axum::response::Response;
use serde::Deserialize;

use super::page::link_next;
use super::views::{
    DeletedRepositoryView, DeletedTagView, ManifestView, Manifests, Repositories, Tags,
};
use super::{Error, Failure, body, json, manifests as living, within};
use crate::http::dispatch::Asked;
use crate::http::query::Query;
use crate::metadata::Place;
use crate::oci::{Digest, RepositoryName, Tag};
use crate::registry::{Incoming, RestoreManifest};

pub async fn catalog(asked: &Asked<'_>) -> Result<Response, Failure> {
    let query = asked.query();
    let (n, last) = (query.page_size()?, query.last());
    let page = asked.app.registry.deleted_repositories(&asked.readable(), n, last).await?;
    let last = page.items.last().filter(|_| page.has_more).map(|item| item.name.clone());
    let repositories = page.items.into_iter().map(DeletedRepositoryView::from).collect();
    let mut response = json(Repositories { repositories });
    if let Some(last) = last {
        link_next(&mut response, asked, last.as_str(), None);
    }
    Ok(response)
}

/// The oldest first.
pub async fn tags(asked: &Asked<'_>, repository: &RepositoryName) -> Result<Response, Failure> {
    let query = asked.query();
    let (n, place) = (query.page_size()?, place(&query));
    let page = asked.app.registry.deleted_tags(repository, n, place).await?;
    let last = page.items.last().filter(|_| page.has_more).cloned();
    let tags = page.items.into_iter().map(DeletedTagView::from).collect();
    let mut response = within(asked, repository, Tags { tags });
    if let Some(last) = last {
        link_next(&mut response, asked, last.name.as_str(), Some(last.deleted_at));
    }
    Ok(response)
}

/// The oldest first.
pub async fn manifests(
    asked: &Asked<'_>,
    repository: &RepositoryName,
) -> Result<Response, Failure> {
    let query = asked.query();
    let (n, place) = (query.page_size()?, place(&query));
    let page = asked.app.registry.deleted_manifests(repository, n, place).await?;
    let last = page.items.last().filter(|_| page.has_more);
    let last = last.map(|record| (record.digest.clone(), record.deleted_at));
    let views = page.items.into_iter();
    let manifests = views.map(|record| ManifestView::new(record, Vec::new(), Vec::new())).collect();
    let mut response = within(asked, repository, Manifests { manifests });
    if let Some((digest, at)) = last {
        link_next(&mut response, asked, digest.as_str(), at);
    }
    Ok(response)
}

/// Names come back several times here, so only a link with the time leads on.
fn place(query: &Query<'_>) -> Option<Place> {
    let changed_at = query.get("at")?.parse().ok()?;
    Some(Place { name: query.last()?.to_owned(), changed_at })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Restore {
    tag: Option<Tag>,
}

pub async fn restore(
    asked: &Asked<'_>,
    repository: &RepositoryName,
    digest: &Digest,
    body: Incoming,
) -> Result<Response, Failure> {
    let Restore { tag } = body::json(body).await?;
    let query = asked.query();
    // Azure's command line writes them as Python does.
    let force = match query.get("force").unwrap_or_default() {
        "" | "False" | "false" => false,
        "True" | "true" => true,
        other => {
            let message = format!("force={other:.40} is neither true nor false");
            return Err(Error::bad_request("REQUEST_INVALID", message).into());
        }
    };
    let (tag, actor) = (tag.as_ref(), asked.caller.name());
    let restore = RestoreManifest { repository, digest, tag, force, actor };
    asked.app.registry.restore_manifest(restore).await?;
    living::show(asked, repository, digest).await
}
