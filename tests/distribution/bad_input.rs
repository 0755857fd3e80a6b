//! Every kind of bad input has its status and code, and nothing of it is stored.

use reqwest::header::{CONTENT_RANGE, CONTENT_TYPE};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::manifests::image;
use super::support::http::{OCI_INDEX, OCI_MANIFEST, expect, json_of, send};
use super::support::{Http, Options, Orlop, digest_of};
use super::uploads::patch;

/// The answer must have this status and code, and a message.
#[track_caller]
fn refused(answer: Response, status: u16, code: &'static str) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let url = answer.url().clone();
        let found = answer.status().as_u16();
        let body = json_of(answer).await;
        let error = &body["errors"][0];
        assert_eq!((found, &error["code"]), (status, &json!(code)), "{caller}: {url}: {body}");
        assert!(error["message"].as_str().is_some_and(|text| text.len() > 10), "{body}");
    }
}

async fn is_empty(http: &Http) {
    let catalog = json_of(http.get("/v2/_catalog").await).await;
    assert_eq!(catalog, json!({"repositories": []}));
}

#[tokio::test]
async fn names_references_and_digests_outside_their_grammar() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    let long = "a".repeat(256);
    for name in ["UPPER", "a..b", "a//b", "-a", "a%20b", "%00", "a%2F..%2Fb", &long] {
        let path = format!("/v2/{name}/manifests/1");
        refused(http.get(&path).await, 400, "NAME_INVALID").await;
        refused(send(http.request(Method::PUT, &path).body("{}")).await, 400, "NAME_INVALID").await;
        let path = format!("/v2/{name}/blobs/uploads/");
        refused(send(http.request(Method::POST, &path)).await, 400, "NAME_INVALID").await;
    }
    let long = "a".repeat(129);
    for tag in [".a", "-a", "a%20b", "a%21", &long] {
        let answer = http.put_manifest("a", tag, OCI_MANIFEST, "{}").await;
        refused(answer, 400, "TAG_INVALID").await;
    }
    for digest in ["sha256:00", "sha256:", "md5:d41d8cd98f00b204e9800998ecf8427e", "sha256:../x"] {
        let path = format!("/v2/a/manifests/{digest}").replace("../", "..%2F");
        if !digest.contains('/') {
            refused(http.get(&path).await, 400, "DIGEST_INVALID").await;
        }
        let path = format!("/v2/a/blobs/uploads/?digest={digest}");
        refused(send(http.request(Method::POST, &path).body("x")).await, 400, "DIGEST_INVALID")
            .await;
        let path = format!("/v2/a/blobs/uploads/?mount={digest}&from=b");
        refused(send(http.request(Method::POST, &path)).await, 400, "DIGEST_INVALID").await;
    }
    refused(http.get("/v2/a/blobs/sha256:xyz").await, 400, "DIGEST_INVALID").await;
    refused(http.get("/v2/a/referrers/latest").await, 400, "DIGEST_INVALID").await;
    let path = "/v2/a/blobs/uploads/?digest-algorithm=md5";
    refused(send(http.request(Method::POST, path)).await, 400, "DIGEST_INVALID").await;
    is_empty(&http).await;
}

#[tokio::test]
async fn content_of_another_digest() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    let other = digest_of("other");

    let path = format!("/v2/a/blobs/uploads/?digest={other}");
    let answer = send(http.request(Method::POST, &path).body("text")).await;
    refused(answer, 400, "DIGEST_INVALID").await;

    let location = http.start_upload("a").await;
    refused(http.finish_upload(&location, &other, "text").await, 400, "DIGEST_INVALID").await;
    // The session ended with it: what it received is of no use.
    expect(http.get(&location).await, StatusCode::NOT_FOUND).await;

    let location = http.start_upload("a").await;
    expect(patch(&http, &location, None, "text").await, StatusCode::ACCEPTED).await;
    refused(http.finish_upload(&location, &other, "").await, 400, "DIGEST_INVALID").await;

    let location = http.start_upload("a").await;
    refused(send(http.request(Method::PUT, &location).body("x")).await, 400, "DIGEST_INVALID")
        .await;

    for digest in [&other, &digest_of("text")] {
        let answer = http.get(&format!("/v2/a/blobs/{digest}")).await;
        refused(answer, 404, "BLOB_UNKNOWN").await;
    }
    let content = image(&http, "b", "text").await.to_string();
    let answer = http.put_manifest("b", &other, OCI_MANIFEST, content.clone()).await;
    refused(answer, 400, "DIGEST_INVALID").await;
    for digest in [&other, &digest_of(&content)] {
        let answer = http.get(&format!("/v2/b/manifests/{digest}")).await;
        refused(answer, 404, "MANIFEST_UNKNOWN").await;
    }
}

#[tokio::test]
async fn chunks_that_are_not_what_they_say() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    let location = http.start_upload("a").await;
    for range in ["x", "3", "2-1", "0-99999999999999999999999", "-1-2"] {
        let answer = patch(&http, &location, Some(range), "abc").await;
        refused(answer, 400, "BLOB_UPLOAD_INVALID").await;
    }
    for range in ["0-1", "0-9"] {
        let answer = patch(&http, &location, Some(range), "abc").await;
        refused(answer, 400, "SIZE_INVALID").await;
    }
    let answer = patch(&http, &location, Some("1-3"), "abc").await;
    refused(answer, 416, "BLOB_UPLOAD_INVALID").await;
    let put = http.request(Method::PUT, &location).query(&[("digest", digest_of("abc"))]);
    let answer = send(put.header(CONTENT_RANGE, "0-7").body("abc")).await;
    refused(answer, 400, "SIZE_INVALID").await;
    // None of it counts.
    expect(patch(&http, &location, Some("0-2"), "xyz").await, StatusCode::ACCEPTED).await;
    let digest = digest_of("xyz");
    expect(http.finish_upload(&location, &digest, "").await, StatusCode::CREATED).await;
    let got = http.get(&format!("/v2/a/blobs/{digest}")).await;
    assert_eq!(got.text().await.unwrap(), "xyz");
}

#[tokio::test]
async fn a_body_that_is_cut_short_stores_nothing() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    let token = http.token("/v2/", &["repository:a:pull,push"]).await;
    let digest = digest_of("text");
    let mut connection = tokio::net::TcpStream::connect(orlop.host()).await.unwrap();
    let head = format!(
        "POST /v2/a/blobs/uploads/?digest={digest} HTTP/1.1\r\nHost: {}\r\n\
         Authorization: Bearer {token}\r\nContent-Length: 5\r\n\r\ntext",
        orlop.host()
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    connection.shutdown().await.unwrap();
    let mut answer = String::new();
    // The server may just close; if it answers, then with a refusal.
    let _ = connection.read_to_string(&mut answer).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    refused(http.get(&format!("/v2/a/blobs/{digest}")).await, 404, "BLOB_UNKNOWN").await;
}

#[tokio::test]
async fn upload_sessions_that_are_not_there() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    for id in ["00000000-0000-0000-0000-000000000000", "x", "..%2F..%2Forlop.db"] {
        let path = format!("/v2/a/blobs/uploads/{id}");
        if id.contains('%') {
            expect(http.get(&path).await, StatusCode::NOT_FOUND).await;
            continue;
        }
        refused(http.get(&path).await, 404, "BLOB_UPLOAD_UNKNOWN").await;
        refused(patch(&http, &path, None, "x").await, 404, "BLOB_UPLOAD_UNKNOWN").await;
        let answer = http.finish_upload(&path, &digest_of("x"), "x").await;
        refused(answer, 404, "BLOB_UPLOAD_UNKNOWN").await;
        refused(http.delete(&path).await, 404, "BLOB_UPLOAD_UNKNOWN").await;
    }
}

#[tokio::test]
async fn manifests_that_are_none() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    let good = image(&http, "a", "text").await;
    let with = |change: &dyn Fn(&mut Value)| {
        let mut manifest = good.clone();
        change(&mut manifest);
        manifest.to_string()
    };
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for content in [
        "".to_owned(),
        "text".into(),
        "[]".into(),
        "{}".into(),
        "{\"schemaVersion\": 2".into(),
        "\u{0}".into(),
        with(&|m| m["manifests"] = json!([])),
        with(&|m| m["mediaType"] = json!(OCI_INDEX)),
        with(&|m| m["schemaVersion"] = json!(1)),
        with(&|m| m["schemaVersion"] = json!("2")),
        with(&|m| m["layers"] = json!({})),
        with(&|m| m["layers"][0]["digest"] = json!("sha256:00")),
        with(&|m| m["layers"][0]["size"] = json!(-1)),
        with(&|m| m["layers"][0]["size"] = json!(0.5)),
        with(&|m| m["config"] = json!(null)),
        with(&|m| m["subject"] = json!("x")),
        with(&|m| m["annotations"] = json!({"a": 1})),
        with(&|m| _ = m.as_object_mut().unwrap().remove("config")),
        format!("{{\"schemaVersion\":2,\"mediaType\":\"{OCI_MANIFEST}\",\"x\":{deep}}}"),
    ] {
        let answer = http.put_manifest("a", "bad", OCI_MANIFEST, content.clone()).await;
        refused(answer, 400, "MANIFEST_INVALID").await;
    }
    for media_type in [OCI_INDEX, "application/json", "text/plain", "no type"] {
        let answer = http.put_manifest("a", "bad", media_type, good.to_string()).await;
        refused(answer, 400, "MANIFEST_INVALID").await;
    }
    let answer = http.get("/v2/a/manifests/bad").await;
    refused(answer, 404, "MANIFEST_UNKNOWN").await;
}

#[tokio::test]
async fn manifests_of_schema_one() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    let content = json!({"schemaVersion": 1, "name": "a", "tag": "1", "fsLayers": []}).to_string();
    for media_type in [
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
        "application/json",
    ] {
        let answer = http.put_manifest("a", "1", media_type, content.clone()).await;
        let answer = expect(answer, StatusCode::BAD_REQUEST).await;
        let text = answer.text().await.unwrap();
        assert!(text.contains("MANIFEST_INVALID"), "{text}");
        assert!(media_type == "application/json" || text.contains("schema 1"), "{text}");
    }
    is_empty(&http).await;
}

#[tokio::test]
async fn manifests_whose_blobs_are_missing_or_of_another_size() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    let good = image(&http, "a", "text").await;
    let absent = digest_of("absent");
    let mut no_layer = good.clone();
    no_layer["layers"][0]["digest"] = json!(absent);
    let mut no_config = good.clone();
    no_config["config"]["digest"] = json!(absent);
    for content in [no_layer.to_string(), no_config.to_string()] {
        let answer = http.put_manifest("a", "bad", OCI_MANIFEST, content).await;
        let body = json_of(expect(answer, StatusCode::BAD_REQUEST).await).await;
        assert_eq!(body["errors"][0]["code"], "MANIFEST_BLOB_UNKNOWN");
        assert_eq!(body["errors"][0]["detail"]["digests"], json!([absent]));
    }
    // Another repository has them, but this one does not.
    let answer = http.put_manifest("b", "bad", OCI_MANIFEST, good.to_string()).await;
    refused(answer, 400, "MANIFEST_BLOB_UNKNOWN").await;
    let mut other_size = good;
    other_size["layers"][0]["size"] = json!(5);
    let answer = http.put_manifest("a", "bad", OCI_MANIFEST, other_size.to_string()).await;
    refused(answer, 400, "SIZE_INVALID").await;
    refused(http.get("/v2/a/manifests/bad").await, 404, "MANIFEST_UNKNOWN").await;
    refused(http.get("/v2/b/manifests/bad").await, 404, "NAME_UNKNOWN").await;
}

#[tokio::test]
async fn manifests_above_the_limit() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    let mut manifest = image(&http, "a", "text").await;
    manifest["padding"] = json!("");
    let limit = 4 << 20;
    let room = limit - manifest.to_string().len();
    manifest["padding"] = json!("x".repeat(room));
    let content = manifest.to_string();
    assert_eq!(content.len(), limit);
    let answer = http.put_manifest("a", "large", OCI_MANIFEST, content.clone()).await;
    expect(answer, StatusCode::CREATED).await;
    let answer = http.put_manifest("a", "larger", OCI_MANIFEST, format!("{content} ")).await;
    refused(answer, 413, "MANIFEST_INVALID").await;
    // Without a length the server finds out while it reads.
    let chunks = vec![Ok::<_, std::io::Error>(format!("{content} "))];
    let body = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
    let put = http.request(Method::PUT, "/v2/a/manifests/larger");
    let answer = send(put.header(CONTENT_TYPE, OCI_MANIFEST).body(body)).await;
    refused(answer, 413, "MANIFEST_INVALID").await;
    refused(http.get("/v2/a/manifests/larger").await, 404, "MANIFEST_UNKNOWN").await;
}

#[tokio::test]
async fn methods_and_paths_that_are_not_there() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    let answer = send(http.request(Method::POST, "/v2/a/manifests/1")).await;
    assert_eq!(answer.headers()["allow"], "GET, HEAD, PUT, DELETE");
    refused(answer, 405, "UNSUPPORTED").await;
    refused(http.get("/v2/a/unknown/1").await, 404, "NOT_FOUND").await;
}
