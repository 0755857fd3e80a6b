//! What crashes and clients that went away leave.

use reqwest::{Method, StatusCode};

use super::support::digest_of;
use super::support::http::{expect, send};
use super::{AT_ONCE, age, change, collect, collect_until, pull, start};

#[tokio::test]
async fn the_space_of_abandoned_uploads_comes_back() {
    let orlop = start(AT_ONCE).await;
    let http = orlop.http();
    let location = http.start_upload("a").await;
    let body = vec![b'x'; 6 << 20];
    let patch = http.request(Method::PATCH, &location).body(body);
    expect(send(patch).await, StatusCode::ACCEPTED).await;
    collect(&orlop).await;
    assert!(!orlop.upload_bytes().await.is_empty(), "it has not expired");
    change(&orlop, "UPDATE uploads SET expires_at = 1".into()).await;
    collect(&orlop).await;
    assert_eq!(orlop.upload_bytes().await, [] as [&str; 0]);
    assert_eq!(orlop.stored_blobs().await.len(), 0);
}

/// The bytes are in their place, but the server died before a row said so.
#[tokio::test]
async fn bytes_whose_push_was_cut_before_its_commit_go_with_the_session() {
    let orlop = start(AT_ONCE).await;
    let http = orlop.http();
    let kept = http.push_blob("a", "kept").await;
    for content in ["orphan", "kept"] {
        let location = http.start_upload("a").await;
        let id = location.rsplit('/').next().unwrap().split('?').next().unwrap();
        let key = orlop.leave_blob_bytes(content).await;
        let key = key.map_or("NULL".to_owned(), |key| format!("'{key}'"));
        let digest = digest_of(content);
        let sql = format!(
            "UPDATE uploads SET expires_at = 1, lease = 'x', lease_until = 1,
                    placed_digest = '{digest}', placed_location = {key} WHERE id = '{id}'"
        );
        change(&orlop, sql).await;
    }
    // The first round notes them.
    collect(&orlop).await;
    change(&orlop, "UPDATE gc_objects SET remove_at = 0".into()).await;
    collect_until(&orlop, 1).await;
    assert_eq!(pull(&http, "a", &kept).await, StatusCode::OK);
}

/// A blob that is marked to be removed comes again: nothing of it goes.
#[tokio::test]
async fn a_push_takes_the_mark_off_a_blob() {
    let orlop = start(&AT_ONCE.replace("delay_seconds = 0", "delay_seconds = 3600")).await;
    let http = orlop.http();
    for way in ["POST", "PUT"] {
        let digest = http.push_blob("a", "text").await;
        expect(http.delete(&format!("/v2/a/blobs/{digest}")).await, StatusCode::ACCEPTED).await;
        collect(&orlop).await;
        if way == "POST" {
            let path = format!("/v2/b/blobs/uploads/?digest={digest}");
            let push = http.request(Method::POST, &path).body("text");
            expect(send(push).await, StatusCode::CREATED).await;
        } else {
            http.push_blob("b", "text").await;
        }
        change(&orlop, "UPDATE gc_queue SET review_at = 0".into()).await;
        change(&orlop, "UPDATE blobs SET marked_at = 0 WHERE marked_at > 0".into()).await;
        collect(&orlop).await;
        assert_eq!(pull(&http, "b", &digest).await, StatusCode::OK);
        expect(http.delete(&format!("/v2/b/blobs/{digest}")).await, StatusCode::ACCEPTED).await;
        // Twice, as bytes on the disk are marked in the first round.
        for _ in 0..2 {
            collect(&orlop).await;
            age(&orlop).await;
        }
        collect_until(&orlop, 0).await;
    }
}

/// The bytes of a marked blob may be gone already, as a crash came before the commit.
#[tokio::test]
async fn a_push_brings_bytes_back_that_a_crash_took_before_their_row() {
    let orlop = start(&AT_ONCE.replace("delay_seconds = 0", "delay_seconds = 3600")).await;
    let http = orlop.http();
    let digest = http.push_blob("a", "text").await;
    expect(http.delete(&format!("/v2/a/blobs/{digest}")).await, StatusCode::ACCEPTED).await;
    collect(&orlop).await;
    for path in orlop.stored_blobs().await {
        if path.starts_with('/') {
            std::fs::remove_file(path).unwrap();
        }
    }
    http.push_blob("a", "text").await;
    assert_eq!(pull(&http, "a", &digest).await, StatusCode::OK);
}
