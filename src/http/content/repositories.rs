use axum::extract::State;
use axum::response::Response;
use axum::{Extension, Json};
use http::Uri;

use super::page::{PageParameters, page};
use super::views::{DeletedRepository, Refusals, Repositories, RepositoryView, UsageView};
use super::{Error, readable};
use crate::auth::Caller;
use crate::http::App;
use crate::http::attributes::ChangeAttributes;
use crate::http::extract::{Body, Parameters, Path};
use crate::metadata::repositories::Repository;
use crate::oci::RepositoryName;

/// List the repositories that you may read
#[utoipa::path(get, path = super::REPOSITORIES, tag = "repositories", params(PageParameters),
    responses((status = 200, body = Repositories), Refusals))]
pub async fn list(
    State(app): State<App>,
    uri: Uri,
    Extension(caller): Extension<Caller>,
    Parameters(PageParameters { n, last }): Parameters<PageParameters>,
) -> Result<Response, Error> {
    let found = app.registry.catalog(&readable(&caller), n, last.as_deref()).await?;
    let last = found.items.last().filter(|_| found.has_more).map(ToString::to_string);
    let repositories = found.items.iter().map(ToString::to_string).collect();
    page(uri.path(), Repositories { repositories }, n, last, &[])
}

/// Show a repository
#[utoipa::path(get, path = super::REPOSITORY, tag = "repositories",
    params(("repository" = String, Path, description = "Name, with %2F for slashes")),
    responses((status = 200, body = RepositoryView), Refusals))]
pub async fn show(
    State(app): State<App>,
    Path(name): Path<RepositoryName>,
) -> Result<Json<RepositoryView>, Error> {
    let repository = app.registry.repository(&name).await?;
    Ok(Json(view(&app, repository).await?))
}

async fn view(app: &App, repository: Repository) -> Result<RepositoryView, Error> {
    let id = repository.key.id;
    let mut pulls = app.registry.pulls_of_repositories(&[id]).await?;
    Ok(RepositoryView::new(repository, pulls.remove(&id).unwrap_or_default()))
}

/// Lock or unlock a repository
#[utoipa::path(patch, path = super::REPOSITORY, tag = "repositories",
    params(("repository" = String, Path, description = "Name, with %2F for slashes")),
    request_body = ChangeAttributes,
    responses((status = 200, body = RepositoryView), Refusals))]
pub async fn update(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<RepositoryName>,
    Body(changes): Body<ChangeAttributes>,
) -> Result<Json<RepositoryView>, Error> {
    let changed = app.registry.change_repository(&name, changes.into(), caller.name()).await?;
    Ok(Json(view(&app, changed).await?))
}

/// Delete a repository with everything in it
///
/// It can be restored for a time.
#[utoipa::path(delete, path = super::REPOSITORY, tag = "repositories",
    params(("repository" = String, Path, description = "Name, with %2F for slashes")),
    responses((status = 200, body = DeletedRepository), Refusals))]
pub async fn remove(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<RepositoryName>,
) -> Result<Json<DeletedRepository>, Error> {
    let content = app.registry.delete_repository(&name, caller.name()).await?;
    Ok(Json(DeletedRepository {
        manifests_deleted: content.manifests.iter().map(ToString::to_string).collect(),
        tags_deleted: content.tags.iter().map(ToString::to_string).collect(),
    }))
}

/// Show the space that a repository takes, alone and together with others
#[utoipa::path(get, path = super::USAGE, tag = "repositories",
    params(("repository" = String, Path, description = "Name, with %2F for slashes")),
    responses((status = 200, body = UsageView), Refusals))]
pub async fn usage(
    State(app): State<App>,
    Path(name): Path<RepositoryName>,
) -> Result<Json<UsageView>, Error> {
    Ok(Json(app.registry.repository_usage(&name).await?.into()))
}
