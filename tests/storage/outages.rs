//! The bucket is away: clients are told so and asked to come back, and nothing is half done.

use reqwest::{Method, StatusCode};

use super::support::http::{expect, header, json_of, send};
use super::support::{Bucket, Orlop, digest_of};
use super::{MIB, content, pull, start, until};

/// What a client sees while the bucket is away; `pulled` is a blob, `location` a session of which
/// 7 MiB of `whole` have arrived.
async fn assert_away(orlop: &Orlop, pulled: &str, location: &str, whole: &bytes::Bytes) {
    let http = orlop.http();
    let rest = whole.slice(7 * MIB..);
    let path = format!("/v2/a/blobs/{pulled}");
    let pull = http.get(&path);
    let push = send(http.request(Method::POST, &push_path()).body(new_blob()));
    let patch = send(http.request(Method::PATCH, location).body(rest));
    let (pull, push, patch) = tokio::join!(pull, push, patch);
    for answer in [pull, push, patch] {
        let answer = expect(answer, StatusCode::SERVICE_UNAVAILABLE).await;
        header(&answer, "retry-after");
        assert_eq!(json_of(answer).await["errors"][0]["code"], "UNAVAILABLE");
    }
    let ready = orlop.anonymous().get("/readyz").await;
    let ready = expect(ready, StatusCode::SERVICE_UNAVAILABLE).await;
    assert_eq!(json_of(ready).await["reasons"][0], "storage");
    // What needs no bytes goes on.
    expect(http.head(&path).await, StatusCode::OK).await;
    let status = expect(http.get(location).await, StatusCode::NO_CONTENT).await;
    assert_eq!(header(&status, "range"), format!("0-{}", 7 * MIB - 1));
}

fn new_blob() -> bytes::Bytes {
    content(9, MIB)
}

fn push_path() -> String {
    format!("/v2/a/blobs/uploads/?digest={}", digest_of(new_blob()))
}

#[tokio::test]
async fn the_registry_says_that_its_store_is_away_and_goes_on_when_it_is_back() {
    let Some((orlop, mut bucket)) = start("").await else { return };
    let http = orlop.http();
    let pulled = http.push_blob("a", content(1, 6 * MIB)).await;
    let whole = content(2, 13 * MIB);
    let location = http.start_upload("a").await;
    let first = http.request(Method::PATCH, &location).body(whole.slice(..7 * MIB));
    expect(send(first).await, StatusCode::ACCEPTED).await;

    // Of Azure's emulator nothing can be taken away but all of it.
    if let Bucket::S3(s3) = &bucket {
        s3.set_bucket_away(true);
        assert_away(&orlop, &pulled, &location, &whole).await;
        s3.set_bucket_away(false);
        until("ready again", async || {
            orlop.anonymous().get("/readyz").await.status() == StatusCode::OK
        })
        .await;
        assert_eq!(digest_of(pull(&http, &pulled).await), pulled);
    }

    bucket.stop().await;
    assert_away(&orlop, &pulled, &location, &whole).await;
    bucket.restart().await;
    until("ready again", async || {
        orlop.anonymous().get("/readyz").await.status() == StatusCode::OK
    })
    .await;
    assert_eq!(digest_of(pull(&http, &pulled).await), pulled);

    // The session goes on where it stood, and the push that was refused can be made again.
    let digest = digest_of(&whole);
    let answer = http.finish_upload(&location, &digest, whole.slice(7 * MIB..)).await;
    expect(answer, StatusCode::CREATED).await;
    assert_eq!(digest_of(pull(&http, &digest).await), digest);
    let again = http.request(Method::POST, &push_path()).body(new_blob());
    expect(send(again).await, StatusCode::CREATED).await;
    assert_eq!((bucket.keys().await.len(), bucket.multipart_uploads().await), (3, 0));
}
