use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::support::http::{OCI_MANIFEST, expect, header, json_of, send};
use super::support::{Http, Options, Orlop, digest_of};

async fn promote(http: &Http, promotions: &[(&str, &str)]) -> reqwest::Response {
    let promotions: Vec<Value> = promotions
        .iter()
        .map(|(source, target)| json!({"source": source, "target": target}))
        .collect();
    let request = http.request(Method::POST, "/api/v1/promotions");
    send(request.json(&json!({"promotions": promotions}))).await
}

#[tokio::test]
async fn several_tags_across_repositories_are_set_at_once() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    let app = http.push_artifact("test/app", "1.0", b"app").await;
    let job = http.push_artifact("test/job", "1.0", b"job").await;
    let job_source = format!("test/job@{job}");
    let promoted = promote(
        &http,
        &[
            ("test/app:1.0", "prod/app:v1"),
            ("test/app:1.0", "prod/app:stable"),
            (&job_source, "prod/job:v1"),
        ],
    )
    .await;
    let promoted = json_of(expect(promoted, StatusCode::OK).await).await;
    assert_eq!(promoted["tags"][2], json!({"repository": "prod/job", "tag": "v1", "digest": job}));
    for (path, digest) in [
        ("/v2/prod/app/manifests/v1", &app),
        ("/v2/prod/app/manifests/stable", &app),
        ("/v2/prod/job/manifests/v1", &job),
    ] {
        let head = expect(http.head(path).await, StatusCode::OK).await;
        assert_eq!(header(&head, "docker-content-digest"), *digest);
    }
    let layer = http.get(&format!("/v2/prod/app/blobs/{}", digest_of("app"))).await;
    assert_eq!(layer.text().await.unwrap(), "app");
    let history = http.get("/api/v1/repositories/prod%2Fapp/tags/v1/history").await;
    assert_eq!(json_of(history).await["moves"][0]["digest"], app);
    let shown = json_of(http.get("/acr/v1/prod/app").await).await;
    assert_eq!((&shown["manifestCount"], &shown["tagCount"]), (&json!(1), &json!(2)));
}

#[tokio::test]
async fn one_tag_that_cannot_be_set_keeps_all_from_being_set() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    http.push_artifact("test/app", "1.0", b"app").await;
    let old = http.push_artifact("prod/app", "locked", b"old").await;
    let lock = http.request(Method::PATCH, "/acr/v1/prod/app/_tags/locked");
    expect(send(lock.json(&json!({"writeEnabled": false}))).await, StatusCode::OK).await;
    let first = ("test/app:1.0", "prod/new:v1");
    for (second, status) in [
        (("test/app:1.0", "prod/app:locked"), StatusCode::METHOD_NOT_ALLOWED),
        (("test/app:absent", "prod/app:v2"), StatusCode::NOT_FOUND),
        (("test/absent:1.0", "prod/app:v2"), StatusCode::NOT_FOUND),
    ] {
        expect(promote(&http, &[first, second]).await, status).await;
        expect(http.get("/v2/prod/new/manifests/v1").await, StatusCode::NOT_FOUND).await;
        expect(http.get("/acr/v1/prod/new").await, StatusCode::NOT_FOUND).await;
    }
    let head = http.head("/v2/prod/app/manifests/locked").await;
    assert_eq!(header(&head, "docker-content-digest"), old);
}

#[tokio::test]
async fn signatures_go_with_what_is_promoted() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    let digest = http.push_artifact("test/app", "1.0", b"app").await;
    let config = http.push_blob("test/app", "{}").await;
    let signature = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": "application/vnd.cncf.notary.signature", "digest": config, "size": 2},
        "layers": [],
        "subject": {"mediaType": OCI_MANIFEST, "digest": digest, "size": 1},
    })
    .to_string();
    let reference = digest_of(&signature);
    http.put_manifest("test/app", &reference, OCI_MANIFEST, signature).await;
    expect(promote(&http, &[("test/app:1.0", "prod/app:v1")]).await, StatusCode::OK).await;
    let tag = json_of(http.get("/acr/v1/prod/app/_tags/v1").await).await;
    assert_eq!(tag["tag"]["signed"], true);
    let referrers = json_of(http.get(&format!("/v2/prod/app/referrers/{digest}")).await).await;
    assert_eq!(referrers["manifests"][0]["digest"], reference);
}

#[tokio::test]
async fn a_promotion_needs_to_pull_and_to_push() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    http.push_artifact("test/app", "1.0", b"app").await;
    for (user, role, pattern) in
        [("reader", "AcrPull", "*"), ("pusher", "AcrPush", "prod/*"), ("both", "AcrPush", "*")]
    {
        let create = http.request(Method::POST, "/api/v1/users");
        let body = json!({"name": user, "password": "correct horse battery"});
        expect(send(create.json(&body)).await, StatusCode::CREATED).await;
        let assign = http.request(Method::POST, "/api/v1/assignments");
        let body = json!({"identity": user, "role": role, "repositories": pattern});
        expect(send(assign.json(&body)).await, StatusCode::CREATED).await;
        let client = orlop.anonymous().signed_in_as(user, "correct horse battery");
        let expected = if user == "both" { StatusCode::OK } else { StatusCode::FORBIDDEN };
        expect(promote(&client, &[("test/app:1.0", "prod/app:v1")]).await, expected).await;
        let other = promote(&client, &[("absent:1.0", "prod/app:v1")]).await;
        let expected = if user == "both" { StatusCode::NOT_FOUND } else { StatusCode::FORBIDDEN };
        expect(other, expected).await;
    }
}
