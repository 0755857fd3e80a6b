//! Documents that come with images: SBOMs, attestations, reports of scanners; or any small text.

mod packages;
mod statement;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

pub use self::packages::Package;
use self::packages::{Packages, packages};
use self::statement::Statement;
use super::error::PageError;
use super::extract::{Parameters, Path};
use super::page::{Visit, page};
use super::{assets, format};
use crate::http::{App, Error};
use crate::oci::{Digest, RepositoryName};

/// Larger documents are not shown, in bytes.
pub const MAX_BYTES: u64 = 32 << 20;

/// Of a text that is shown as it is.
const MAX_TEXT: usize = 48 * 1024;

/// Rows of one page.
const PAGE: usize = 100;

#[derive(Template)]
#[template(path = "document.html")]
struct DocumentPage<'a> {
    visit: &'a Visit,
    name: &'a RepositoryName,
    digest: &'a Digest,
    query: &'a Query,
    title: String,
    facts: Vec<(String, String)>,
    packages: Vec<Package>,
    count: Option<usize>,
    results: Vec<ScanResult>,
    next: Option<String>,
    text: Option<String>,
    is_cut: bool,
}

struct ScanResult {
    level: String,
    rule: String,
    message: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Query {
    q: String,
    skip: usize,
    from: String,
}

/// Whether a layer of this type and size is a text that this page shows.
pub fn is_readable(media_type: &str, size: u64) -> bool {
    let is_text = media_type.ends_with("json")
        || media_type.starts_with("text/")
        || ["spdx", "cyclonedx", "in-toto", "sarif", "dsse", "yaml"]
            .iter()
            .any(|part| media_type.contains(part));
    is_text && size <= MAX_BYTES
}

/// The SBOM that a document is, or that it states as an attestation.
pub fn sbom(document: &Value) -> Option<Packages> {
    match Statement::read(document) {
        Some(statement) => packages(&statement.predicate),
        None => packages(document),
    }
}

pub async fn show(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((name, digest)): Path<(RepositoryName, Digest)>,
    Parameters(query): Parameters<Query>,
) -> Result<Response, PageError> {
    let bytes = app.registry.small_blob(&name, &digest, MAX_BYTES).await?.ok_or_else(|| {
        let message = format!("only texts up to {} are shown here", format::size(MAX_BYTES));
        Error::new(StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID", message)
    })?;
    let json: Option<Value> = serde_json::from_slice(&bytes).ok();
    let statement = json.as_ref().and_then(Statement::read);
    // An SBOM may be what an attestation states.
    let inner = statement.as_ref().map(|statement| &statement.predicate).or(json.as_ref());
    let mut title = "Text".to_owned();
    let mut facts = Vec::new();
    if let Some(statement) = &statement {
        title = statement.title();
        facts = statement.facts();
    }
    let mut found = inner.and_then(packages);
    if let Some(found) = &mut found {
        title = format!("SBOM, {}", found.format);
        facts.append(&mut found.facts);
    }
    let mut results = json.as_ref().map(scan_results).unwrap_or_default();
    if !results.is_empty() {
        title = "Scan report".into();
    }
    let wanted = query.q.trim().to_lowercase();
    let mut all = found.map(|found| found.packages);
    if let Some(all) = &mut all {
        all.retain(|package| package.matches(&wanted));
    }
    results.retain(|result| result.matches(&wanted));
    let rows = all.as_ref().map(Vec::len).or((!results.is_empty()).then_some(results.len()));
    let more = query.skip.saturating_add(PAGE);
    let next = rows.filter(|rows| *rows > more).map(|_| {
        let skip = more.to_string();
        let pairs = [("q", &*query.q), ("skip", &*skip), ("from", &*query.from)];
        format::with_query(&format::within(&name, "documents", &digest), &pairs)
    });
    // Of an attestation what it states, which is packed in what is signed.
    let stated = statement.as_ref().map(|statement| &statement.text);
    let text = rows.is_none().then(|| shown(stated.or(json.as_ref()), &bytes));
    let is_cut = text.as_ref().is_some_and(|text| text.len() > MAX_TEXT);
    let text = text.map(|mut text| {
        text.truncate(text.floor_char_boundary(MAX_TEXT));
        text
    });
    let packages = all.unwrap_or_default().into_iter().skip(query.skip).take(PAGE).collect();
    let results = results.into_iter().skip(query.skip).take(PAGE).collect();
    page(&DocumentPage {
        visit: &visit,
        name: &name,
        digest: &digest,
        query: &query,
        title,
        facts,
        packages,
        count: rows,
        results,
        next,
        text,
        is_cut,
    })
}

fn shown(json: Option<&Value>, bytes: &[u8]) -> String {
    json.and_then(|json| serde_json::to_string_pretty(json).ok())
        .unwrap_or_else(|| String::from_utf8_lossy(bytes).into_owned())
}

/// The findings of a SARIF report.
fn scan_results(document: &Value) -> Vec<ScanResult> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let runs = document["runs"].as_array().into_iter().flatten();
    let results = runs.flat_map(|run| run["results"].as_array().into_iter().flatten());
    results
        .map(|result| ScanResult {
            level: text(&result["level"]),
            rule: text(&result["ruleId"]),
            message: text(&result["message"]["text"]),
        })
        .collect()
}

impl ScanResult {
    fn matches(&self, wanted: &str) -> bool {
        [&self.level, &self.rule, &self.message].iter().any(|t| t.to_lowercase().contains(wanted))
    }
}
