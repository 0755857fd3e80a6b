use axum::Json;
use axum::response::{IntoResponse as _, Response};
use http::header;
use serde_json::json;

use crate::http::Error;
use crate::http::dispatch::{Asked, ascii};
use crate::http::query::next_page;
use crate::oci::RepositoryName;

pub async fn list(asked: &Asked<'_>, repository: &RepositoryName) -> Result<Response, Error> {
    let query = asked.query();
    let n = query.page_size()?;
    let page = asked.app.registry.tags(repository, n, query.last()).await?;
    let mut response = Json(json!({ "name": repository, "tags": page.items })).into_response();
    if let Some(last) = page.items.last().filter(|_| page.has_more) {
        let link = next_page(&format!("/v2/{repository}/tags/list"), last.as_str(), n, &[]);
        response.headers_mut().insert(header::LINK, ascii(link));
    }
    Ok(response)
}
