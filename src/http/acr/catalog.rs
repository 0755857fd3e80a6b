use axum::response::Response;

use super::page::link_next;
use super::views::Repositories;
use super::{Failure, json};
use crate::http::dispatch::Asked;

/// Only what the caller may read.
pub async fn list(asked: &Asked<'_>) -> Result<Response, Failure> {
    let query = asked.query();
    let (n, last) = (query.page_size()?, query.last());
    let page = asked.app.registry.catalog(&asked.readable(), n, last).await?;
    let last = page.items.last().filter(|_| page.has_more).cloned();
    let mut response = json(Repositories { repositories: page.items });
    if let Some(last) = last {
        link_next(&mut response, asked, last.as_str(), None);
    }
    Ok(response)
}
