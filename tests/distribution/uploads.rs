use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_RANGE, LOCATION, RANGE};
use reqwest::{Method, Response, StatusCode};

use tokio::io::AsyncWriteExt as _;

use super::support::http::{expect, header, send};
use super::support::{Http, Options, Orlop, digest_of};

pub async fn patch(http: &Http, location: &str, range: Option<&str>, body: &str) -> Response {
    let mut request = http.request(Method::PATCH, location).body(body.to_owned());
    if let Some(range) = range {
        request = request.header(CONTENT_RANGE, range);
    }
    send(request).await
}

async fn content(http: &Http, repository: &str, digest: &str) -> String {
    let answer = http.get(&format!("/v2/{repository}/blobs/{digest}")).await;
    expect(answer, StatusCode::OK).await.text().await.unwrap()
}

#[tokio::test]
async fn a_blob_comes_in_by_every_way_of_the_protocol() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();

    let one = digest_of("one");
    let path = format!("/v2/a/blobs/uploads/?digest={one}");
    let answer = send(http.request(Method::POST, &path).body("one")).await;
    let answer = expect(answer, StatusCode::CREATED).await;
    assert_eq!(header(&answer, "location"), format!("/v2/a/blobs/{one}"));
    assert_eq!(header(&answer, "docker-content-digest"), one);

    let two = http.push_blob("a", "two").await;

    let three = digest_of("three");
    let location = http.start_upload("a").await;
    let answer = expect(patch(&http, &location, None, "thr").await, StatusCode::ACCEPTED).await;
    assert_eq!(header(&answer, "range"), "0-2");
    let location = header(&answer, LOCATION.as_str());
    expect(http.finish_upload(&location, &three, "ee").await, StatusCode::CREATED).await;

    let four = digest_of("four");
    let location = http.start_upload("a").await;
    expect(patch(&http, &location, Some("0-1"), "fo").await, StatusCode::ACCEPTED).await;
    expect(patch(&http, &location, Some("2-3"), "ur").await, StatusCode::ACCEPTED).await;
    expect(http.finish_upload(&location, &four, "").await, StatusCode::CREATED).await;

    for (digest, text) in [(one, "one"), (two, "two"), (three, "three"), (four, "four")] {
        assert_eq!(content(&http, "a", &digest).await, text);
    }
}

#[tokio::test]
async fn an_empty_blob_is_a_blob() {
    let orlop = Orlop::start(Options::default()).await;
    let digest = orlop.http().push_blob("a", "").await;
    assert_eq!(content(&orlop.http(), "a", &digest).await, "");
}

#[tokio::test]
async fn a_digest_of_another_algorithm_than_the_session_began_with_is_taken() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    let digest = format!("sha512:{}", hex::encode(<sha2::Sha512 as sha2::Digest>::digest("text")));
    let location = http.start_upload("a").await;
    expect(patch(&http, &location, None, "te").await, StatusCode::ACCEPTED).await;
    expect(http.finish_upload(&location, &digest, "xt").await, StatusCode::CREATED).await;
    assert_eq!(content(&http, "a", &digest).await, "text");
}

#[tokio::test]
async fn a_chunk_out_of_order_is_refused_and_the_session_goes_on() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    let location = http.start_upload("a").await;
    expect(patch(&http, &location, Some("0-2"), "abc").await, StatusCode::ACCEPTED).await;
    for (range, body) in [("4-5", "ef"), ("2-3", "cd"), ("0-2", "abc")] {
        let answer = patch(&http, &location, Some(range), body).await;
        let answer = expect(answer, StatusCode::RANGE_NOT_SATISFIABLE).await;
        assert_eq!(header(&answer, "range"), "0-2", "{range}");
    }
    let digest = digest_of("abcdef");
    let put = http.request(Method::PUT, &location).query(&[("digest", &digest)]);
    let put = send(put.header(CONTENT_RANGE, "9-10").body("ef")).await;
    expect(put, StatusCode::RANGE_NOT_SATISFIABLE).await;

    let status = expect(http.get(&location).await, StatusCode::NO_CONTENT).await;
    assert_eq!(header(&status, RANGE.as_str()), "0-2");
    assert_eq!(header(&status, LOCATION.as_str()), location);
    let put = http.request(Method::PUT, &location).query(&[("digest", &digest)]);
    let put = send(put.header(CONTENT_RANGE, "3-5").body("def")).await;
    expect(put, StatusCode::CREATED).await;
    assert_eq!(content(&http, "a", &digest).await, "abcdef");
}

#[tokio::test]
async fn a_cancelled_session_is_gone() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    let location = http.start_upload("a").await;
    expect(patch(&http, &location, None, "text").await, StatusCode::ACCEPTED).await;
    expect(http.delete(&location).await, StatusCode::NO_CONTENT).await;
    for answer in [
        http.get(&location).await,
        patch(&http, &location, None, "more").await,
        http.finish_upload(&location, &digest_of("text"), "").await,
        http.delete(&location).await,
    ] {
        expect(answer, StatusCode::NOT_FOUND).await;
    }
    assert_eq!(orlop.upload_bytes().await, [""; 0], "bytes of the session are still there");
}

#[tokio::test]
async fn a_session_belongs_to_its_repository() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    let location = http.start_upload("a").await.replace("/v2/a/", "/v2/b/");
    for answer in [
        http.get(&location).await,
        patch(&http, &location, None, "text").await,
        http.finish_upload(&location, &digest_of(""), "").await,
        http.delete(&location).await,
    ] {
        let answer = expect(answer, StatusCode::NOT_FOUND).await;
        assert!(answer.text().await.unwrap().contains("BLOB_UPLOAD_UNKNOWN"));
    }
}

#[tokio::test]
async fn one_of_two_requests_on_a_session_is_refused() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    let location = http.start_upload("a").await;
    // The first holds the session for as long as its body does not end.
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<String, std::io::Error>>(1);
    let body = futures_util::stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|item| (item, receiver))
    });
    let first = http.request(Method::PATCH, &location).body(reqwest::Body::wrap_stream(body));
    let first = tokio::spawn(send(first));
    // More than fits the buffers between: once it is sent, the server has begun to read.
    let mut whole = String::new();
    for _ in 0..32 {
        let part = "x".repeat(1 << 20);
        whole.push_str(&part);
        sender.send(Ok(part)).await.unwrap();
    }
    let second = patch(&http, &location, None, "a").await;
    let second = expect(second, StatusCode::CONFLICT).await;
    assert!(second.text().await.unwrap().contains("BLOB_UPLOAD_INVALID"));
    drop(sender);
    let first = expect(first.await.unwrap(), StatusCode::ACCEPTED).await;
    assert_eq!(header(&first, "range"), format!("0-{}", whole.len() - 1));
    let digest = digest_of(whole);
    expect(http.finish_upload(&location, &digest, "").await, StatusCode::CREATED).await;
}

#[tokio::test]
async fn what_arrived_of_a_broken_request_is_kept() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    let location = http.start_upload("a").await;
    let token = http.token("/v2/", &["repository:a:pull,push"]).await;
    let mut connection = tokio::net::TcpStream::connect(orlop.host()).await.unwrap();
    let head = format!(
        "PATCH {location} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n\
         Content-Length: 6\r\n\r\nabc",
        orlop.host()
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    drop(connection);
    let deadline = Instant::now() + Duration::from_secs(30);
    while header(&http.get(&location).await, "range") != "0-2" {
        assert!(Instant::now() < deadline, "the bytes are not there");
    }
    let answer = patch(&http, &location, Some("3-5"), "def").await;
    expect(answer, StatusCode::ACCEPTED).await;
    let digest = digest_of("abcdef");
    expect(http.finish_upload(&location, &digest, "").await, StatusCode::CREATED).await;
}
