use axum::extract::State;
use axum::response::Response;
use axum::{Extension, Json};
use http::{StatusCode, Uri};
use serde::Deserialize;
use utoipa::IntoParams;

use super::Error;
use super::page::{OrderedPage, ordered_page, page};
use super::views::{History, MoveView, Refusals, RollBack, TagView, Tags};
use crate::auth::Caller;
use crate::http::App;
use crate::http::attributes::ChangeAttributes;
use crate::http::extract::{Body, Parameters, Path};
use crate::metadata::tag_records::TagRecord;
use crate::oci::{Digest, RepositoryName, Tag};

/// List the tags of a repository
#[utoipa::path(get, path = super::TAGS, tag = "tags",
    params(("repository" = String, Path, description = "Name, with %2F for slashes"), OrderedPage),
    responses((status = 200, body = Tags), Refusals))]
pub async fn list(
    State(app): State<App>,
    uri: Uri,
    Path(repository): Path<RepositoryName>,
    Parameters(parameters): Parameters<OrderedPage>,
) -> Result<Response, Error> {
    let paging = parameters.paging();
    let found = app.registry.tag_records(&repository, None, &paging).await?;
    let last = found.items.last().filter(|_| found.has_more);
    let last = last.map(|tag| (tag.name.to_string(), tag.updated_at));
    let tags = views(&app, &repository, found.items).await?;
    ordered_page(uri.path(), Tags { tags }, &paging, last)
}

/// Show a tag
#[utoipa::path(get, path = super::TAG, tag = "tags",
    params(("repository" = String, Path, description = "Name, with %2F for slashes"),
           ("tag" = String, Path)),
    responses((status = 200, body = TagView), Refusals))]
pub async fn show(
    State(app): State<App>,
    Path((repository, tag)): Path<(RepositoryName, Tag)>,
) -> Result<Json<TagView>, Error> {
    let found = app.registry.tag(&repository, &tag).await?;
    Ok(Json(view(&app, &repository, found).await?))
}

async fn view(app: &App, repository: &RepositoryName, tag: TagRecord) -> Result<TagView, Error> {
    let mut pulls = app.registry.pulls_of_tags(repository, &[&tag.name]).await?;
    let pulls = pulls.remove(&tag.name).unwrap_or_default();
    Ok(TagView::new(tag, pulls))
}

async fn views(
    app: &App,
    repository: &RepositoryName,
    tags: Vec<TagRecord>,
) -> Result<Vec<TagView>, Error> {
    let names: Vec<_> = tags.iter().map(|tag| &tag.name).collect();
    let mut pulls = app.registry.pulls_of_tags(repository, &names).await?;
    let view = |tag: TagRecord| {
        let pulls = pulls.remove(&tag.name).unwrap_or_default();
        TagView::new(tag, pulls)
    };
    Ok(tags.into_iter().map(view).collect())
}

/// Lock or unlock a tag
#[utoipa::path(patch, path = super::TAG, tag = "tags",
    params(("repository" = String, Path, description = "Name, with %2F for slashes"),
           ("tag" = String, Path)),
    request_body = ChangeAttributes,
    responses((status = 200, body = TagView), Refusals))]
pub async fn update(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((repository, tag)): Path<(RepositoryName, Tag)>,
    Body(changes): Body<ChangeAttributes>,
) -> Result<Json<TagView>, Error> {
    let changed = app.registry.change_tag(&repository, &tag, changes.into(), caller.name()).await?;
    Ok(Json(view(&app, &repository, changed).await?))
}

/// Remove a tag; its manifest stays
#[utoipa::path(delete, path = super::TAG, tag = "tags",
    params(("repository" = String, Path, description = "Name, with %2F for slashes"),
           ("tag" = String, Path)),
    responses((status = 204), Refusals))]
pub async fn remove(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((repository, tag)): Path<(RepositoryName, Tag)>,
) -> Result<StatusCode, Error> {
    app.registry.delete_tag(&repository, &tag, caller.name()).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct HistoryPage {
    /// Moves of the page, a thousand at most
    #[param(minimum = 0)]
    n: Option<u64>,
    /// Number of the move before the page
    last: Option<i64>,
}

/// Show every move of a tag, the newest first
#[utoipa::path(get, path = super::HISTORY, tag = "tags",
    params(("repository" = String, Path, description = "Name, with %2F for slashes"),
           ("tag" = String, Path), HistoryPage),
    responses((status = 200, body = History), Refusals))]
pub async fn history(
    State(app): State<App>,
    uri: Uri,
    Path((repository, tag)): Path<(RepositoryName, Tag)>,
    Parameters(HistoryPage { n, last }): Parameters<HistoryPage>,
) -> Result<Response, Error> {
    let found = app.registry.tag_history(&repository, &tag, n, last).await?;
    let last = found.items.last().filter(|_| found.has_more);
    let last = last.map(|tag_move| tag_move.number.to_string());
    let moves = found.items.into_iter().map(MoveView::from).collect();
    page(uri.path(), History { moves }, n, last, &[])
}

/// Set a tag to what it named before
#[utoipa::path(post, path = super::ROLLBACK, tag = "tags",
    params(("repository" = String, Path, description = "Name, with %2F for slashes"),
           ("tag" = String, Path)),
    request_body = RollBack,
    responses((status = 200, body = TagView), Refusals))]
pub async fn roll_back(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((repository, tag)): Path<(RepositoryName, Tag)>,
    Body(RollBack { digest }): Body<RollBack>,
) -> Result<Json<TagView>, Error> {
    let digest = digest.as_deref().map(Digest::parse).transpose()?;
    let moved =
        app.registry.roll_back_tag(&repository, &tag, digest.as_ref(), caller.name()).await?;
    Ok(Json(view(&app, &repository, moved).await?))
}
