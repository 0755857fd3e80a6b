use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use bytes::Bytes;
use orlop::settings::ServerSettings;
use reqwest::Method;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::served::{Served, soon};
use super::support::{Options, Orlop};

/// A route whose one answer is what the test sends, for as long as it does.
fn dictated() -> (Router, mpsc::Sender<Result<Bytes, Infallible>>) {
    let (sender, receiver) = mpsc::channel(1);
    let receiver = Arc::new(Mutex::new(Some(receiver)));
    let answer = async move || {
        let mut receiver = receiver.lock().unwrap().take().unwrap();
        Body::from_stream(futures_util::stream::poll_fn(move |context| receiver.poll_recv(context)))
    };
    (Router::new().route("/", get(answer)), sender)
}

#[tokio::test]
async fn running_transfers_end_before_the_server_does() {
    let (router, sender) = dictated();
    let served = Served::start(router).await;
    let mut wire = served.connect().await;
    wire.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    sender.send(Ok("first part, ".into())).await.unwrap();
    wire.until("first part, \r\n").await;

    served.stop.cancel();
    // No new connections…
    soon(async { while TcpStream::connect(served.address).await.is_ok() {} }).await;
    // …but the old one goes on to its end.
    sender.send(Ok("last part".into())).await.unwrap();
    drop(sender);
    assert_eq!(wire.rest().await, "9\r\nlast part\r\n0\r\n\r\n");
    served.ended().await;
}

#[tokio::test]
async fn transfers_that_do_not_end_are_closed_when_their_time_is_up() {
    let (router, sender) = dictated();
    let settings = ServerSettings { shutdown_timeout_seconds: 1, ..ServerSettings::default() };
    let served = Served::with(router, settings, Vec::new()).await;
    let mut wire = served.connect().await;
    wire.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    sender.send(Ok("first part".into())).await.unwrap();
    wire.until("first part\r\n").await;

    served.stop.cancel();
    served.ended().await;
    assert_eq!(wire.rest().await, "");
}

#[tokio::test]
async fn idle_connections_do_not_delay_the_end() {
    let served = Served::start(Router::new()).await;
    let mut idle = served.connect().await;
    idle.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
    idle.until("ok\n").await;
    let mut silent = served.connect().await;

    served.stop.cancel();
    assert_eq!(idle.rest().await, "");
    assert_eq!(silent.rest().await, "");
    served.ended().await;
}

#[tokio::test]
async fn a_signal_ends_the_process_well() {
    let mut orlop = Orlop::start(Options::default()).await;
    orlop.http().push_blob("samples/app", "content").await;
    assert!(orlop.stop().await.success(), "{}", orlop.output());
}

#[tokio::test]
async fn a_second_signal_ends_the_process_at_once() {
    let mut orlop = Orlop::start(Options::default()).await;
    let location = orlop.http().start_upload("samples/app").await;
    // An upload that never ends holds the server back.
    let (sender, receiver) = mpsc::channel::<Result<Bytes, Infallible>>(1);
    let body = futures_util::stream::unfold(receiver, async |mut receiver| {
        receiver.recv().await.map(|part| (part, receiver))
    });
    let body = reqwest::Body::wrap_stream(body);
    let upload = tokio::spawn(orlop.http().request(Method::PATCH, &location).body(body).send());
    sender.send(Ok("part".into())).await.unwrap();
    soon(async {
        let in_flight = "orlop_http_requests_in_flight 2";
        while !orlop.anonymous().get("/metrics").await.text().await.unwrap().contains(in_flight) {}
    })
    .await;

    orlop.signal("-TERM").await;
    soon(async {
        while !orlop.output().contains("stopping") {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(orlop.stop().await.code(), Some(1), "{}", orlop.output());
    // What the process said last is read a moment after its end.
    soon(async {
        while !orlop.output().contains("orlop: SIGTERM came a second time") {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(soon(upload).await.unwrap().is_err());
}
