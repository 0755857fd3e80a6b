//! HTTP: one file a resource. A handler extracts, calls the registry, and answers.
//!
//! Nothing here decides about rights beyond naming what a route needs ([`need`]), and only
//! [`error`] knows status codes of failures. Around the router stands [`server`], with what every
//! request gets: time limits, an id, a line in the access log, metrics.

pub mod access;
mod access_log;
mod acr;
mod attributes;
mod browser;
pub mod byte_range;
mod challenge;
mod connection;
pub mod content;
mod dispatch;
pub mod error;
mod extract;
mod forwarded;
pub mod health;
pub mod management;
pub mod metrics;
pub mod need;
pub mod oauth2;
mod observe;
pub mod openapi;
mod origin;
pub mod pages;
pub mod query;
mod request_id;
pub mod route;
mod send_file;
pub mod server;
mod tls;
mod unread;
mod v2;
mod visitor;

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use http::HeaderValue;

pub use error::Error;
pub use observe::{RouteName, UserName};
use origin::Origin;
use tokio_util::sync::CancellationToken;

use crate::auth::Auth;
use crate::registry::Registry;
use crate::settings::Settings;

/// What the handlers stand on. Cheap to clone.
#[derive(Clone)]
pub struct App {
    pub registry: Registry,
    pub auth: Auth,
    pub settings: Arc<Settings>,
}

impl FromRef<App> for Auth {
    fn from_ref(app: &App) -> Self {
        app.auth.clone()
    }
}

/// Put into the extensions of a request: told when the server is asked to stop, so that answers
/// without an end of their own can end.
#[derive(Clone)]
pub struct Stopping(pub CancellationToken);

/// Everything that the registry answers, but for what the server itself does.
pub fn router(app: App) -> Router {
    Router::new()
        .merge(dispatch::routes())
        .merge(oauth2::routes())
        .merge(browser::routes())
        .merge(management::routes(&app))
        .merge(openapi::routes())
        .merge(pages::routes(&app))
        .with_state(app)
}

/// The `Range` of an upload session (distribution-spec, "Pushing a blob in chunks"). An empty
/// session has no better form than `0-0`.
fn upload_range(received: u64) -> HeaderValue {
    let range = format!("0-{}", received.saturating_sub(1));
    HeaderValue::try_from(range).expect("digits and a dash are a header value")
}
