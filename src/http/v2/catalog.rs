use axum::Json;
use axum::response::{IntoResponse as _, Response};
use http::header;
use serde_json::json;

use super::{Asked, ascii};
use crate::auth::Pattern;
use crate::http::Error;
use crate::http::query::next_page;
use crate::metadata::repositories::NameRange;

/// Only what the caller may read.
pub async fn list(asked: &Asked<'_>) -> Result<Response, Error> {
    let query = asked.query();
    let n = query.page_size()?;
    let readable: Vec<NameRange> = asked.caller.readable().iter().map(name_range).collect();
    let page = asked.app.registry.catalog(&readable, n, query.last()).await?;
    let mut response = Json(json!({ "repositories": page.items })).into_response();
    if let Some(last) = page.items.last().filter(|_| page.has_more) {
        let link = next_page("/v2/_catalog", last.as_str(), n, &[]);
        response.headers_mut().insert(header::LINK, ascii(link));
    }
    Ok(response)
}

fn name_range(pattern: &Pattern) -> NameRange {
    match (pattern.prefix(), pattern.name()) {
        (_, Some(name)) => NameRange::Exact(name.to_owned()),
        (Some(prefix), None) if !pattern.is_all() => NameRange::Prefix(prefix.to_owned()),
        _ => NameRange::All,
    }
}
