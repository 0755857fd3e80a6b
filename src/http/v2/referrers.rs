use axum::response::{IntoResponse as _, Response};
use http::{HeaderName, HeaderValue, header};
use serde_json::json;

use crate::http::Error;
use crate::http::dispatch::{Asked, ascii};
use crate::http::query::next_page;
use crate::oci::{Digest, MediaType, RepositoryName};

const OCI_FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");

/// An image index of the manifests that refer to a subject (distribution-spec, "Listing
/// Referrers").
pub async fn list(
    asked: &Asked<'_>,
    repository: &RepositoryName,
    subject: &Digest,
) -> Result<Response, Error> {
    let query = asked.query();
    let n = query.page_size()?;
    let filter = query.get("artifactType").filter(|text| !text.is_empty());
    let page = asked.app.registry.referrers(repository, subject, filter, n, query.last()).await?;
    let index = json!({
        "schemaVersion": 2,
        "mediaType": MediaType::OCI_INDEX,
        "manifests": page.items,
    });
    let content_type = HeaderValue::from_static(MediaType::OCI_INDEX);
    let mut response = ([(header::CONTENT_TYPE, content_type)], index.to_string()).into_response();
    let headers = response.headers_mut();
    if filter.is_some() {
        headers.insert(OCI_FILTERS_APPLIED, HeaderValue::from_static("artifactType"));
    }
    if let Some(last) = page.items.last().filter(|_| page.has_more) {
        let path = format!("/v2/{repository}/referrers/{subject}");
        let filter: Vec<_> = filter.iter().map(|filter| ("artifactType", *filter)).collect();
        let link = next_page(&path, last.digest.as_str(), n, &filter);
        headers.insert(header::LINK, ascii(link));
    }
    Ok(response)
}
