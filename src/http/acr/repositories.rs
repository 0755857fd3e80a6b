use axum::response::Response;
use http::StatusCode;
use serde::Serialize;

use super::body::attribute_changes;
use super::views::RepositoryView;
use super::{Failure, json};
use crate::http::dispatch::Asked;
use crate::oci::{Digest, RepositoryName, Tag};
use crate::registry::Incoming;

pub async fn show(asked: &Asked<'_>, name: &RepositoryName) -> Result<Response, Failure> {
    let repository = asked.app.registry.repository(name).await?;
    Ok(json(RepositoryView::new(&asked.origin.host, repository)))
}

pub async fn update(
    asked: &Asked<'_>,
    name: &RepositoryName,
    body: Incoming,
) -> Result<Response, Failure> {
    let changes = attribute_changes(body).await?;
    let registry = &asked.app.registry;
    let changed = registry.change_repository(name, changes, asked.caller.name()).await?;
    Ok(json(RepositoryView::new(&asked.origin.host, changed)))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Deleted {
    manifests_deleted: Vec<Digest>,
    tags_deleted: Vec<Tag>,
}

pub async fn delete(asked: &Asked<'_>, name: &RepositoryName) -> Result<Response, Failure> {
    let content = asked.app.registry.delete_repository(name, asked.caller.name()).await?;
    let mut response =
        json(Deleted { manifests_deleted: content.manifests, tags_deleted: content.tags });
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}
