use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use super::error::PageError;
use super::extract::{Form, Path};
use super::page::{Visit, page, see_other};
use super::{assets, format};
use crate::http::App;
use crate::metadata::deleted::DeletedTag;
use crate::metadata::manifest_records::ManifestRecord;
use crate::oci::{Digest, RepositoryName, Tag};
use crate::registry::RestoreManifest;

/// The oldest of each kind; the next ones show once these are restored or gone.
const SHOWN: u64 = 200;

#[derive(Template)]
#[template(path = "deleted.html")]
struct DeletedPage<'a> {
    visit: &'a Visit,
    name: &'a RepositoryName,
    tags: Vec<DeletedTag>,
    manifests: Vec<ManifestRecord>,
    has_more: bool,
    days: u32,
}

pub async fn list(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path(name): Path<RepositoryName>,
) -> Result<Response, PageError> {
    let tags = app.registry.deleted_tags(&name, Some(SHOWN), None).await?;
    let manifests = app.registry.deleted_manifests(&name, Some(SHOWN), None).await?;
    page(&DeletedPage {
        visit: &visit,
        name: &name,
        has_more: tags.has_more || manifests.has_more,
        tags: tags.items,
        manifests: manifests.items,
        days: app.settings.registry.deleted_retention_days,
    })
}

#[derive(Deserialize)]
pub struct Restore {
    digest: String,
    tag: Option<String>,
    force: Option<String>,
}

pub async fn restore(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path(name): Path<RepositoryName>,
    Form(Restore { digest, tag, force }): Form<Restore>,
) -> Result<Response, PageError> {
    let digest = Digest::parse(&digest)?;
    let tag = tag.as_deref().map(Tag::parse).transpose()?;
    let restore = RestoreManifest {
        repository: &name,
        digest: &digest,
        tag: tag.as_ref(),
        force: force.is_some(),
        actor: visit.caller.name(),
    };
    app.registry.restore_manifest(restore).await?;
    Ok(see_other(&format::within(&name, "manifests", &digest)))
}
