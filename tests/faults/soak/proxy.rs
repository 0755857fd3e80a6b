//! Stands between the servers and the S3 server, and makes it fail.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

/// How many requests in a thousand meet what.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rates {
    /// The answer is 503, and nothing is done.
    pub refused: u64,
    /// The work is done, but the connection ends without an answer.
    pub lost: u64,
    /// The request waits for up to two seconds before it goes on.
    pub slow: u64,
}

/// The proxy. It ends with the test program.
#[derive(Clone)]
pub struct Proxy(Arc<Inner>);

struct Inner {
    target: String,
    client: reqwest::Client,
    refused: AtomicU64,
    lost: AtomicU64,
    slow: AtomicU64,
    /// How often each was done.
    done: [AtomicU64; 3],
}

/// Why a connection ends without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the answer is lost")]
struct Lost;

impl Proxy {
    /// In front of the server at `target`; gives the URL to reach it by.
    pub async fn start(target: &str) -> (Self, String) {
        let client = reqwest::Client::builder().no_proxy().build().expect("the options fit");
        let inner = Inner {
            target: target.to_owned(),
            client,
            refused: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            slow: AtomicU64::new(0),
            done: Default::default(),
        };
        let proxy = Self(Arc::new(inner));
        let address: SocketAddr = ([127, 0, 0, 1], 0).into();
        let listener = TcpListener::bind(address).await.expect("there is a free port");
        let url = format!("http://{}", listener.local_addr().expect("it has one"));
        tokio::spawn(proxy.clone().serve(listener));
        (proxy, url)
    }

    pub fn set(&self, rates: Rates) {
        self.0.refused.store(rates.refused, Relaxed);
        self.0.lost.store(rates.lost, Relaxed);
        self.0.slow.store(rates.slow, Relaxed);
    }

    /// How many requests were refused, lost their answers, and were slow.
    pub fn done(&self) -> [u64; 3] {
        [0, 1, 2].map(|kind| self.0.done[kind].load(Relaxed))
    }

    async fn serve(self, listener: TcpListener) {
        while let Ok((connection, _)) = listener.accept().await {
            let proxy = self.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let proxy = proxy.clone();
                    async move { proxy.answer(request).await }
                });
                let mut http = hyper::server::conn::http1::Builder::new();
                // An error is what ends a connection without an answer.
                let _ = http
                    .timer(TokioTimer::new())
                    .serve_connection(TokioIo::new(connection), service)
                    .await;
            });
        }
    }

    fn meets(&self, kind: usize, rate: &AtomicU64) -> bool {
        let meets = rand::random_range(0..1000) < rate.load(Relaxed);
        if meets {
            self.0.done[kind].fetch_add(1, Relaxed);
        }
        meets
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Lost> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Lost)?.to_bytes();
        if self.meets(0, &self.0.refused) {
            let answer = Response::builder().status(503).body(Full::from("<Error/>"));
            return Ok(answer.expect("it is valid"));
        }
        if self.meets(2, &self.0.slow) {
            tokio::time::sleep(Duration::from_millis(rand::random_range(100..2000))).await;
        }
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        // What was signed must arrive as it was, the host too.
        let forwarded = self
            .0
            .client
            .request(head.method, format!("{}{path}", self.0.target))
            .headers(head.headers)
            .body(body)
            .send()
            .await
            .map_err(|_| Lost)?;
        let mut answer = Response::builder().status(forwarded.status());
        for (name, value) in forwarded.headers() {
            answer = answer.header(name, value);
        }
        let body = forwarded.bytes().await.map_err(|_| Lost)?;
        if self.meets(1, &self.0.lost) {
            return Err(Lost);
        }
        Ok(answer.body(Full::from(body)).expect("it was valid"))
    }
}
