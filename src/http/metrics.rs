//! What is counted, and `/metrics`, which tells it in the OpenMetrics text format.
//!
//! No label takes its value from a client, so the number of series is bounded.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::get;
use http::{Method, StatusCode, header};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::Error;
use crate::registry::Collected;

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds in seconds: from a manifest out of a cache to a large blob over a slow line.
const DURATIONS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0];

/// The metrics of a server. Cheap to clone.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram, fn() -> Histogram>,
    requests_in_flight: Gauge,
    bytes_received: Counter,
    bytes_sent: Counter,
    connections: Gauge,
    connections_accepted: Counter,
    collected: Family<CollectedLabels, Counter>,
    collected_bytes: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CollectedLabels {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: &'static str,
    method: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: &'static str,
    method: &'static str,
}

impl Metrics {
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let started: Gauge<f64, AtomicU64> = Gauge::default();
        #[expect(clippy::cast_precision_loss, reason = "microseconds of today fit a double")]
        started.set(crate::metadata::now() as f64 / 1e6);
        registry.register_with_unit(
            "process_start_time",
            "When the process started, in seconds since 1970",
            Unit::Seconds,
            started,
        );

        let orlop = registry.sub_registry_with_prefix("orlop");
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        orlop.register("build", "The running program", version);
        let requests = Family::default();
        orlop.register("http_requests", "Requests that ended", requests.clone());
        let durations =
            Family::new_with_constructor((|| Histogram::new(DURATIONS)) as fn() -> Histogram);
        orlop.register_with_unit(
            "http_request_duration",
            "From the head of a request to the end of its answer",
            Unit::Seconds,
            durations.clone(),
        );
        let requests_in_flight = Gauge::default();
        orlop.register(
            "http_requests_in_flight",
            "Requests that are being answered",
            requests_in_flight.clone(),
        );
        let bytes_received = Counter::default();
        orlop.register_with_unit(
            "http_received",
            "Bytes of the bodies of requests",
            Unit::Bytes,
            bytes_received.clone(),
        );
        let bytes_sent = Counter::default();
        orlop.register_with_unit(
            "http_sent",
            "Bytes of the bodies of answers",
            Unit::Bytes,
            bytes_sent.clone(),
        );
        let connections = Gauge::default();
        orlop.register("http_connections", "Connections that are open", connections.clone());
        let connections_accepted = Counter::default();
        orlop.register(
            "http_connections_accepted",
            "Connections that were opened",
            connections_accepted.clone(),
        );

        let collected = Family::default();
        orlop.register(
            "gc_removed",
            "Garbage that this server removed: manifests, blobs in repositories, bytes of blobs",
            collected.clone(),
        );
        let collected_bytes = Counter::default();
        orlop.register_with_unit(
            "gc_freed",
            "Bytes of the blobs that this server removed",
            Unit::Bytes,
            collected_bytes.clone(),
        );

        Self(Arc::new(Inner {
            registry,
            requests,
            durations,
            requests_in_flight,
            bytes_received,
            bytes_sent,
            connections,
            connections_accepted,
            collected,
            collected_bytes,
        }))
    }

    /// Counts what a round of the collector removed.
    pub fn collected(&self, collected: Collected) {
        let Collected { manifests, links, blobs, bytes } = collected;
        for (kind, removed) in [("manifest", manifests), ("link", links), ("blob", blobs)] {
            self.0.collected.get_or_create(&CollectedLabels { kind }).inc_by(removed);
        }
        self.0.collected_bytes.inc_by(bytes);
    }

    pub(super) fn connection_opened(&self) {
        self.0.connections.inc();
        self.0.connections_accepted.inc();
    }

    pub(super) fn connection_closed(&self) {
        self.0.connections.dec();
    }

    pub(super) fn request_started(&self) {
        self.0.requests_in_flight.inc();
    }

    pub(super) fn request_ended(
        &self,
        route: &'static str,
        method: &Method,
        status: StatusCode,
        duration: Duration,
    ) {
        let method = method_class(method);
        let status = status.as_u16();
        self.0.requests_in_flight.dec();
        self.0.requests.get_or_create(&RequestLabels { route, method, status }).inc();
        let durations = self.0.durations.get_or_create(&RouteLabels { route, method });
        durations.observe(duration.as_secs_f64());
    }

    pub(super) fn received(&self, bytes: usize) {
        self.0.bytes_received.inc_by(bytes as u64);
    }

    pub(super) fn sent(&self, bytes: usize) {
        self.0.bytes_sent.inc_by(bytes as u64);
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

pub(super) fn routes(metrics: Metrics) -> Router {
    Router::new().route("/metrics", get(show)).with_state(metrics)
}

async fn show(State(metrics): State<Metrics>) -> Result<impl IntoResponse, Error> {
    let mut body = String::new();
    text::encode(&mut body, &metrics.0.registry).map_err(Error::internal)?;
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], body))
}

/// Clients may invent methods.
fn method_class(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
