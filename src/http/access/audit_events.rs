use axum::Json;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Error;
use super::views::time;
use crate::auth::Auth;

const MAX_PAGE: u32 = 1000;

/// `n` events before the one numbered `before`.
#[derive(Deserialize)]
#[serde(default)]
pub struct Page {
    n: u32,
    before: i64,
}

impl Default for Page {
    fn default() -> Self {
        Self { n: 100, before: i64::MAX }
    }
}

#[derive(Serialize)]
pub struct EventView {
    /// Its place in the order of all.
    number: i64,
    time: String,
    actor: String,
    address: String,
    action: String,
    target: String,
    detail: Option<Box<RawValue>>,
}

#[derive(Serialize)]
pub struct Events {
    events: Vec<EventView>,
}

/// Newest first.
pub async fn list(
    State(auth): State<Auth>,
    Query(page): Query<Page>,
) -> Result<Json<Events>, Error> {
    let events = auth.audit_events(page.before, page.n.clamp(1, MAX_PAGE)).await?;
    let views = events.into_iter().map(|event| EventView {
        number: event.id,
        time: time(event.created_at),
        actor: event.actor,
        address: event.address,
        action: event.action,
        target: event.target,
        detail: RawValue::from_string(event.detail).ok(),
    });
    Ok(Json(Events { events: views.collect() }))
}
