use axum::response::Response;

use super::body::attribute_changes;
use super::page::{link_next, paging};
use super::views::{OneTag, TagView, Tags};
use super::{Error, Failure, accepted, within};
use crate::http::dispatch::Asked;
use crate::metadata::tag_records::TagRecord;
use crate::oci::{Digest, Reference, RepositoryName, Tag};
use crate::registry::{Incoming, RegistryError};

pub async fn list(asked: &Asked<'_>, repository: &RepositoryName) -> Result<Response, Failure> {
    let query = asked.query();
    let paging = paging(&query)?;
    let digest = query.get("digest").filter(|text| !text.is_empty());
    let digest = digest.map(Digest::parse).transpose().map_err(Error::from)?;
    let page = asked.app.registry.tag_records(repository, digest.as_ref(), &paging).await?;
    let last = page.items.last().filter(|_| page.has_more);
    let last = last.map(|tag| (tag.name.clone(), tag.updated_at));
    let tags = page.items.into_iter().map(TagView::from).collect();
    let mut response = within(asked, repository, Tags { tags });
    if let Some((name, at)) = last {
        link_next(&mut response, asked, name.as_str(), paging.order.is_by_time().then_some(at));
    }
    Ok(response)
}

pub async fn show(
    asked: &Asked<'_>,
    repository: &RepositoryName,
    tag: &Tag,
) -> Result<Response, Failure> {
    let tag = asked.app.registry.tag(repository, tag).await?;
    Ok(one(asked, repository, tag))
}

pub async fn update(
    asked: &Asked<'_>,
    repository: &RepositoryName,
    tag: &Tag,
    body: Incoming,
) -> Result<Response, Failure> {
    let changes = attribute_changes(body).await?;
    let registry = &asked.app.registry;
    let changed = registry.change_tag(repository, tag, changes, asked.caller.name()).await?;
    Ok(one(asked, repository, changed))
}

fn one(asked: &Asked<'_>, repository: &RepositoryName, tag: TagRecord) -> Response {
    within(asked, repository, OneTag { tag: tag.into() })
}

pub async fn delete(
    asked: &Asked<'_>,
    repository: &RepositoryName,
    tag: &Tag,
) -> Result<Response, Failure> {
    let deleted = asked.app.registry.delete_tag(repository, tag, asked.caller.name()).await;
    // Without the repository, it is the tag that is missing.
    deleted.map_err(|error| match error {
        RegistryError::RepositoryUnknown(repository) => {
            RegistryError::ManifestUnknown { repository, reference: Reference::Tag(tag.clone()) }
        }
        error => error,
    })?;
    Ok(accepted())
}
