use axum::response::Response;

use super::body::attribute_changes;
use super::page::{link_next, paging};
use super::views::{ManifestView, Manifests, OneManifest};
use super::{Failure, within};
use crate::http::dispatch::Asked;
use crate::oci::{Digest, RepositoryName};
use crate::registry::{Incoming, ManifestDetails};

pub async fn list(asked: &Asked<'_>, repository: &RepositoryName) -> Result<Response, Failure> {
    let paging = paging(&asked.query())?;
    let page = asked.app.registry.manifest_records(repository, &paging).await?;
    let last = page.items.last().filter(|_| page.has_more);
    let last = last.map(|item| (item.record.digest.clone(), item.record.updated_at));
    let manifests = page.items.into_iter();
    let manifests =
        manifests.map(|item| ManifestView::new(item.record, item.tags, Vec::new())).collect();
    let mut response = within(asked, repository, Manifests { manifests });
    if let Some((digest, at)) = last {
        link_next(&mut response, asked, digest.as_str(), paging.order.is_by_time().then_some(at));
    }
    Ok(response)
}

pub async fn show(
    asked: &Asked<'_>,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Response, Failure> {
    let details = asked.app.registry.manifest_details(repository, digest).await?;
    Ok(one(asked, repository, details))
}

pub async fn update(
    asked: &Asked<'_>,
    repository: &RepositoryName,
    digest: &Digest,
    body: Incoming,
) -> Result<Response, Failure> {
    let changes = attribute_changes(body).await?;
    let registry = &asked.app.registry;
    let changed =
        registry.change_manifest(repository, digest, changes, asked.caller.name()).await?;
    Ok(one(asked, repository, changed))
}

fn one(asked: &Asked<'_>, repository: &RepositoryName, details: ManifestDetails) -> Response {
    let manifest = ManifestView::new(details.record, details.tags, details.manifest.manifests);
    within(asked, repository, OneManifest { manifest })
}
