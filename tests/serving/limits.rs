use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use bytes::Bytes;
use futures_util::stream;
use http_body_util::Empty;
use hyper_util::rt::{TokioExecutor, TokioIo};
use orlop::settings::ServerSettings;
use tokio::sync::{Notify, mpsc};

use super::served::{Served, soon};

fn impatient() -> ServerSettings {
    ServerSettings {
        header_timeout_seconds: 1,
        idle_timeout_seconds: 1,
        ..ServerSettings::default()
    }
}

#[tokio::test]
async fn a_client_that_says_nothing_is_dropped() {
    let settings = ServerSettings { idle_timeout_seconds: 3600, ..impatient() };
    let served = Served::with(Router::new(), settings, Vec::new()).await;
    assert_eq!(served.connect().await.rest().await, "");
}

#[tokio::test]
async fn a_client_that_never_ends_its_headers_is_dropped() {
    let settings = ServerSettings { idle_timeout_seconds: 3600, ..impatient() };
    let served = Served::with(Router::new(), settings, Vec::new()).await;
    for start in ["GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ", "PRI * HTTP/2.0\r\n\r\n"] {
        let mut wire = served.connect().await;
        wire.send(start).await;
        assert_eq!(wire.rest().await, "", "{start:?}");
    }
}

#[tokio::test]
async fn a_connection_without_further_requests_is_closed() {
    let settings = ServerSettings { header_timeout_seconds: 3600, ..impatient() };
    let served = Served::with(Router::new(), settings, Vec::new()).await;
    let mut wire = served.connect().await;
    wire.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(wire.rest().await.ends_with("\r\n\r\nok\n"));
}

#[tokio::test]
async fn an_upload_that_stands_still_is_dropped() {
    let (sender, mut receiver) = mpsc::channel(1);
    let upload = async move |body: Bytes| {
        sender.send(body).await.unwrap();
    };
    let served = Served::with(Router::new().route("/", post(upload)), impatient(), vec![]).await;
    let mut wire = served.connect().await;
    wire.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf").await;
    assert_eq!(wire.rest().await, "");

    // The handler is not left behind: its sender goes with it.
    drop(wire);
    served.stop.cancel();
    served.ended().await;
    assert_eq!(soon(receiver.recv()).await, None);
}

/// A route whose answer never ends, and what tells when its body is gone.
fn endless() -> (Router, mpsc::Receiver<()>) {
    let (sender, receiver) = mpsc::channel::<()>(1);
    let answer = async move || {
        let block = Bytes::from(vec![b'x'; 1 << 20]);
        Body::from_stream(stream::unfold(sender.clone(), move |sender| {
            let block = block.clone();
            async move { Some((Ok::<_, Infallible>(block), sender)) }
        }))
    };
    (Router::new().route("/", get(answer)), receiver)
}

#[tokio::test]
async fn a_download_that_nobody_reads_is_dropped() {
    let (router, mut receiver) = endless();
    let served = Served::with(router, impatient(), vec![]).await;
    let mut wire = served.connect().await;
    wire.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    wire.until("\r\n\r\n").await;

    // The connection is not read further; when it is closed, the last sender goes with its body.
    served.stop.cancel();
    served.ended().await;
    assert_eq!(soon(receiver.recv()).await, None);
}

#[tokio::test]
async fn a_stream_of_http_2_that_nobody_reads_is_dropped() {
    let (router, mut receiver) = endless();
    let served = Served::with(router, impatient(), vec![]).await;
    let stream = TokioIo::new(served.connect().await.0);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get(served.url("/")).body(Empty::<Bytes>::new()).unwrap();
    let _unread = soon(sender.send_request(request)).await.unwrap();

    // The connection lives and answers pings, but the window of the stream stays closed.
    served.stop.cancel();
    served.ended().await;
    assert_eq!(soon(receiver.recv()).await, None);
}

#[tokio::test]
async fn a_handler_that_works_for_long_is_not_dropped() {
    let done = Arc::new(Notify::new());
    let told = Arc::clone(&done);
    let work = async move || {
        told.notified().await;
        "done"
    };
    let served = Served::with(Router::new().route("/", get(work)), impatient(), vec![]).await;
    let mut wire = served.connect().await;
    wire.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    // Others come, stand still and are dropped meanwhile.
    for _ in 0..3 {
        assert_eq!(served.connect().await.rest().await, "");
    }
    done.notify_one();
    assert!(wire.rest().await.ends_with("done"));
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_a_place() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let router = Router::new().route(
        "/second",
        get(async move || {
            count.fetch_add(1, Ordering::SeqCst);
        }),
    );
    let settings = ServerSettings { max_connections: 1, ..ServerSettings::default() };
    let served = Served::with(router, settings, Vec::new()).await;

    let mut first = served.connect().await;
    let mut second = served.connect().await;
    second.send("GET /second HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    for _ in 0..100 {
        first.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
        first.until("ok\n").await;
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    drop(first);
    assert!(second.rest().await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_head_beyond_the_limit_is_refused() {
    let settings = ServerSettings { max_header_bytes: 8192, ..ServerSettings::default() };
    let served = Served::with(Router::new(), settings, Vec::new()).await;
    let mut wire = served.connect().await;
    wire.send(&format!("GET / HTTP/1.1\r\nX-Long: {}", "x".repeat(9000))).await;
    assert!(wire.rest().await.starts_with("HTTP/1.1 431 "));
}
