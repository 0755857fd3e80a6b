//! Server-sent events: a page learns that what it shows has changed, and asks for it again. The
//! event itself says no more than a number.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::{Stream, StreamExt as _, stream};
use http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::error::PageError;
use super::extract::Path;
use crate::http::{App, Error, Stopping};
use crate::oci::RepositoryName;
use crate::registry::RegistryError;

/// Between two looks.
const POLL: Duration = Duration::from_secs(2);

/// After this a browser comes again, and shows anew that it may.
const LONGEST: Duration = Duration::from_secs(300);

/// Pages that follow at once; others are told to come later.
const FOLLOWERS: usize = 200;

static PLACES: std::sync::LazyLock<Arc<Semaphore>> =
    std::sync::LazyLock::new(|| Arc::new(Semaphore::new(FOLLOWERS)));

pub async fn registry(
    State(app): State<App>,
    stopping: Option<Extension<Stopping>>,
) -> Result<Response, PageError> {
    follow(stopping, move || {
        let registry = app.registry.clone();
        async move { registry.changed_at().await }
    })
}

pub async fn repository(
    State(app): State<App>,
    stopping: Option<Extension<Stopping>>,
    Path(name): Path<RepositoryName>,
) -> Result<Response, PageError> {
    follow(stopping, move || {
        let (registry, name) = (app.registry.clone(), name.clone());
        async move { registry.repository_changed_at(&name).await }
    })
}

pub async fn activity(
    State(app): State<App>,
    stopping: Option<Extension<Stopping>>,
) -> Result<Response, PageError> {
    follow(stopping, move || {
        let registry = app.registry.clone();
        async move { registry.activity_mark().await }
    })
}

fn follow<F>(
    stopping: Option<Extension<Stopping>>,
    look: impl Fn() -> F + Send + Sync + 'static,
) -> Result<Response, PageError>
where
    F: Future<Output = Result<i64, RegistryError>> + Send + 'static,
{
    let place = Arc::clone(&PLACES).try_acquire_owned().map_err(|_| {
        let message = "too many pages follow at the moment";
        Error::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", message)
    })?;
    let stop = stopping.map(|Extension(Stopping(stop))| stop).unwrap_or_default();
    let events = changes(look, place, stop);
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}

fn changes<F>(
    look: impl Fn() -> F + Send + Sync + 'static,
    place: OwnedSemaphorePermit,
    stop: CancellationToken,
) -> impl Stream<Item = Result<Event, Infallible>> + Send
where
    F: Future<Output = Result<i64, RegistryError>> + Send + 'static,
{
    let start = (None, look, place);
    let changes = stream::unfold(start, |(known, look, place)| async move {
        loop {
            if known.is_some() {
                tokio::time::sleep(POLL).await;
            }
            match look().await {
                Ok(now) if known != Some(now) => {
                    let event = Event::default().event("change").data(now.to_string());
                    return Some((Ok(event), (Some(now), look, place)));
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot look for changes");
                    return None;
                }
            }
        }
    });
    let end = async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(LONGEST) => {}
        }
    };
    changes.take_until(Box::pin(end))
}
