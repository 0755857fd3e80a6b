//! `/healthz`: the process lives. `/readyz`: it can serve requests now.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use http::StatusCode;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

/// A check that takes longer has failed.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);

type CheckError = Box<dyn std::error::Error + Send + Sync>;

/// Something that the server cannot do without.
pub struct Check {
    name: &'static str,
    probe: Box<dyn Fn() -> BoxFuture<'static, Result<(), CheckError>> + Send + Sync>,
}

impl Check {
    /// `name` is told to whoever asks; why the probe failed goes to the log alone.
    pub fn new<P, F, E>(name: &'static str, probe: P) -> Self
    where
        P: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<CheckError>,
    {
        let probe = move || {
            let probing = probe();
            async move { probing.await.map_err(Into::into) }.boxed()
        };
        Self { name, probe: Box::new(probe) }
    }

    async fn passes(&self) -> bool {
        match tokio::time::timeout(CHECK_TIMEOUT, (self.probe)()).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::warn!(check = self.name, error = error.as_ref(), "not ready");
                false
            }
            Err(_) => {
                tracing::warn!(check = self.name, "not ready: no answer in {CHECK_TIMEOUT:?}");
                false
            }
        }
    }
}

#[derive(Clone)]
struct Readiness {
    checks: Arc<[Check]>,
    stop: CancellationToken,
}

#[derive(Serialize)]
struct Report {
    ready: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<&'static str>,
}

/// Once `stop` is cancelled, the server is not ready any more.
pub(super) fn routes(checks: Vec<Check>, stop: CancellationToken) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .with_state(Readiness { checks: checks.into(), stop })
}

async fn ready(State(readiness): State<Readiness>) -> (StatusCode, Json<Report>) {
    let results = join_all(readiness.checks.iter().map(Check::passes)).await;
    let failed = readiness.checks.iter().zip(results).filter(|(_, passed)| !passed);
    let mut reasons: Vec<&'static str> = failed.map(|(check, _)| check.name).collect();
    if readiness.stop.is_cancelled() {
        reasons.push("stopping");
    }
    let ready = reasons.is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Report { ready, reasons }))
}
