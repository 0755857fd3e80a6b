//! What surrounds every request: its id, its line in the access log, its metrics, the headers that
//! all answers have, and the answer after a panic. One step instead of a stack of layers, because
//! it stands before every manifest that is pulled.

use std::any::Any;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::IntoResponse as _;
use bytes::{Buf, Bytes};
use futures_util::FutureExt as _;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use tower::Service as _;
use tracing::{Instrument as _, Span};

use super::connection::Connection;
use super::metrics::Metrics;
use super::send_file::{FileBody, FileToSend, MaySendFile, Piece};
use super::{Error, access_log, request_id};

/// Put into the extensions of an answer: the route by which metrics count it. Without it, the
/// first part of the path tells.
#[derive(Clone, Copy)]
pub struct RouteName(pub &'static str);

/// Put into the extensions of an answer: who asked, for the access log.
#[derive(Clone)]
pub struct UserName(pub String);

/// nginx's number for a client that was gone before its answer.
const CLIENT_CLOSED_REQUEST: u16 = 499;

const API_VERSION: (HeaderName, HeaderValue) = (
    HeaderName::from_static("docker-distribution-api-version"),
    HeaderValue::from_static("registry/2.0"),
);

/// Answers a request of `client` by the router.
pub async fn answer(
    mut router: Router,
    connection: Arc<Connection>,
    metrics: Metrics,
    client: IpAddr,
    request: Request<Incoming>,
) -> Result<Response<ObservedBody>, Infallible> {
    let id = request_id::of(request.headers());
    let text = id.to_str().unwrap_or_default();
    let span = tracing::error_span!("request", request_id = text);
    let mut record = Record::start(&request, client, connection, metrics, span.clone());
    let is_api = is_of_api(request.uri().path());
    let request = prepare(request, &record);

    let answering = AssertUnwindSafe(async { router.call(request).await }).catch_unwind();
    let mut response = match answering.instrument(span).await {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(panic) => record.span.in_scope(|| after_panic(&*panic)),
    };

    record.status = Some(response.status());
    let extensions = response.extensions_mut();
    if let Some(RouteName(route)) = extensions.remove() {
        record.route = route;
    }
    record.user = extensions.remove();
    let file = extensions.remove::<FileToSend>();
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(request_id::HEADER, id.clone());
    headers.insert(request_id::CORRELATION_HEADER, id);
    if is_api {
        let (name, value) = API_VERSION;
        headers.insert(name, value);
    }
    Ok(response.map(|body| {
        let content = match (file, &record.connection.window) {
            (Some(file), Some(window)) => Content::File(FileBody::new(file, Arc::clone(window))),
            _ => Content::Bytes(body),
        };
        ObservedBody::new(content, record)
    }))
}

fn is_of_api(path: &str) -> bool {
    ["/v2", "/acr"].iter().any(|api| {
        path.strip_prefix(api).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

fn route_of(path: &str) -> &'static str {
    match path.split('/').nth(1) {
        Some("v2") => "v2",
        Some("acr") => "acr",
        Some("oauth2") => "oauth2",
        Some("api") => "api",
        Some("healthz") => "healthz",
        Some("readyz") => "readyz",
        Some("metrics") => "metrics",
        _ => "other",
    }
}

fn prepare(request: Request<Incoming>, record: &Record) -> Request<Body> {
    let mut request = request.map(|body| {
        if body.is_end_stream() {
            return Body::empty();
        }
        let connection = Arc::clone(&record.connection);
        Body::new(ReceivedBody {
            body,
            connection,
            metrics: record.metrics.clone(),
            is_waiting: false,
        })
    });
    let client = SocketAddr::new(record.client, record.connection.remote.port());
    request.extensions_mut().insert(ConnectInfo(client));
    let is_http1 = matches!(request.version(), Version::HTTP_10 | Version::HTTP_11);
    if is_http1 && record.connection.window.is_some() {
        request.extensions_mut().insert(MaySendFile);
    }
    request
}

fn after_panic(panic: &(dyn Any + Send)) -> Response<Body> {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    Error::internal(format!("a handler panicked: {message}")).into_response()
}

/// What is known of a request. Dropped at the end of the answer, or when the client is gone, it is
/// logged and counted.
pub(super) struct Record {
    /// Who asks, behind any proxies.
    pub client: IpAddr,
    pub connection: Arc<Connection>,
    metrics: Metrics,
    pub span: Span,
    pub started: Instant,
    pub method: Method,
    pub uri: Uri,
    route: &'static str,
    pub user: Option<UserName>,
    status: Option<StatusCode>,
    pub bytes_sent: u64,
    /// Whether all of the answer was handed over.
    pub is_whole: bool,
}

impl Record {
    fn start(
        request: &Request<Incoming>,
        client: IpAddr,
        connection: Arc<Connection>,
        metrics: Metrics,
        span: Span,
    ) -> Self {
        connection.request_started();
        metrics.request_started();
        Self {
            client,
            connection,
            metrics,
            span,
            started: Instant::now(),
            method: request.method().clone(),
            uri: request.uri().clone(),
            route: route_of(request.uri().path()),
            user: None,
            status: None,
            bytes_sent: 0,
            is_whole: false,
        }
    }

    pub fn status(&self) -> StatusCode {
        self.status.unwrap_or_else(|| {
            StatusCode::from_u16(CLIENT_CLOSED_REQUEST).expect("it has three digits")
        })
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        access_log::write(self);
        let duration = self.started.elapsed();
        self.metrics.request_ended(self.route, &self.method, self.status(), duration);
        self.connection.request_ended();
    }
}

/// The body of a request.
struct ReceivedBody {
    body: Incoming,
    connection: Arc<Connection>,
    metrics: Metrics,
    /// Whether a handler waits for the next bytes.
    is_waiting: bool,
}

impl ReceivedBody {
    fn set_waiting(&mut self, is_waiting: bool) {
        match (self.is_waiting, is_waiting) {
            (false, true) => self.connection.body_started(),
            (true, false) => self.connection.body_ended(),
            _ => {}
        }
        self.is_waiting = is_waiting;
    }
}

impl http_body::Body for ReceivedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(context);
        this.set_waiting(polled.is_pending());
        let frame = ready!(polled);
        if let Some(bytes) = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()) {
            this.metrics.received(bytes.len());
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for ReceivedBody {
    fn drop(&mut self) {
        self.set_waiting(false);
    }
}

/// The body of an answer.
pub struct ObservedBody {
    content: Content,
    record: Record,
}

enum Content {
    Bytes(Body),
    File(FileBody),
}

impl Content {
    fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Piece>, axum::Error>>> {
        match self {
            Self::Bytes(body) => {
                let frame = ready!(Pin::new(body).poll_frame(context));
                Poll::Ready(frame.map(|frame| Ok(frame?.map_data(Piece::Bytes))))
            }
            Self::File(file) => {
                let frame = ready!(file.poll_frame(context));
                Poll::Ready(frame.map(|frame| frame.map_err(axum::Error::new)))
            }
        }
    }

    fn is_end(&self) -> bool {
        match self {
            Self::Bytes(body) => body.is_end_stream(),
            Self::File(file) => file.remaining() == 0,
        }
    }
}

impl ObservedBody {
    fn new(content: Content, mut record: Record) -> Self {
        // Hyper does not ask for the body of an answer that has none.
        record.is_whole = content.is_end() || record.method == Method::HEAD;
        record.connection.body_started();
        Self { content, record }
    }
}

impl http_body::Body for ObservedBody {
    type Data = Piece;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Piece>, axum::Error>>> {
        let Self { content, record } = self.get_mut();
        let entered = record.span.enter();
        let frame = ready!(content.poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, Buf::remaining);
                record.bytes_sent += bytes as u64;
                record.metrics.sent(bytes);
                record.is_whole = content.is_end();
            }
            Some(Err(error)) => {
                tracing::error!(error = error as &dyn std::error::Error, "an answer broke off");
            }
            None => record.is_whole = true,
        }
        drop(entered);
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.content.is_end()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Bytes(body) => body.size_hint(),
            Content::File(file) => SizeHint::with_exact(file.remaining()),
        }
    }
}

impl Drop for ObservedBody {
    fn drop(&mut self) {
        self.record.connection.body_ended();
    }
}
