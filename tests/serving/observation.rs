use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use axum::http::HeaderMap;
use axum::routing::{get, post};
use axum::{Extension, Router};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use orlop::http::health::Check;
use orlop::http::{RouteName, UserName};
use orlop::settings::ServerSettings;
use serde_json::Value;

use super::served::{Served, soon};
use super::support::{ADMIN, Options, Orlop, PASSWORD};

async fn get_with(served: &Served, path: &str, headers: &[(&str, &str)]) -> HeaderMap {
    let mut request = reqwest::Client::builder().no_proxy().build().unwrap().get(served.url(path));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap().headers().clone()
}

#[tokio::test]
async fn every_answer_has_the_id_of_its_request() {
    let served = Served::start(Router::new()).await;
    let answer = get_with(&served, "/absent", &[("x-request-id", "build-17.retry_2")]).await;
    assert_eq!(answer["x-request-id"], "build-17.retry_2");
    assert_eq!(answer["x-ms-correlation-request-id"], "build-17.retry_2");
    let answer = get_with(&served, "/absent", &[("x-request-id", "a b\"")]).await;
    assert_eq!(answer["x-request-id"].len(), 36);
    assert_eq!(answer["x-ms-correlation-request-id"], answer["x-request-id"]);
}

#[tokio::test]
async fn answers_have_the_headers_that_clients_look_for() {
    let served = Served::start(Router::new()).await;
    for (path, is_api) in
        [("/v2/", true), ("/v2", true), ("/acr/v1/_catalog", true), ("/v22", false)]
    {
        let answer = get_with(&served, path, &[]).await;
        assert_eq!(answer["x-content-type-options"], "nosniff");
        let version = answer.get("docker-distribution-api-version");
        assert_eq!(version.is_some_and(|version| version == "registry/2.0"), is_api, "{path}");
    }
}

#[tokio::test]
async fn a_panic_is_answered_and_the_connection_lives() {
    let panics = async || {
        assert!(std::hint::black_box(false), "this test panics on purpose");
    };
    let served = Served::start(Router::new().route("/", get(panics))).await;
    let mut wire = served.connect().await;
    wire.send("GET / HTTP/1.1\r\nHost: x\r\nX-Request-Id: panic-1\r\n\r\n").await;
    let answer = wire.until("}\n").await;
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    assert!(answer.contains("x-request-id: panic-1\r\n"), "{answer}");
    assert!(answer.contains("{\"errors\":[{\"code\":\"UNKNOWN\""), "{answer}");
    assert!(!answer.contains("on purpose"), "{answer}");
    wire.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
    wire.until("ok\n").await;
}

#[tokio::test]
async fn handlers_know_the_address_of_the_client() {
    let address = async |Extension(ConnectInfo(remote)): Extension<ConnectInfo<SocketAddr>>| {
        remote.to_string()
    };
    let served = Served::start(Router::new().route("/", get(address))).await;
    let mut wire = served.connect().await;
    wire.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    let own = wire.0.local_addr().unwrap().to_string();
    assert!(wire.rest().await.ends_with(&own));
}

#[tokio::test]
async fn metrics_count_requests_by_route_and_bytes() {
    let echo = async |body: Bytes| (Extension(RouteName("echo")), body);
    let served = Served::start(Router::new().route("/echo/{name}", post(echo))).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for name in ["a", "b"] {
        let url = served.url(&format!("/echo/{name}"));
        client.post(url).body("x".repeat(1000)).send().await.unwrap().bytes().await.unwrap();
    }
    client.request("BREW".parse().unwrap(), served.url("/pot")).send().await.unwrap();

    let metrics = served.get("/metrics").await;
    for line in [
        "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r",
        "orlop_http_requests_total{route=\"echo\",method=\"POST\",status=\"200\"} 2",
        "orlop_http_requests_total{route=\"other\",method=\"other\",status=\"404\"} 1",
        "orlop_http_request_duration_seconds_count{route=\"echo\",method=\"POST\"} 2",
        "orlop_http_received_bytes_total 2000",
        "orlop_http_requests_in_flight 1",
        "orlop_build_info{version=\"0.1.0\"} 1",
    ] {
        assert!(metrics.lines().any(|found| found == line.trim_end()), "{line}\n{metrics}");
    }
    assert!(metrics.contains("process_start_time_seconds "), "{metrics}");
    assert!(metrics.trim_end().ends_with("# EOF"), "{metrics}");
}

#[tokio::test]
async fn the_registry_names_its_routes_also_of_requests_that_fail() {
    let orlop = Orlop::start(Options::default()).await;
    orlop.http().push_blob("samples/app", "content").await;
    orlop.anonymous().get("/v2/samples/app/manifests/1.0").await;
    let metrics = orlop.anonymous().get("/metrics").await.text().await.unwrap();
    for labels in [
        "route=\"uploads\",method=\"POST\",status=\"202\"",
        "route=\"upload\",method=\"PUT\",status=\"201\"",
        "route=\"manifest\",method=\"GET\",status=\"401\"",
    ] {
        assert!(metrics.contains(&format!("{{{labels}}} 1\n")), "{labels}\n{metrics}");
    }
}

#[tokio::test]
async fn readiness_names_what_is_missing() {
    let checks = vec![
        Check::new("database", async || Ok::<_, std::io::Error>(())),
        Check::new("storage", async || Err(std::io::Error::other("secret/path is gone"))),
    ];
    let served = Served::with(Router::new(), ServerSettings::default(), checks).await;
    let answer = served.get("/readyz").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.ends_with("{\"ready\":false,\"reasons\":[\"storage\"]}"), "{answer}");
    assert!(served.get("/healthz").await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn http_2_is_spoken_without_tls() {
    let served = Served::start(Router::new()).await;
    let stream = TokioIo::new(served.connect().await.0);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get(served.url("/healthz")).body(Empty::<Bytes>::new()).unwrap();
    let answer = soon(sender.send_request(request)).await.unwrap();
    assert_eq!(answer.version(), http::Version::HTTP_2);
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "ok\n");
}

#[tokio::test]
async fn the_access_log_has_a_line_for_each_request_and_no_secrets() {
    let environment = [("ORLOP__LOG__FORMAT", "json"), ("ORLOP__LOG__LEVEL", "debug")];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let mut orlop = Orlop::start(Options { environment, ..Options::default() }).await;
    let http = orlop.http();
    let digest = http.push_blob("samples/app", "content").await;
    http.get(&format!("/oauth2/token?password={PASSWORD}&refresh_token=hush")).await;
    http.head(&format!("/v2/samples/app/blobs/{digest}?password={PASSWORD}")).await;
    assert!(orlop.stop().await.success());

    let output = orlop.output();
    let basic = BASE64_STANDARD.encode(format!("{ADMIN}:{PASSWORD}"));
    for secret in [PASSWORD, "hush", &basic] {
        assert!(!output.contains(secret), "{secret} in {output}");
    }
    let lines: Vec<Value> = output
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &Value| line["target"] == "access")
        .collect();
    let found: Vec<_> = lines
        .iter()
        .map(|line| (line["method"].as_str().unwrap(), line["status"].as_u64().unwrap()))
        .collect();
    assert_eq!(found[..2], [("POST", 202), ("PUT", 201)], "{output}");
    assert_eq!(found[3], ("HEAD", 200), "{output}");
    assert_eq!(lines[1]["digest"].as_str().map(|shown| shown.replace("%3A", ":")), Some(digest));
    assert_eq!(lines[0]["remote"], "127.0.0.1");
    assert_eq!(lines[0]["user"], "admin");
    assert_eq!(lines[2]["user"], Value::Null);
    assert_eq!(lines[3]["aborted"], Value::Null);
    for line in &lines {
        assert_eq!(line["span"]["request_id"].as_str().map(str::len), Some(36), "{line}");
    }
}

#[tokio::test]
async fn the_user_of_a_request_stays_inside() {
    let whoami = async || Extension(UserName("alice".into()));
    let served = Served::start(Router::new().route("/", get(whoami))).await;
    assert!(!served.get("/").await.contains("alice"));
}
