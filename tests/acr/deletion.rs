use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::support::http::{OCI_MANIFEST, expect, json_of, send};
use super::support::{Http, Options, Orlop, digest_of};

async fn get(http: &Http, path: &str) -> Value {
    json_of(expect(http.get(path).await, StatusCode::OK).await).await
}

async fn restore(
    http: &Http,
    repository: &str,
    digest: &str,
    query: &str,
    body: Value,
) -> reqwest::Response {
    let path = format!("/acr/v1/_deleted/{repository}/_manifests/{digest}?{query}");
    send(http.request(Method::POST, &path).json(&body)).await
}

#[tokio::test]
async fn a_deleted_tag_is_listed_and_comes_back() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    let digest = http.push_artifact("a", "1.0", b"text").await;
    for path in ["/acr/v1/a/_tags/1.0", "/v2/a/manifests/1.0"] {
        expect(http.delete(path).await, StatusCode::ACCEPTED).await;
        let listed = get(&http, "/acr/v1/_deleted/a/_tags").await;
        assert_eq!(listed["tags"].as_array().unwrap().len(), 1);
        assert_eq!(listed["tags"][0]["tag"], "1.0");
        assert_eq!(listed["tags"][0]["digest"], digest);
        let restored = restore(&http, "a", &digest, "", json!({"tag": "1.0"})).await;
        expect(restored, StatusCode::OK).await;
        assert_eq!(get(&http, "/acr/v1/a/_tags/1.0").await["tag"]["digest"], digest);
        assert_eq!(get(&http, "/acr/v1/_deleted/a/_tags").await["tags"], json!([]));
    }
    assert_eq!(get(&http, "/acr/v1/a").await["tagCount"], 1);
}

#[tokio::test]
async fn a_deleted_manifest_comes_back_with_its_blobs() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    let digest = http.push_artifact("a", "1.0", b"layer").await;
    let path = format!("/v2/a/manifests/{digest}");
    let manifest = http.get(&path).await.text().await.unwrap();
    expect(http.delete(&path).await, StatusCode::ACCEPTED).await;
    let blob = format!("/v2/a/blobs/{}", digest_of("layer"));
    expect(http.delete(&blob).await, StatusCode::ACCEPTED).await;
    expect(http.get(&path).await, StatusCode::NOT_FOUND).await;
    let listed = get(&http, "/acr/v1/_deleted/a/_manifests").await;
    assert_eq!(listed["manifests"][0]["digest"], digest);
    assert!(listed["manifests"][0]["deletedAt"].as_str().unwrap().ends_with('Z'));
    assert_eq!(get(&http, "/acr/v1/a").await["manifestCount"], 0);

    let restored = restore(&http, "a", &digest, "force=False", json!({"tag": null})).await;
    let restored = json_of(expect(restored, StatusCode::OK).await).await;
    assert_eq!(restored["manifest"]["digest"], digest);
    assert!(restored["manifest"].get("tags").is_none());
    assert_eq!(http.get(&path).await.text().await.unwrap(), manifest);
    assert_eq!(http.get(&blob).await.text().await.unwrap(), "layer");
    assert_eq!(get(&http, "/acr/v1/a").await["manifestCount"], 1);
    // There is nothing left to restore.
    let again = restore(&http, "a", &digest, "", json!({})).await;
    expect(again, StatusCode::NOT_FOUND).await;
}

#[tokio::test]
async fn a_restored_tag_is_taken_from_another_manifest_only_by_force() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    let old = http.push_artifact("a", "1.0", b"old").await;
    expect(http.delete(&format!("/v2/a/manifests/{old}")).await, StatusCode::ACCEPTED).await;
    let new = http.push_artifact("a", "1.0", b"new").await;
    let tag = json!({"tag": "1.0"});
    expect(restore(&http, "a", &old, "", tag.clone()).await, StatusCode::CONFLICT).await;
    assert_eq!(get(&http, "/acr/v1/a/_tags/1.0").await["tag"]["digest"], new);
    expect(restore(&http, "a", &old, "force=True", tag.clone()).await, StatusCode::OK).await;
    assert_eq!(get(&http, "/acr/v1/a/_tags/1.0").await["tag"]["digest"], old);
    // The tag that was overwritten is deleted in its turn.
    let listed = get(&http, "/acr/v1/_deleted/a/_tags").await;
    assert_eq!(listed["tags"][0]["digest"], new);
    expect(restore(&http, "a", &new, "force=True", tag).await, StatusCode::OK).await;
    assert_eq!(get(&http, "/acr/v1/a/_tags/1.0").await["tag"]["digest"], new);
}

#[tokio::test]
async fn a_subject_comes_back_before_what_refers_to_it() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    let subject = http.push_artifact("a", "1.0", b"text").await;
    let config = http.push_blob("a", "{}").await;
    let referrer = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": "application/vnd.test", "digest": config, "size": 2},
        "layers": [],
        "subject": {"mediaType": OCI_MANIFEST, "digest": subject, "size": 1},
    })
    .to_string();
    let digest = digest_of(&referrer);
    http.put_manifest("a", &digest, OCI_MANIFEST, referrer).await;
    for digest in [&digest, &subject] {
        let path = format!("/v2/a/manifests/{digest}");
        expect(http.delete(&path).await, StatusCode::ACCEPTED).await;
    }
    let refused = restore(&http, "a", &digest, "", json!({})).await;
    let refused = json_of(expect(refused, StatusCode::CONFLICT).await).await;
    assert!(refused["errors"][0]["message"].as_str().unwrap().contains(&subject), "{refused}");
    for digest in [&subject, &digest] {
        expect(restore(&http, "a", digest, "", json!({})).await, StatusCode::OK).await;
    }
}

#[tokio::test]
async fn a_deleted_repository_is_gone_at_once_and_comes_back_piece_by_piece() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    let one = http.push_artifact("a", "1", b"one").await;
    let two = http.push_artifact("a", "2", b"two").await;
    let deleted = expect(http.delete("/acr/v1/a").await, StatusCode::ACCEPTED).await;
    let mut deleted = json_of(deleted).await;
    deleted["manifestsDeleted"].as_array_mut().unwrap().sort_by_key(ToString::to_string);
    let mut manifests = [&one, &two];
    manifests.sort();
    assert_eq!(deleted, json!({"manifestsDeleted": manifests, "tagsDeleted": ["1", "2"]}));
    let blob = format!("/v2/a/blobs/{}", digest_of("one"));
    for path in ["/acr/v1/a", "/v2/a/tags/list", "/v2/a/manifests/1", "/acr/v1/a/_tags", &blob] {
        expect(http.get(path).await, StatusCode::NOT_FOUND).await;
    }
    assert_eq!(get(&http, "/v2/_catalog").await["repositories"], json!([]));
    let listed = get(&http, "/acr/v1/_deleted/_catalog").await;
    assert_eq!(listed["repositories"][0]["repository"], "a");

    expect(restore(&http, "a", &one, "", json!({"tag": "1"})).await, StatusCode::OK).await;
    assert_eq!(http.get(&blob).await.text().await.unwrap(), "one");
    let shown = get(&http, "/acr/v1/a").await;
    assert_eq!((&shown["manifestCount"], &shown["tagCount"]), (&json!(1), &json!(1)));
    expect(http.get("/v2/a/manifests/2").await, StatusCode::NOT_FOUND).await;
    assert_eq!(get(&http, "/acr/v1/_deleted/_catalog").await["repositories"], json!([]));
    expect(http.delete("/acr/v1/a").await, StatusCode::ACCEPTED).await;
    // A push makes it anew, too.
    http.push_artifact("a", "3", b"three").await;
    assert_eq!(get(&http, "/v2/a/tags/list").await["tags"], json!(["3"]));
}

#[tokio::test]
async fn deleted_tags_are_paged_the_oldest_first() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    for tag in ["c", "a", "b", "a"] {
        http.push_artifact("a", tag, tag.as_bytes()).await;
        expect(http.delete(&format!("/acr/v1/a/_tags/{tag}")).await, StatusCode::ACCEPTED).await;
    }
    let mut next = Some("/acr/v1/_deleted/a/_tags?n=1".to_owned());
    let mut found = Vec::new();
    while let Some(path) = next {
        let page = expect(http.get(&path).await, StatusCode::OK).await;
        next = page
            .headers()
            .get("link")
            .map(|link| link.to_str().unwrap()[1..].split_once('>').unwrap().0.to_owned());
        found.push(json_of(page).await["tags"][0]["tag"].clone());
    }
    assert_eq!(found, ["c", "a", "b", "a"]);
}

#[tokio::test]
async fn without_retention_nothing_comes_back() {
    let config = "[registry]\ndeleted_retention_days = 0\n".to_owned();
    let orlop = Orlop::start(Options { config: Some(config), ..Options::default() }).await;
    let http = orlop.http();
    let digest = http.push_artifact("a", "1.0", b"text").await;
    expect(http.delete(&format!("/v2/a/manifests/{digest}")).await, StatusCode::ACCEPTED).await;
    assert_eq!(get(&http, "/acr/v1/_deleted/a/_tags").await["tags"], json!([]));
    assert_eq!(get(&http, "/acr/v1/_deleted/a/_manifests").await["manifests"], json!([]));
    let refused = restore(&http, "a", &digest, "", json!({})).await;
    expect(refused, StatusCode::NOT_FOUND).await;
}
