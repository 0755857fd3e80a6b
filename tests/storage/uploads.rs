//! Uploads by parts: on any process, and with nothing left.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use orlop::metadata::Database;
use reqwest::{Body, Method, Response, StatusCode};
use sha2::{Digest as _, Sha512};
use tokio::sync::Barrier;

use super::support::http::{expect, header, send};
use super::support::{Bucket, Http, Options, Orlop, digest_of};
use super::{MIB, content, pull, start, until};

async fn patch(http: &Http, location: &str, body: impl Into<Body>) -> Response {
    send(http.request(Method::PATCH, location).body(body)).await
}

async fn post_whole(http: &Http, digest: &str, body: Bytes) -> Response {
    let path = format!("/v2/a/blobs/uploads/?digest={digest}");
    send(http.request(Method::POST, &path).body(body)).await
}

/// Asserts that the bucket holds these objects alone, and no part of others.
#[track_caller]
fn assert_holds(bucket: &Bucket, expected: &[String]) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let mut keys = bucket.keys().await;
        keys.sort();
        assert_eq!(keys, expected, "{caller}");
        assert_eq!(bucket.multipart_uploads().await, 0, "{caller}: multipart uploads are left");
    }
}

#[tokio::test]
async fn another_process_goes_on_in_the_middle_of_a_part() {
    let Some((mut orlop, bucket)) = start("").await else { return };
    let whole = content(1, 20 * MIB);
    let digest = digest_of(&whole);
    let location = orlop.http().start_upload("a").await;
    // Cuts within the first part, within the second, in the middle of the third, and near the end.
    let mut from = 0;
    for to in [3 * MIB, 7 * MIB + 1, 12 * MIB + 345, 20 * MIB - 1] {
        let answer = patch(&orlop.http(), &location, whole.slice(from..to)).await;
        let answer = expect(answer, StatusCode::ACCEPTED).await;
        assert_eq!(header(&answer, "range"), format!("0-{}", to - 1));
        from = to;
        orlop.kill().await;
        orlop.restart().await;
    }
    let answer = orlop.http().finish_upload(&location, &digest, whole.slice(from..)).await;
    expect(answer, StatusCode::CREATED).await;
    assert_eq!(digest_of(pull(&orlop.http(), &digest).await), digest);
    let id = location.rsplit('/').next().unwrap();
    assert_holds(&bucket, &[format!("blobs/uploaded/{id}")]).await;
}

/// Each request goes to another replica of three that share one database and one bucket.
#[tokio::test]
async fn other_replicas_go_on_in_the_middle_of_a_part() {
    let Some(bucket) = Bucket::start().await else { return };
    let options = Options { environment: bucket.environment(), ..Options::default() };
    let Some(replicas) = Orlop::replicas(3, options).await else { return };
    let whole = content(1, 14 * MIB);
    let digest = digest_of(&whole);
    let path_of = |location: String| location[location.find("/v2/").unwrap()..].to_owned();
    let location = path_of(replicas[0].http().start_upload("a").await);
    let mut from = 0;
    for (replica, to) in [(1, 2 * MIB), (2, 6 * MIB), (0, 6 * MIB + 7), (1, 13 * MIB)] {
        let answer = patch(&replicas[replica].http(), &location, whole.slice(from..to)).await;
        expect(answer, StatusCode::ACCEPTED).await;
        from = to;
    }
    let answer = replicas[2].http().finish_upload(&location, &digest, whole.slice(from..)).await;
    expect(answer, StatusCode::CREATED).await;
    for replica in &replicas {
        assert_eq!(digest_of(pull(&replica.http(), &digest).await), digest);
    }
    let id = location.rsplit('/').next().unwrap();
    assert_holds(&bucket, &[format!("blobs/uploaded/{id}")]).await;
}

#[tokio::test]
async fn each_blob_has_one_object() {
    let Some((orlop, bucket)) = start("").await else { return };
    let http = orlop.http();
    for (seed, length) in [(1, 1000), (2, 17 * MIB), (3, 5 * MIB)] {
        let whole = content(seed, length);
        let digest = digest_of(&whole);
        expect(post_whole(&http, &digest, whole.clone()).await, StatusCode::CREATED).await;
        assert_eq!(pull(&http, &digest).await, whole);

        let whole = content(seed + 10, length);
        let digest = http.push_blob("a", whole.clone()).await;
        assert_eq!(pull(&http, &digest).await, whole);
    }
    let keys = bucket.keys().await;
    assert_eq!((keys.len(), bucket.multipart_uploads().await), (6, 0));
    assert!(keys.iter().all(|key| key.starts_with("blobs/uploaded/")), "{keys:?}");
}

#[tokio::test]
async fn a_blob_that_comes_again_is_kept_once() {
    let Some((orlop, bucket)) = start("[gc]\ninterval_seconds = 1\n").await else { return };
    let http = orlop.http();
    let whole = content(1, 11 * MIB);
    let digest = digest_of(&whole);
    let mut first = None;
    for _ in 0..2 {
        let location = http.start_upload("a").await;
        expect(patch(&http, &location, whole.clone()).await, StatusCode::ACCEPTED).await;
        expect(http.finish_upload(&location, &digest, "").await, StatusCode::CREATED).await;
        first.get_or_insert_with(|| location.rsplit('/').next().unwrap().to_owned());
    }
    expect(post_whole(&http, &digest, whole.clone()).await, StatusCode::CREATED).await;
    assert_eq!(pull(&http, &digest).await, whole);
    until("the other copies are gone", async || bucket.keys().await.len() == 1).await;
    assert_holds(&bucket, &[format!("blobs/uploaded/{}", first.unwrap())]).await;
    assert_eq!(pull(&http, &digest).await, whole);
}

#[tokio::test]
async fn uploads_that_come_to_nothing_leave_nothing() {
    let Some((orlop, bucket)) = start("").await else { return };
    let http = orlop.http();
    let (whole, wrong) = (content(1, 12 * MIB), digest_of("something else"));

    let location = http.start_upload("a").await;
    expect(patch(&http, &location, whole.clone()).await, StatusCode::ACCEPTED).await;
    assert_eq!((bucket.multipart_uploads().await, bucket.keys().await.len()), (1, 1));
    expect(http.delete(&location).await, StatusCode::NO_CONTENT).await;
    assert_holds(&bucket, &[]).await;

    // In the second round, the last request brings the first byte.
    for first in [7 * MIB, 0] {
        let location = http.start_upload("a").await;
        let answer = patch(&http, &location, whole.slice(..first)).await;
        expect(answer, StatusCode::ACCEPTED).await;
        let answer = http.finish_upload(&location, &wrong, whole.slice(first..)).await;
        expect(answer, StatusCode::BAD_REQUEST).await;
        expect(http.get(&location).await, StatusCode::NOT_FOUND).await;
        assert_holds(&bucket, &[]).await;
    }

    expect(post_whole(&http, &wrong, whole.clone()).await, StatusCode::BAD_REQUEST).await;
    assert_holds(&bucket, &[]).await;
    let short =
        stream::iter([Ok(whole.clone()), Err(std::io::Error::other("the client breaks off"))]);
    let path = format!("/v2/a/blobs/uploads/?digest={}", digest_of(&whole));
    let request = http.request(Method::POST, &path).body(Body::wrap_stream(short));
    assert!(request.send().await.is_err());
    until("the broken push is gone", async || {
        bucket.keys().await.is_empty() && bucket.multipart_uploads().await == 0
    })
    .await;
}

#[tokio::test]
async fn the_parts_of_a_request_that_was_killed_go_when_its_session_expires() {
    let Some((mut orlop, bucket)) = start("[registry]\nupload_expiry_seconds = 5\n").await else {
        return;
    };
    let http = orlop.http();
    let location = http.start_upload("a").await;
    let body =
        stream::iter([Ok::<_, std::io::Error>(content(1, 12 * MIB))]).chain(stream::pending());
    let running =
        tokio::spawn(http.request(Method::PATCH, &location).body(Body::wrap_stream(body)).send());
    until("parts are sent", async || bucket.multipart_uploads().await == 1).await;
    // Only then are they found after a crash.
    let rows = Database::open(orlop.database_url(), 2).await.unwrap();
    until("the row knows of them", async || {
        let known = "SELECT count(*) FROM uploads WHERE storage_handle LIKE '%multipart%'";
        let mut connection = rows.read().await.unwrap();
        sqlx::query_scalar::<_, i64>(known).fetch_one(&mut *connection).await.unwrap() == 1
    })
    .await;
    rows.close().await;
    orlop.kill().await;
    assert!(running.await.unwrap().is_err());
    until("the session and its parts are gone", async || {
        orlop.restart().await;
        let is_gone = bucket.keys().await.is_empty() && bucket.multipart_uploads().await == 0;
        orlop.kill().await;
        is_gone
    })
    .await;
}

#[tokio::test]
async fn a_digest_of_another_algorithm_comes_after_the_parts() {
    let Some((orlop, bucket)) = start("").await else { return };
    let http = orlop.http();
    for length in [MIB, 11 * MIB] {
        let whole = content(length as u64, length);
        for is_right in [false, true] {
            let location = http.start_upload("a").await;
            expect(patch(&http, &location, whole.clone()).await, StatusCode::ACCEPTED).await;
            let hashed = if is_right { whole.clone() } else { Bytes::from("else") };
            let digest = format!("sha512:{}", hex::encode(Sha512::digest(&hashed)));
            let answer = http.finish_upload(&location, &digest, "").await;
            if is_right {
                expect(answer, StatusCode::CREATED).await;
                assert_eq!(pull(&http, &digest).await, whole);
            } else {
                expect(answer, StatusCode::BAD_REQUEST).await;
            }
        }
    }
    assert_eq!((bucket.keys().await.len(), bucket.multipart_uploads().await), (2, 0));
}

#[tokio::test]
async fn a_digest_that_was_promised_before_does_not_bind_the_session() {
    let Some((orlop, bucket)) = start("").await else { return };
    let http = orlop.http();
    let (whole, promised) = (content(1, 12 * MIB), digest_of("promised"));
    let location = http.start_upload("a").await;
    // Breaks off after it has named a digest that the content does not have.
    let short =
        stream::iter([Ok(whole.clone()), Err(std::io::Error::other("the client breaks off"))]);
    let request = http.request(Method::PUT, &location).query(&[("digest", &promised)]);
    assert!(request.body(Body::wrap_stream(short)).send().await.is_err());
    // The client may have kept the end of it to itself.
    let mut received = 0;
    until("what arrived is kept", async || {
        let range = header(&http.get(&location).await, "range");
        let last = range.strip_prefix("0-").and_then(|last| last.parse().ok());
        received = last.map_or(0, |last: usize| last + 1);
        received > 1
    })
    .await;
    let (digest, rest) = (digest_of(&whole), whole.slice(received..));
    expect(http.finish_upload(&location, &digest, rest).await, StatusCode::CREATED).await;
    assert_eq!(pull(&http, &digest).await, whole);
    expect(http.get(&format!("/v2/a/blobs/{promised}")).await, StatusCode::NOT_FOUND).await;
    assert_eq!(bucket.keys().await.len(), 1);
}

/// There is memory for three parts, and eight clients stop in the middle of one.
#[tokio::test]
async fn slow_clients_leave_the_memory_to_others() {
    const UPLOADS: usize = 8;
    let config = "[storage]\nupload_memory_bytes = 16777216\n";
    let Some((orlop, bucket)) = start(config).await else { return };
    let all_have_stopped = Arc::new(Barrier::new(UPLOADS));
    let uploads = (0..UPLOADS).map(|number| {
        let (http, barrier) = (orlop.http(), Arc::clone(&all_have_stopped));
        // Before anything waits for this thread.
        let whole = content(number as u64 + 1, 8 * MIB);
        let digest = digest_of(&whole);
        tokio::spawn(async move {
            let location = http.start_upload("a").await;
            let pieces = (0..8).map(move |n| whole.slice(n * MIB..(n + 1) * MIB));
            let body = stream::iter(pieces).enumerate().then(move |(n, piece)| {
                let barrier = Arc::clone(&barrier);
                async move {
                    if n == 3 {
                        barrier.wait().await;
                    }
                    Ok::<_, std::io::Error>(piece)
                }
            });
            let answer = http.finish_upload(&location, &digest, Body::wrap_stream(body)).await;
            expect(answer, StatusCode::CREATED).await;
            assert_eq!(digest_of(pull(&http, &digest).await), digest);
        })
    });
    for upload in uploads.collect::<Vec<_>>() {
        upload.await.unwrap();
    }
    assert_eq!((bucket.keys().await.len(), bucket.multipart_uploads().await), (UPLOADS, 0));
}
