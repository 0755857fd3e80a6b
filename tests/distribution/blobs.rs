use reqwest::header::{IF_NONE_MATCH, IF_RANGE, RANGE};
use reqwest::{Method, StatusCode};

use super::support::http::{expect, header, send};
use super::support::{Options, Orlop};

#[tokio::test]
async fn parts_of_a_blob_can_be_asked_for() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    let digest = http.push_blob("a", "0123456789").await;
    let path = format!("/v2/a/blobs/{digest}");
    for (range, part, content_range) in [
        ("bytes=0-3", "0123", "bytes 0-3/10"),
        ("bytes=4-", "456789", "bytes 4-9/10"),
        ("bytes=-2", "89", "bytes 8-9/10"),
        ("bytes=8-99", "89", "bytes 8-9/10"),
    ] {
        let answer = send(http.request(Method::GET, &path).header(RANGE, range)).await;
        let answer = expect(answer, StatusCode::PARTIAL_CONTENT).await;
        assert_eq!(header(&answer, "content-range"), content_range);
        assert_eq!(header(&answer, "content-length"), part.len().to_string());
        assert_eq!(answer.text().await.unwrap(), part);
    }
    for range in ["bytes=10-", "bytes=5-0", "bytes=x"] {
        let answer = send(http.request(Method::GET, &path).header(RANGE, range)).await;
        let answer = expect(answer, StatusCode::RANGE_NOT_SATISFIABLE).await;
        assert_eq!(header(&answer, "content-range"), "bytes */10");
    }
}

#[tokio::test]
async fn several_parts_come_as_one_body() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    let digest = http.push_blob("a", "0123456789").await;
    let path = format!("/v2/a/blobs/{digest}");
    let answer = send(http.request(Method::GET, &path).header(RANGE, "bytes=0-1,5-6,-1")).await;
    let answer = expect(answer, StatusCode::PARTIAL_CONTENT).await;
    let content_type = header(&answer, "content-type");
    let boundary = content_type.strip_prefix("multipart/byteranges; boundary=").unwrap();
    let length: usize = header(&answer, "content-length").parse().unwrap();
    let part = |range: &str, text: &str| {
        format!(
            "\r\n--{boundary}\r\nContent-Type: application/octet-stream\r\n\
             Content-Range: bytes {range}/10\r\n\r\n{text}"
        )
    };
    let expected = [part("0-1", "01"), part("5-6", "56"), part("9-9", "9")].concat()
        + &format!("\r\n--{boundary}--\r\n");
    let body = answer.text().await.unwrap();
    assert_eq!(body, expected);
    assert_eq!(body.len(), length);
}

#[tokio::test]
async fn a_range_of_another_version_gives_the_whole() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    let digest = http.push_blob("a", "0123456789").await;
    let path = format!("/v2/a/blobs/{digest}");
    let ask = |tag: String| {
        let request = http.request(Method::GET, &path).header(RANGE, "bytes=0-3");
        send(request.header(IF_RANGE, tag))
    };
    expect(ask(format!("\"{digest}\"")).await, StatusCode::PARTIAL_CONTENT).await;
    expect(ask("\"other\"".into()).await, StatusCode::OK).await;
}

#[tokio::test]
async fn a_head_tells_what_a_get_would() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    let digest = http.push_blob("a", "0123456789").await;
    let path = format!("/v2/a/blobs/{digest}");
    let head = expect(http.head(&path).await, StatusCode::OK).await;
    let get = expect(http.get(&path).await, StatusCode::OK).await;
    for name in ["content-length", "content-type", "docker-content-digest", "etag", "cache-control"]
    {
        assert_eq!(header(&head, name), header(&get, name), "{name}");
    }
    assert_eq!(header(&head, "content-length"), "10");
    let etag = header(&get, "etag");
    let again = send(http.request(Method::GET, &path).header(IF_NONE_MATCH, etag)).await;
    let again = expect(again, StatusCode::NOT_MODIFIED).await;
    assert_eq!(again.bytes().await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_blob_is_mounted_from_a_repository_and_only_from_there() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    let digest = http.push_blob("a", "text").await;
    let mount = |from: &str| {
        let path = format!("/v2/b/blobs/uploads/?mount={digest}&from={from}");
        send(http.request(Method::POST, &path))
    };
    let answer = expect(mount("other").await, StatusCode::ACCEPTED).await;
    assert!(header(&answer, "location").starts_with("/v2/b/blobs/uploads/"));
    expect(http.head(&format!("/v2/b/blobs/{digest}")).await, StatusCode::NOT_FOUND).await;
    let answer = expect(mount("a").await, StatusCode::CREATED).await;
    assert_eq!(header(&answer, "location"), format!("/v2/b/blobs/{digest}"));
    expect(http.head(&format!("/v2/b/blobs/{digest}")).await, StatusCode::OK).await;
}

#[tokio::test]
async fn a_deleted_blob_is_gone_there_and_stays_elsewhere() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    let digest = http.push_blob("a", "text").await;
    http.push_blob("b", "text").await;
    let path = format!("/v2/a/blobs/{digest}");
    expect(http.delete(&path).await, StatusCode::ACCEPTED).await;
    expect(http.get(&path).await, StatusCode::NOT_FOUND).await;
    expect(http.delete(&path).await, StatusCode::NOT_FOUND).await;
    expect(http.get(&format!("/v2/b/blobs/{digest}")).await, StatusCode::OK).await;
    http.push_blob("a", "text").await;
    expect(http.get(&path).await, StatusCode::OK).await;
}

#[tokio::test]
async fn a_blob_that_a_manifest_needs_is_not_deleted() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    let manifest = http.push_artifact("a", "1", b"layer").await;
    let layer = format!("/v2/a/blobs/{}", super::support::digest_of("layer"));
    expect(http.delete(&layer).await, StatusCode::METHOD_NOT_ALLOWED).await;
    expect(http.get(&layer).await, StatusCode::OK).await;
    let manifest = format!("/v2/a/manifests/{manifest}");
    expect(http.delete(&manifest).await, StatusCode::ACCEPTED).await;
    expect(http.delete(&layer).await, StatusCode::ACCEPTED).await;
    expect(http.get(&layer).await, StatusCode::NOT_FOUND).await;
}
