use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use super::error::PageError;
use super::extract::Parameters;
use super::page::{Visit, page};
use super::{assets, format};
use crate::auth::Auth;
use crate::metadata::audit_events::AuditEvent;

const PAGE: u32 = 100;

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage<'a> {
    visit: &'a Visit,
    events: Vec<AuditEvent>,
    next: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Query {
    before: Option<i64>,
}

pub async fn list(
    State(auth): State<Auth>,
    Extension(visit): Extension<Visit>,
    Parameters(Query { before }): Parameters<Query>,
) -> Result<Response, PageError> {
    let mut events = auth.audit_events(before.unwrap_or(i64::MAX), PAGE + 1).await?;
    let has_more = events.len() > PAGE as usize;
    events.truncate(PAGE as usize);
    let last = events.last().filter(|_| has_more);
    let next = last.map(|last| format::with_query("/audit", &[("before", &last.id.to_string())]));
    page(&AuditPage { visit: &visit, events, next })
}
