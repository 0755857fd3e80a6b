//! A server in the test's own process, with routes of the test's own.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use orlop::http::health::Check;
use orlop::http::metrics::Metrics;
use orlop::http::server::Server;
use orlop::settings::ServerSettings;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Longer than anything here takes, but for a failure.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub struct Served {
    pub address: SocketAddr,
    pub stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Served {
    pub async fn start(router: Router) -> Self {
        Self::with(router, ServerSettings::default(), Vec::new()).await
    }

    pub async fn with(router: Router, settings: ServerSettings, checks: Vec<Check>) -> Self {
        let settings = ServerSettings { listen: "127.0.0.1:0".parse().unwrap(), ..settings };
        let server = Server::bind(&settings, Metrics::new()).await.unwrap();
        let address = server.url().strip_prefix("http://").unwrap().parse().unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(server.serve(router, checks, stop.clone()));
        Self { address, stop, task }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub async fn connect(&self) -> Wire {
        Wire(TcpStream::connect(self.address).await.unwrap())
    }

    /// One request on a connection of its own.
    pub async fn get(&self, path: &str) -> String {
        let mut wire = self.connect().await;
        wire.send(&format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await;
        wire.rest().await
    }

    /// Until `serve` has returned.
    pub async fn ended(self) {
        soon(self.task).await.unwrap();
    }
}

/// A connection on which a test writes and reads bytes as it likes.
pub struct Wire(pub TcpStream);

impl Wire {
    pub async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads until what was read ends with `end`.
    pub async fn until(&mut self, end: &str) -> String {
        soon(async {
            let mut read = Vec::new();
            while !read.ends_with(end.as_bytes()) {
                let byte = self.0.read_u8().await;
                let so_far = String::from_utf8_lossy(&read);
                read.push(byte.unwrap_or_else(|error| panic!("{error} after {so_far:?}")));
            }
            String::from_utf8(read).unwrap()
        })
        .await
    }

    /// Reads until the server closes the connection.
    pub async fn rest(&mut self) -> String {
        let mut read = Vec::new();
        // A reset is a way to close it, too.
        let _ = soon(self.0.read_to_end(&mut read)).await;
        String::from_utf8(read).unwrap()
    }
}

pub async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it takes too long")
}
