//! What becomes garbage by what, and what does not.

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::support::digest_of;
use super::support::http::{OCI_INDEX, OCI_MANIFEST, expect, send};
use super::{AT_ONCE, age, collect, collect_until, delete, forecast, pull, referrer, start};

#[tokio::test]
async fn the_space_of_a_deleted_manifest_comes_back_but_for_blobs_that_others_need() {
    let orlop = start(AT_ONCE).await;
    let http = orlop.http();
    let one = http.push_artifact("a", "1", b"layer one").await;
    let two = http.push_artifact("a", "2", b"layer two").await;
    let other = http.push_artifact("b", "1", b"layer one").await;
    // In a bucket, what was pushed twice has two objects at first.
    collect_until(&orlop, 3).await;
    delete(&http, &format!("/v2/a/manifests/{one}")).await;
    collect(&orlop).await;
    age(&orlop).await;
    collect_until(&orlop, 3).await;
    assert_eq!(pull(&http, "a", &digest_of("layer one")).await, StatusCode::NOT_FOUND);
    assert_eq!(pull(&http, "b", &digest_of("layer one")).await, StatusCode::OK);
    delete(&http, &format!("/v2/b/manifests/{other}")).await;
    collect(&orlop).await;
    age(&orlop).await;
    collect_until(&orlop, 2).await;
    delete(&http, &format!("/v2/a/manifests/{two}")).await;
    collect(&orlop).await;
    age(&orlop).await;
    collect_until(&orlop, 0).await;
    // All comes again.
    http.push_artifact("a", "1", b"layer one").await;
    assert_eq!(pull(&http, "a", &digest_of("layer one")).await, StatusCode::OK);
    age(&orlop).await;
    collect_until(&orlop, 2).await;
}

#[tokio::test]
async fn the_space_of_a_removed_repository_comes_back() {
    let orlop = start(AT_ONCE).await;
    let http = orlop.http();
    for n in 0..5 {
        http.push_artifact("a", &format!("t{n}"), format!("layer {n}").as_bytes()).await;
    }
    http.push_artifact("b", "1", b"layer 4").await;
    delete(&http, "/acr/v1/a").await;
    collect_until(&orlop, 2).await;
    assert_eq!(pull(&http, "b", &digest_of("layer 4")).await, StatusCode::OK);
}

#[tokio::test]
async fn a_blob_without_a_manifest_lives_as_long_as_its_grace() {
    let orlop = start(AT_ONCE).await;
    let http = orlop.http();
    let digest = http.push_blob("a", "text").await;
    let mount = format!("/v2/b/blobs/uploads/?mount={digest}&from=a");
    expect(send(http.request(Method::POST, &mount)).await, StatusCode::CREATED).await;
    collect_until(&orlop, 1).await;
    for name in ["a", "b"] {
        assert_eq!(pull(&http, name, &digest).await, StatusCode::OK);
    }
    let findings = forecast(&orlop).await;
    assert_eq!(findings.len(), 2, "{findings:#?}");
    age(&orlop).await;
    collect_until(&orlop, 0).await;
    assert_eq!(pull(&http, "a", &digest).await, StatusCode::NOT_FOUND);
}

/// As clients do that look first, and push only what is not there.
#[tokio::test]
async fn a_blob_that_a_client_has_found_stays_for_its_manifest() {
    let orlop = start(AT_ONCE).await;
    let http = orlop.http();
    let digest = http.push_artifact("a", "1", b"layer").await;
    let blob = digest_of("layer");
    let path = format!("/v2/a/blobs/{blob}");
    // Found while a manifest needs it, which goes then.
    expect(http.head(&path).await, StatusCode::OK).await;
    delete(&http, &format!("/v2/a/manifests/{digest}")).await;
    collect_until(&orlop, 2).await;
    assert_eq!(pull(&http, "a", &blob).await, StatusCode::OK);
    // Found when nothing needs it, and it is old.
    age(&orlop).await;
    expect(http.head(&path).await, StatusCode::OK).await;
    collect(&orlop).await;
    assert_eq!(pull(&http, "a", &blob).await, StatusCode::OK);
    age(&orlop).await;
    collect_until(&orlop, 0).await;
    expect(http.head(&path).await, StatusCode::NOT_FOUND).await;
}

#[tokio::test]
async fn a_blob_that_is_deleted_goes() {
    let orlop = start(AT_ONCE).await;
    let http = orlop.http();
    let digest = http.push_blob("a", "text").await;
    delete(&http, &format!("/v2/a/blobs/{digest}")).await;
    collect_until(&orlop, 0).await;
}

#[tokio::test]
async fn what_can_be_restored_keeps_its_blobs() {
    let orlop = start(&AT_ONCE.replace("retention_days = 0", "retention_days = 7")).await;
    let http = orlop.http();
    let digest = http.push_artifact("a", "1", b"layer").await;
    delete(&http, "/acr/v1/a").await;
    age(&orlop).await;
    collect_until(&orlop, 2).await;
    let path = format!("/acr/v1/_deleted/a/_manifests/{digest}");
    let restore = http.request(Method::POST, &path).json(&json!({"tag": "1"}));
    expect(send(restore).await, StatusCode::OK).await;
    assert_eq!(pull(&http, "a", &digest_of("layer")).await, StatusCode::OK);
    age(&orlop).await;
    collect_until(&orlop, 2).await;
    assert_eq!(pull(&http, "a", &digest_of("layer")).await, StatusCode::OK);
}

#[tokio::test]
async fn referrers_whose_subject_is_gone_go_after_it_unless_they_have_a_tag() {
    let orlop = start(AT_ONCE).await;
    let http = orlop.http();
    let subject = http.push_artifact("a", "1", b"layer").await;
    let put = async |reference: &str, content: String| {
        let answer = http.put_manifest("a", reference, OCI_MANIFEST, content.clone()).await;
        expect(answer, StatusCode::CREATED).await;
        digest_of(content)
    };
    let signature = referrer(&subject, "signature");
    let signature = put(&digest_of(&signature), signature).await;
    let of_signature = referrer(&signature, "timestamp");
    let of_signature = put(&digest_of(&of_signature), of_signature).await;
    let tagged = put("kept", referrer(&subject, "kept")).await;
    let early = referrer(&digest_of("not here yet"), "early");
    let early = put(&digest_of(&early), early).await;
    let is_there = async |digest: &str| {
        http.get(&format!("/v2/a/manifests/{digest}")).await.status() == StatusCode::OK
    };
    // Within the grace nothing goes.
    collect(&orlop).await;
    assert!(is_there(&early).await);
    age(&orlop).await;
    collect(&orlop).await;
    assert!(!is_there(&early).await);
    for digest in [&subject, &signature, &of_signature, &tagged] {
        assert!(is_there(digest).await, "{digest}");
    }
    delete(&http, &format!("/v2/a/manifests/{subject}")).await;
    // One goes after the other.
    for _ in 0..3 {
        collect(&orlop).await;
        age(&orlop).await;
    }
    assert!(!is_there(&signature).await);
    assert!(!is_there(&of_signature).await);
    assert!(is_there(&tagged).await);
    delete(&http, "/acr/v1/a/_tags/kept").await;
    for _ in 0..2 {
        age(&orlop).await;
        collect(&orlop).await;
    }
    assert!(!is_there(&tagged).await);
    collect_until(&orlop, 0).await;
}

#[tokio::test]
async fn orphaned_referrers_stay_where_the_settings_say_so() {
    let orlop = start(&format!("{AT_ONCE}orphaned_referrers = false\n")).await;
    let http = orlop.http();
    http.push_blob("a", "{}").await;
    let early = referrer(&digest_of("not here yet"), "early");
    let path = format!("/v2/a/manifests/{}", digest_of(&early));
    let answer = http.put_manifest("a", &digest_of(&early), OCI_MANIFEST, early).await;
    expect(answer, StatusCode::CREATED).await;
    age(&orlop).await;
    collect(&orlop).await;
    expect(http.get(&path).await, StatusCode::OK).await;
}

#[tokio::test]
async fn manifests_without_a_tag_go_only_if_that_is_set_and_nothing_names_them() {
    let orlop = start(&format!("{AT_ONCE}untagged_days = 1\n")).await;
    let http = orlop.http();
    let moved = http.push_artifact("a", "latest", b"old").await;
    let child = http.push_artifact("a", "child", b"child").await;
    let size = http.get(&format!("/v2/a/manifests/{child}")).await.content_length().unwrap();
    let index = json!({
        "schemaVersion": 2, "mediaType": OCI_INDEX,
        "manifests": [{"mediaType": OCI_MANIFEST, "digest": child, "size": size}],
    });
    let answer = http.put_manifest("a", "index", OCI_INDEX, index.to_string()).await;
    expect(answer, StatusCode::CREATED).await;
    let locked = http.push_artifact("a", "locked", b"locked").await;
    let lock = http.request(Method::PATCH, &format!("/acr/v1/a/_manifests/{locked}"));
    let lock = lock.json(&json!({"deleteEnabled": false}));
    expect(send(lock).await, StatusCode::OK).await;
    delete(&http, "/acr/v1/a/_tags/child").await;
    delete(&http, "/acr/v1/a/_tags/locked").await;
    let new = http.push_artifact("a", "latest", b"new").await;
    let is_there = async |digest: &str| {
        http.get(&format!("/v2/a/manifests/{digest}")).await.status() == StatusCode::OK
    };
    collect(&orlop).await;
    assert!(is_there(&moved).await, "it has a day");
    age(&orlop).await;
    collect(&orlop).await;
    assert!(!is_there(&moved).await);
    for digest in [&child, &locked, &new] {
        assert!(is_there(digest).await, "{digest}");
    }
    // The child goes after its index.
    delete(&http, "/v2/a/manifests/index").await;
    let index = digest_of(index.to_string());
    for _ in 0..3 {
        age(&orlop).await;
        collect(&orlop).await;
    }
    assert!(!is_there(&index).await && !is_there(&child).await);
    age(&orlop).await;
    collect_until(&orlop, 3).await;
}

#[tokio::test]
async fn manifests_without_a_tag_stay_by_default() {
    let orlop = start(AT_ONCE).await;
    let http = orlop.http();
    let digest = http.push_artifact("a", "latest", b"old").await;
    http.push_artifact("a", "latest", b"new").await;
    for _ in 0..2 {
        age(&orlop).await;
        collect(&orlop).await;
    }
    expect(http.get(&format!("/v2/a/manifests/{digest}")).await, StatusCode::OK).await;
    collect_until(&orlop, 3).await;
}
