use axum::extract::State;
use axum::response::Response;
use axum::{Extension, Json};
use http::{StatusCode, Uri};

use super::Error;
use super::page::{OrderedPage, ordered_page};
use super::views::{ManifestSummary, ManifestView, Manifests, Refusals};
use crate::auth::{Action, Caller};
use crate::http::App;
use crate::http::attributes::ChangeAttributes;
use crate::http::extract::{Body, Parameters, Path};
use crate::oci::{Reference, RepositoryName};

/// List the manifests of a repository
#[utoipa::path(get, path = super::MANIFESTS, tag = "manifests",
    params(("repository" = String, Path, description = "Name, with %2F for slashes"), OrderedPage),
    responses((status = 200, body = Manifests), Refusals))]
pub async fn list(
    State(app): State<App>,
    uri: Uri,
    Path(repository): Path<RepositoryName>,
    Parameters(parameters): Parameters<OrderedPage>,
) -> Result<Response, Error> {
    let paging = parameters.paging();
    let found = app.registry.manifest_records(&repository, &paging).await?;
    let last = found.items.last().filter(|_| found.has_more);
    let last = last.map(|item| (item.record.digest.to_string(), item.record.updated_at));
    let ids: Vec<_> = found.items.iter().map(|item| item.record.id).collect();
    let pulls = app.registry.pulls_of_manifests(&ids).await?;
    let manifests = found.items.into_iter().map(|item| {
        let pulls = pulls.get(&item.record.id).copied().unwrap_or_default();
        ManifestSummary::new(item.record, item.tags, pulls)
    });
    let manifests = manifests.collect();
    ordered_page(uri.path(), Manifests { manifests }, &paging, last)
}

/// Show what a manifest is made of, what refers to it and what space it takes
#[utoipa::path(get, path = super::MANIFEST, tag = "manifests",
    params(("repository" = String, Path, description = "Name, with %2F for slashes"),
           ("reference" = String, Path, description = "Tag or digest")),
    responses((status = 200, body = ManifestView), Refusals))]
pub async fn show(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((repository, reference)): Path<(RepositoryName, String)>,
) -> Result<Json<ManifestView>, Error> {
    let reference = Reference::parse(&reference)?;
    let may_pull = caller.may(Action::ContentRead, &repository);
    Ok(Json(app.registry.inspect(&repository, &reference, may_pull).await?.into()))
}

/// Lock or unlock a manifest
#[utoipa::path(patch, path = super::MANIFEST, tag = "manifests",
    params(("repository" = String, Path, description = "Name, with %2F for slashes"),
           ("reference" = String, Path, description = "Tag or digest")),
    request_body = ChangeAttributes,
    responses((status = 200, body = ManifestView), Refusals))]
pub async fn update(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((repository, reference)): Path<(RepositoryName, String)>,
    Body(changes): Body<ChangeAttributes>,
) -> Result<Json<ManifestView>, Error> {
    let digest = app.registry.resolve(&repository, &Reference::parse(&reference)?).await?;
    let changed =
        app.registry.change_manifest(&repository, &digest, changes.into(), caller.name()).await?;
    let may_pull = caller.may(Action::ContentRead, &repository);
    Ok(Json(app.registry.inspect_details(&repository, changed, may_pull).await?.into()))
}

/// Delete a manifest with all its tags
///
/// It can be restored for a time.
#[utoipa::path(delete, path = super::MANIFEST, tag = "manifests",
    params(("repository" = String, Path, description = "Name, with %2F for slashes"),
           ("reference" = String, Path, description = "Tag or digest")),
    responses((status = 204), Refusals))]
pub async fn remove(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((repository, reference)): Path<(RepositoryName, String)>,
) -> Result<StatusCode, Error> {
    let digest = app.registry.resolve(&repository, &Reference::parse(&reference)?).await?;
    app.registry.delete_manifest(&repository, &digest, caller.name()).await?;
    Ok(StatusCode::NO_CONTENT)
}
