//! Open connections, and when one of them has stood still for too long.
//!
//! Time is counted in whole seconds by one counter for all connections, so that noting progress
//! costs one store. Every limit may therefore be exceeded by up to two seconds.

use std::collections::HashMap;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::metrics::Metrics;
use super::send_file::{self, Next, Window};
use crate::settings::ServerSettings;

/// All open connections of a server.
pub struct Connections {
    open: Mutex<Open>,
    seconds: Arc<AtomicU32>,
    header_timeout: u32,
    idle_timeout: u32,
    sends_files: bool,
    metrics: Metrics,
}

#[derive(Default)]
struct Open {
    next: u64,
    connections: HashMap<u64, Arc<Connection>>,
}

/// One connection, as the requests on it know it.
pub struct Connection {
    pub remote: SocketAddr,
    seconds: Arc<AtomicU32>,
    opened_at: u32,
    /// Whether the head of a request has come.
    has_begun: AtomicBool,
    /// Requests whose answer has not ended.
    requests: AtomicU32,
    /// Bodies that wait for the peer: of requests while a handler wants more, of answers until
    /// their end.
    bodies: AtomicU32,
    moved_at: AtomicU32,
    wrote_at: AtomicU32,
    answered_at: AtomicU32,
    overdue: Notify,
    /// What goes out of files; none if the connection cannot send them (see [`send_file`]).
    pub window: Option<Arc<Window>>,
}

/// Keeps a connection among the open ones.
pub struct OpenConnection {
    connections: Arc<Connections>,
    number: u64,
    pub connection: Arc<Connection>,
}

impl Connections {
    pub fn new(settings: &ServerSettings, metrics: Metrics) -> Self {
        Self {
            open: Mutex::default(),
            seconds: Arc::default(),
            header_timeout: settings.header_timeout_seconds,
            idle_timeout: settings.idle_timeout_seconds,
            sends_files: cfg!(target_os = "linux") && settings.tls_cert.is_none(),
            metrics,
        }
    }

    pub fn open(self: &Arc<Self>, remote: SocketAddr) -> OpenConnection {
        let now = self.seconds.load(Relaxed);
        let connection = Arc::new(Connection {
            remote,
            seconds: Arc::clone(&self.seconds),
            opened_at: now,
            has_begun: AtomicBool::new(false),
            requests: AtomicU32::new(0),
            bodies: AtomicU32::new(0),
            moved_at: AtomicU32::new(now),
            wrote_at: AtomicU32::new(now),
            answered_at: AtomicU32::new(now),
            overdue: Notify::new(),
            window: self.sends_files.then(Arc::default),
        });
        let mut open = self.lock();
        let number = open.next;
        open.next += 1;
        open.connections.insert(number, Arc::clone(&connection));
        self.metrics.connection_opened();
        OpenConnection { connections: Arc::clone(self), number, connection }
    }

    /// To be called once a second: tells the connections that have stood still for too long.
    pub fn second_passed(&self) {
        self.seconds.fetch_add(1, Relaxed);
        for connection in self.lock().connections.values() {
            if let Some(reason) = connection.lateness(self.header_timeout, self.idle_timeout) {
                tracing::debug!(remote = %connection.remote, "closing a connection: {reason}");
                connection.overdue.notify_one();
            }
        }
    }

    /// Tells all connections to end now.
    pub fn close_all(&self) {
        for connection in self.lock().connections.values() {
            connection.overdue.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.connections.lock().connections.remove(&self.number);
        self.connections.metrics.connection_closed();
    }
}

impl Connection {
    /// Until the connection must be closed.
    pub async fn overdue(&self) {
        self.overdue.notified().await;
    }

    pub fn request_started(&self) {
        self.has_begun.store(true, Relaxed);
        self.requests.fetch_add(1, Relaxed);
    }

    pub fn request_ended(&self) {
        self.answered_at.store(self.seconds.load(Relaxed), Relaxed);
        self.requests.fetch_sub(1, Relaxed);
    }

    /// A body waits for the peer from now on.
    pub fn body_started(&self) {
        self.moved();
        self.bodies.fetch_add(1, Relaxed);
    }

    pub fn body_ended(&self) {
        self.bodies.fetch_sub(1, Relaxed);
    }

    fn moved(&self) {
        self.moved_at.store(self.seconds.load(Relaxed), Relaxed);
    }

    fn wrote(&self) {
        self.wrote_at.store(self.seconds.load(Relaxed), Relaxed);
        self.moved();
    }

    /// Why the connection has had its time, if it has. While the server itself is at work, it has
    /// any time.
    fn lateness(&self, header_timeout: u32, idle_timeout: u32) -> Option<&'static str> {
        let now = self.seconds.load(Relaxed);
        let is_over = |since: u32, limit: u32| now.saturating_sub(since) > limit;
        if !self.has_begun.load(Relaxed) {
            is_over(self.opened_at, header_timeout).then_some("the first request did not come")
        } else if self.requests.load(Relaxed) == 0 {
            // What is left of the last answer may still be on its way to a slow client.
            let since = self.answered_at.load(Relaxed).max(self.wrote_at.load(Relaxed));
            is_over(since, idle_timeout).then_some("no further request came")
        } else if self.bodies.load(Relaxed) > 0 {
            is_over(self.moved_at.load(Relaxed), idle_timeout)
                .then_some("no byte moved in the middle of a body")
        } else {
            None
        }
    }
}

/// A stream that notes when bytes move, and sends files.
pub struct Watched {
    pub stream: TcpStream,
    pub connection: Arc<Connection>,
}

impl AsyncRead for Watched {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        this.connection.moved();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        send_file::check(bytes)?;
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.stream).poll_write(context, bytes))?;
        this.connection.wrote();
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { stream, connection } = self.get_mut();
        let next = match &connection.window {
            Some(window) => window.next(slices)?,
            None => Next::Bytes(slices),
        };
        let written = match next {
            Next::Bytes(slices) => ready!(Pin::new(stream).poll_write_vectored(context, slices))?,
            Next::File(file) => ready!(file.poll_send(stream, context))?,
        };
        connection.wrote();
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn connections() -> Arc<Connections> {
        let settings = ServerSettings {
            header_timeout_seconds: 2,
            idle_timeout_seconds: 5,
            ..ServerSettings::default()
        };
        Arc::new(Connections::new(&settings, Metrics::new()))
    }

    fn open(connections: &Arc<Connections>) -> OpenConnection {
        connections.open((Ipv4Addr::LOCALHOST, 1).into())
    }

    /// Whether the connection is overdue after this many seconds, but not a second before.
    fn is_overdue_after(connections: &Connections, connection: &Connection, seconds: u32) -> bool {
        let late = || connection.lateness(connections.header_timeout, connections.idle_timeout);
        (1..seconds).all(|_| {
            connections.second_passed();
            late().is_none()
        }) && {
            connections.second_passed();
            late().is_some()
        }
    }

    #[test]
    fn the_first_request_must_come_soon() {
        let connections = connections();
        let open = open(&connections);
        open.connection.moved();
        assert!(is_overdue_after(&connections, &open.connection, 3));
    }

    #[test]
    fn an_idle_connection_ends() {
        let connections = connections();
        let open = open(&connections);
        connections.second_passed();
        open.connection.request_started();
        open.connection.request_ended();
        assert!(is_overdue_after(&connections, &open.connection, 6));
    }

    #[test]
    fn a_body_that_stands_still_ends_the_connection() {
        let connections = connections();
        let open = open(&connections);
        open.connection.request_started();
        open.connection.body_started();
        for _ in 0..20 {
            connections.second_passed();
            open.connection.moved();
        }
        assert!(is_overdue_after(&connections, &open.connection, 6));
    }

    #[test]
    fn a_handler_has_any_time() {
        let connections = connections();
        let open = open(&connections);
        open.connection.request_started();
        open.connection.body_started();
        open.connection.body_ended();
        assert!(!is_overdue_after(&connections, &open.connection, 100));
    }

    #[test]
    fn closed_connections_are_forgotten() {
        let connections = connections();
        drop(open(&connections));
        assert!(connections.lock().connections.is_empty());
    }
}
