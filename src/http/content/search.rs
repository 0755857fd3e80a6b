use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use http::Uri;
use serde::Deserialize;
use utoipa::IntoParams;

use super::page::page;
use super::views::{Found, FoundView, Refusals};
use super::{Error, readable};
use crate::auth::Caller;
use crate::http::App;
use crate::http::extract::Parameters;
use crate::metadata::search::Criteria;
use crate::oci::Digest;

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct SearchParameters {
    /// Part of the repository's name
    repository: Option<String>,
    digest: Option<String>,
    /// Such as `application/vnd.cncf.helm.config.v1+json`
    artifact_type: Option<String>,
    /// `NAME=VALUE`
    annotation: Option<String>,
    /// Manifests of the page, a thousand at most
    #[param(minimum = 0)]
    n: Option<u64>,
    /// Where the page begins; comes with the `Link`
    last: Option<i64>,
}

/// Find manifests in all repositories that you may read
///
/// What is found meets all that is given.
#[utoipa::path(get, path = super::SEARCH, tag = "search", params(SearchParameters),
    responses((status = 200, body = Found), Refusals))]
pub async fn search(
    State(app): State<App>,
    uri: Uri,
    Extension(caller): Extension<Caller>,
    Parameters(parameters): Parameters<SearchParameters>,
) -> Result<Response, Error> {
    let digest = parameters.digest.as_deref().map(Digest::parse).transpose()?;
    let annotation = match parameters.annotation.as_deref() {
        None => None,
        Some(text) => Some(text.split_once('=').ok_or_else(|| {
            let message = format!("annotation={text:.100} is not of the form NAME=VALUE");
            Error::bad_request("REQUEST_INVALID", message)
        })?),
    };
    let criteria = Criteria {
        digest: digest.as_ref(),
        artifact_type: parameters.artifact_type.as_deref(),
        annotation,
        repository: parameters.repository.as_deref(),
    };
    let (n, last) = (parameters.n, parameters.last.unwrap_or_default());
    let found = app.registry.search(&readable(&caller), &criteria, n, last).await?;
    let last = found.items.last().filter(|_| found.has_more).map(|item| item.id.to_string());
    let given = [
        ("repository", &parameters.repository),
        ("digest", &parameters.digest),
        ("artifactType", &parameters.artifact_type),
        ("annotation", &parameters.annotation),
    ];
    let given: Vec<_> =
        given.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))).collect();
    let manifests = found.items.into_iter().map(FoundView::from).collect();
    page(uri.path(), Found { manifests }, n, last, &given)
}
