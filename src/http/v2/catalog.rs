use axum::Json;
use axum::response::{IntoResponse as _, Response};
use http::header;
use serde_json::json;

use crate::http::Error;
use crate::http::dispatch::{Asked, ascii};
use crate::http::query::next_page;

/// Only what the caller may read.
pub async fn list(asked: &Asked<'_>) -> Result<Response, Error> {
    let query = asked.query();
    let n = query.page_size()?;
    let page = asked.app.registry.catalog(&asked.readable(), n, query.last()).await?;
    let mut response = Json(json!({ "repositories": page.items })).into_response();
    if let Some(last) = page.items.last().filter(|_| page.has_more) {
        let link = next_page("/v2/_catalog", last.as_str(), n, &[]);
        response.headers_mut().insert(header::LINK, ascii(link));
    }
    Ok(response)
}
