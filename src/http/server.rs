//! The process around a router: listens, bears many and bad clients, and ends gracefully.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::connection::{Connection, Connections, Watched};
use super::health::{self, Check};
use super::metrics::{self, Metrics};
use super::tls::{Tls, TlsError};
use super::{Stopping, forwarded, observe};
use crate::settings::ServerSettings;

/// Requests at once on one connection of HTTP/2.
const MAX_STREAMS: u32 = 128;

/// What a client may send ahead of the handler that reads it: on one stream, on all of a connection.
const STREAM_WINDOW: u32 = 512 * 1024;
const CONNECTION_WINDOW: u32 = 2 * 1024 * 1024;

const MAX_FRAME_BYTES: u32 = 64 * 1024;

/// How long to wait after the system refused a connection, for want of file handles for example.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("cannot listen on {address} (server.listen)")]
    Listen { address: SocketAddr, source: io::Error },
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("cannot receive signals")]
    Signal(#[source] io::Error),
}

/// A server that listens. Clients may connect from now on; they are answered by
/// [`serve`](Self::serve).
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    settings: ServerSettings,
    tls: Option<Arc<Tls>>,
    hangup: Signal,
    metrics: Metrics,
}

impl Server {
    /// # Errors
    /// [`ServerError`] if the address is taken or the certificate cannot be used.
    pub async fn bind(settings: &ServerSettings, metrics: Metrics) -> Result<Self, ServerError> {
        let tls = match (&settings.tls_cert, &settings.tls_key) {
            (Some(cert), Some(key)) => Some(Arc::new(Tls::open(cert, key)?)),
            _ => None,
        };
        let address = settings.listen;
        let failed = |source| ServerError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        // Also without TLS: left alone, the signal would end the process.
        let hangup = signal(SignalKind::hangup()).map_err(ServerError::Signal)?;
        Ok(Self { listener, address, settings: settings.clone(), tls, hangup, metrics })
    }

    /// `http://IP:PORT` or `https://IP:PORT`.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Answers by the router, and `/healthz`, `/readyz` and `/metrics` by itself. When `stop` is
    /// cancelled, takes no more connections, and returns when the running requests have ended or
    /// had their time.
    pub async fn serve(self, router: Router, checks: Vec<Check>, stop: CancellationToken) {
        let Self { listener, settings, tls, hangup, metrics, .. } = self;
        let router = router
            .merge(health::routes(checks, stop.clone()))
            .merge(metrics::routes(metrics.clone()))
            .with_state(());
        let connections = Arc::new(Connections::new(&settings, metrics.clone()));
        let watch = tokio::spawn(watch(Arc::clone(&connections), tls.clone(), hangup));
        let _watch = AbortOnDropHandle::new(watch);

        let http = protocol(&settings);
        let trusted_proxies = settings.trusted_proxies;
        let serving = Serving { router, http, metrics, trusted_proxies, stop, tls };
        let tasks = TaskTracker::new();
        accept(listener, settings.max_connections, Arc::new(serving), &connections, &tasks).await;

        tasks.close();
        let patience = Duration::from_secs(settings.shutdown_timeout_seconds.into());
        tracing::info!(connections = tasks.len(), "stopping; running requests may end");
        if timeout(patience, tasks.wait()).await.is_err() {
            tracing::warn!(connections = tasks.len(), "closing connections that did not end");
            connections.close_all();
            tasks.wait().await;
        }
    }
}

/// What all connections share.
struct Serving {
    router: Router,
    http: Builder<TokioExecutor>,
    metrics: Metrics,
    trusted_proxies: Vec<IpNet>,
    stop: CancellationToken,
    tls: Option<Arc<Tls>>,
}

fn protocol(settings: &ServerSettings) -> Builder<TokioExecutor> {
    let mut http = Builder::new(TokioExecutor::new());
    http.http1()
        // `Connections` watches the time, also before and between requests.
        .header_read_timeout(None)
        .max_buf_size(settings.max_header_bytes as usize);
    http.http2()
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(settings.max_header_bytes)
        .max_frame_size(MAX_FRAME_BYTES)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    http
}

/// Once a second looks for connections that have had their time, and for a new certificate.
async fn watch(connections: Arc<Connections>, tls: Option<Arc<Tls>>, mut hangup: Signal) {
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let is_hangup = tokio::select! {
            _ = seconds.tick() => false,
            _ = hangup.recv() => true,
        };
        if !is_hangup {
            connections.second_passed();
        }
        if let Some(tls) = tls.clone() {
            let reload = move || if is_hangup { tls.reload() } else { tls.reload_if_changed() };
            if let Err(error) = tokio::task::spawn_blocking(reload).await {
                tracing::error!(%error, "the certificate could not be looked at");
            }
        }
    }
}

/// Takes connections until the server shall stop. When there are as many as allowed, further ones
/// wait in the system's queue.
async fn accept(
    listener: TcpListener,
    max_connections: u32,
    serving: Arc<Serving>,
    connections: &Arc<Connections>,
    tasks: &TaskTracker,
) {
    let places = Arc::new(Semaphore::new(max_connections as usize));
    let accept_one = async || {
        let place = Arc::clone(&places).acquire_owned().await.expect("the semaphore stays open");
        loop {
            match listener.accept().await {
                Ok((stream, remote)) => return (place, stream, remote),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "cannot accept connections");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    loop {
        let (place, stream, remote) = tokio::select! {
            accepted = accept_one() => accepted,
            () = serving.stop.cancelled() => return,
        };
        let serving = Arc::clone(&serving);
        // An IPv4 client of an IPv6 socket is known by its IPv4 address.
        let open = connections.open((remote.ip().to_canonical(), remote.port()).into());
        tasks.spawn(async move {
            let connection = &open.connection;
            tokio::select! {
                () = serving.connection(stream, connection) => {}
                () = connection.overdue() => {}
            }
            drop(place);
        });
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

impl Serving {
    async fn connection(&self, stream: TcpStream, connection: &Arc<Connection>) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
        let stream = Watched { stream, connection: Arc::clone(connection) };
        let Some(tls) = &self.tls else { return self.requests(stream, connection).await };
        let handshake = tls.acceptor.accept(stream);
        let accepted = tokio::select! {
            accepted = handshake => accepted,
            () = self.stop.cancelled() => return,
        };
        match accepted {
            Ok(stream) => self.requests(stream, connection).await,
            Err(error) => {
                tracing::debug!(remote = %connection.remote, %error, "no TLS handshake");
            }
        }
    }

    async fn requests<S>(&self, stream: S, connection: &Arc<Connection>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = service_fn(|mut request: http::Request<hyper::body::Incoming>| {
            let router = self.router.clone();
            let (connection, metrics) = (Arc::clone(connection), self.metrics.clone());
            let peer = connection.remote.ip();
            let client = forwarded::client(request.headers_mut(), peer, &self.trusted_proxies);
            request.extensions_mut().insert(Stopping(self.stop.clone()));
            observe::answer(router, connection, metrics, client, request)
        });
        let mut serving = pin!(self.http.serve_connection(TokioIo::new(stream), service));
        let ended = tokio::select! {
            ended = &mut serving => ended,
            () = self.stop.cancelled() => {
                serving.as_mut().graceful_shutdown();
                serving.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(remote = %connection.remote, error, "a connection ended early");
        }
    }
}
