//! Reads, writes and syncs fail with an I/O error: that is told by a 5xx, nothing is half done,
//! service returns by itself when the disk is well again, and a sync that failed is not taken for
//! one that a later one makes good.

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;

use super::data;
use super::random::{Random, setting};
use super::support::faulty_disk::{call, kind};
use super::support::http::{OCI_INDEX, expect, send};
use super::support::{Http, Options, Orlop, digest_of};

const ROWS: u32 = kind::DATABASE | kind::WAL;

/// What fails, and whether pulls need none of it.
const TROUBLES: [(&str, u32, u32, bool); 9] = [
    ("reads of blobs", call::READ, kind::BLOB, false),
    ("reads of rows", call::READ, ROWS, false),
    ("writes of uploads", call::WRITE, kind::UPLOAD, true),
    ("syncs of uploads", call::SYNC, kind::UPLOAD, true),
    ("renames and new folders", call::WRITE, kind::FOLDER, true),
    ("syncs of folders", call::SYNC, kind::FOLDER, true),
    ("writes of rows", call::WRITE, ROWS, true),
    ("syncs of rows", call::SYNC, ROWS, true),
    ("all", call::READ | call::WRITE | call::SYNC, kind::ALL, false),
];

#[tokio::test]
async fn errors_of_the_disk_are_told_and_nothing_is_half_done() {
    let rounds = setting("ORLOP_TORTURE_IO_ERRORS", 1);
    let mut random = Random::start();
    let mut orlop = Orlop::start(Options { faulty_disk: true, ..Options::default() }).await;
    orlop.http().push_artifact("kept", "latest", b"kept").await;
    let mut all = Vec::new();
    let mut failed_calls = 0;
    for round in 0..rounds {
        for (what, calls, kinds, pulls_go_on) in TROUBLES {
            if orlop.is_on_postgres() && kinds == ROWS {
                continue;
            }
            println!("round {round}: {what}");
            let mut pushes = Vec::new();
            for every in [1, 2 + random.below(4)] {
                let every = u32::try_from(every).expect("it is small");
                orlop.disk().fail(calls, kinds, every);
                let http = orlop.http();
                for _ in 0..3 {
                    pushes.push(Push::attempt(&http, &mut random).await);
                    pull_kept(&http, pulls_go_on).await;
                }
                assert!(orlop.disk().failed() > 0 || every > 1, "no call of {what} failed");
                failed_calls += orlop.disk().failed();
                orlop.disk().heal();
                pull_kept(&http, true).await;
                check_all(&http, &pushes).await;
                let push = Push::attempt(&http, &mut random).await;
                assert!(push.has_manifest, "after {what} failed, pushes still do");
                pushes.push(push);
            }
            orlop.kill().await;
            assert!(!orlop.output().contains("panicked"), "{}", orlop.output());
            orlop.lose_power(|| false);
            orlop.restart().await;
            check_all(&orlop.http(), &pushes).await;
            all.append(&mut pushes);
        }
    }
    check_all(&orlop.http(), &all).await;
    // Rows in PostgreSQL are on no faulty disk: only the blobs of a push can be refused there.
    let rows_fail = !orlop.is_on_postgres();
    let is_done = |push: &&Push| push.has_manifest && (push.has_blob || rows_fail);
    let done = all.iter().filter(is_done).count();
    assert!(orlop.stop().await.success());
    let blobs = data::check(&orlop, &orlop.data_dir()).await;
    println!("{failed_calls} calls failed, {done} of {} pushes done, {blobs} blobs", all.len());
    assert!(done < all.len());
}

async fn pull_kept(http: &Http, must_work: bool) {
    expect(http.get("/healthz").await, StatusCode::OK).await;
    for (path, content) in [
        (format!("/v2/kept/blobs/{}", digest_of("kept")), Some("kept")),
        ("/v2/kept/manifests/latest".to_owned(), None),
    ] {
        let answer = http.get(&path).await;
        if !must_work && answer.status() != StatusCode::OK {
            assert!(answer.status().is_server_error(), "{path}: {}", answer.status());
            continue;
        }
        let text = expect(answer, StatusCode::OK).await.text().await.expect("it comes whole");
        assert!(content.is_none_or(|content| content == text), "{path}");
    }
}

/// Of a blob and an index, and what of it was acknowledged.
struct Push {
    blob: Vec<u8>,
    has_blob: bool,
    index: String,
    has_manifest: bool,
}

impl Push {
    async fn attempt(http: &Http, random: &mut Random) -> Self {
        let length = 1 + random.below(100_000);
        let blob = random.bytes(length);
        let digest = digest_of(&blob);
        let has_blob = if random.once_in(2) {
            let path = format!("/v2/a/blobs/uploads/?digest={digest}");
            let request = http.request(Method::POST, &path).body(blob.clone());
            is_done(request, StatusCode::CREATED).await
        } else {
            in_chunks(http, &blob, &digest).await
        };
        let annotations = serde_json::json!({ "of": digest });
        let index = serde_json::json!({
            "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [], "annotations": annotations,
        });
        let index = index.to_string();
        let path = format!("/v2/a/manifests/{}?tag=latest", digest_of(&index));
        let request = http.request(Method::PUT, &path).header("content-type", OCI_INDEX);
        let has_manifest = is_done(request.body(index.clone()), StatusCode::CREATED).await;
        Self { blob, has_blob, index, has_manifest }
    }
}

async fn in_chunks(http: &Http, blob: &[u8], digest: &str) -> bool {
    let opened = send(http.request(Method::POST, "/v2/a/blobs/uploads/")).await;
    if opened.status() != StatusCode::ACCEPTED {
        refused(opened).await;
        return false;
    }
    let location = opened.headers()["location"].to_str().expect("it is text").to_owned();
    let (first, rest) = blob.split_at(blob.len() / 2);
    let patch = http.request(Method::PATCH, &location).body(first.to_vec());
    if !is_done(patch, StatusCode::ACCEPTED).await {
        return false;
    }
    let put = http.request(Method::PUT, &location).query(&[("digest", digest)]);
    is_done(put.body(rest.to_vec()), StatusCode::CREATED).await
}

async fn is_done(request: RequestBuilder, status: StatusCode) -> bool {
    let answer = send(request).await;
    if answer.status() == status {
        return true;
    }
    refused(answer).await;
    false
}

/// The answer must say that the server failed, and nothing of its insides.
async fn refused(answer: reqwest::Response) {
    let status = answer.status();
    let text = answer.text().await.expect("the answer comes whole");
    assert!([500, 503, 507].contains(&status.as_u16()), "{status}: {text}");
    let body: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{status}: {text}"));
    assert!(body["errors"][0]["code"].is_string(), "{text}");
    assert!(!text.contains("os error") && !text.contains("/orlop"), "{text}");
}

/// What was acknowledged is there; all else is there as it should be, or not at all.
async fn check_all(http: &Http, pushes: &[Push]) {
    for push in pushes {
        let path = format!("/v2/a/blobs/{}", digest_of(&push.blob));
        check(http, &path, push.has_blob, &push.blob).await;
        let path = format!("/v2/a/manifests/{}", digest_of(&push.index));
        check(http, &path, push.has_manifest, push.index.as_bytes()).await;
    }
}

async fn check(http: &Http, path: &str, must_be: bool, content: &[u8]) {
    let answer = http.get(path).await;
    if !must_be && answer.status() == StatusCode::NOT_FOUND {
        return;
    }
    let found = expect(answer, StatusCode::OK).await.bytes().await.expect("it comes whole");
    assert!(found == content, "{path} has other content");
}
