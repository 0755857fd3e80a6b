use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::Error;
use super::views::time;
use crate::auth::Auth;
use crate::http::content::views::Refusals;
use crate::http::extract::Parameters;

const MAX_PAGE: u32 = 1000;

#[derive(Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct EventPage {
    /// Events of the page, a thousand at most
    n: u32,
    /// Number of the event before the page
    before: i64,
}

impl Default for EventPage {
    fn default() -> Self {
        Self { n: 100, before: i64::MAX }
    }
}

#[derive(Serialize, ToSchema)]
pub struct EventView {
    /// Its place in the order of all.
    number: i64,
    time: String,
    actor: String,
    address: String,
    action: String,
    target: String,
    /// Depends on the action; without secrets.
    #[schema(value_type = Option<Object>)]
    detail: Option<Box<RawValue>>,
}

#[derive(Serialize, ToSchema)]
pub struct Events {
    events: Vec<EventView>,
}

/// List the changes of who may do what, the newest first
#[utoipa::path(get, path = super::AUDIT_EVENTS, tag = "audit",
    params(EventPage),
    responses((status = 200, body = Events), Refusals))]
pub async fn list(
    State(auth): State<Auth>,
    Parameters(page): Parameters<EventPage>,
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
