use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use super::error::PageError;
use super::extract::{Form, Parameters, Path};
use super::kind::Kind;
use super::page::{Visit, page, see_other};
use super::{assets, format};
use crate::http::App;
use crate::metadata::Place;
use crate::metadata::deleted::DeletedTag;
use crate::metadata::manifest_records::ManifestRecord;
use crate::oci::{Digest, RepositoryName, Tag};
use crate::registry::RestoreManifest;

/// Of each kind on a page.
const SHOWN: u64 = 50;

#[derive(Template)]
#[template(path = "deleted.html")]
struct DeletedPage<'a> {
    visit: &'a Visit,
    name: &'a RepositoryName,
    query: &'a Query,
    tags: Vec<DeletedTag>,
    manifests: Vec<ManifestRecord>,
    /// Addresses of what was deleted before.
    older_tags: Option<String>,
    older_manifests: Option<String>,
    days: u32,
}

/// After which tag and which manifest the lists begin, each with the time of its deletion.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Query {
    tag: String,
    tag_at: Option<i64>,
    manifest: String,
    manifest_at: Option<i64>,
}

impl Query {
    fn is_first(&self) -> bool {
        self.tag_at.is_none() && self.manifest_at.is_none()
    }

    /// The page of this repository where both lists begin after these.
    fn url(name: &RepositoryName, tag: Option<&Place>, manifest: Option<&Place>) -> String {
        let text = |place: Option<&Place>| {
            place
                .map(|place| (place.name.clone(), place.changed_at.to_string()))
                .unwrap_or_default()
        };
        let ((tag, tag_at), (manifest, manifest_at)) = (text(tag), text(manifest));
        let pairs = [
            ("tag", &*tag),
            ("tag_at", &*tag_at),
            ("manifest", &*manifest),
            ("manifest_at", &*manifest_at),
        ];
        format::with_query(&format!("{}/-/deleted", format::repository(name)), &pairs)
    }
}

fn place(name: &str, at: Option<i64>) -> Option<Place> {
    at.map(|changed_at| Place { name: name.to_owned(), changed_at })
}

pub async fn list(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path(name): Path<RepositoryName>,
    Parameters(query): Parameters<Query>,
) -> Result<Response, PageError> {
    let after_tag = place(&query.tag, query.tag_at);
    let after_manifest = place(&query.manifest, query.manifest_at);
    let tags = app.registry.latest_deleted_tags(&name, SHOWN, after_tag.clone()).await?;
    let manifests =
        app.registry.latest_deleted_manifests(&name, SHOWN, after_manifest.clone()).await?;
    let last_tag = tags.items.last().filter(|_| tags.has_more);
    let last_tag = last_tag.and_then(|tag| place(tag.name.as_str(), Some(tag.deleted_at)));
    let last_manifest = manifests.items.last().filter(|_| manifests.has_more);
    let last_manifest = last_manifest.and_then(|item| place(item.digest.as_str(), item.deleted_at));
    page(&DeletedPage {
        visit: &visit,
        name: &name,
        older_tags: last_tag.map(|last| Query::url(&name, Some(&last), after_manifest.as_ref())),
        older_manifests: last_manifest
            .map(|last| Query::url(&name, after_tag.as_ref(), Some(&last))),
        query: &query,
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
