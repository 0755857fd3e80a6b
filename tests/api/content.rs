use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::get;
use super::support::http::{OCI_INDEX, OCI_MANIFEST, expect, json_of, send};
use super::support::{Http, Options, Orlop, digest_of};

const REPOSITORY: &str = "team/app";
const PATH: &str = "/api/v1/repositories/team%2Fapp";

async fn roll_back(http: &Http, tag: &str, body: Value) -> reqwest::Response {
    let path = format!("{PATH}/tags/{tag}/rollback");
    send(http.request(Method::POST, &path).json(&body)).await
}

/// What is answered 404 was not done, also if the manifest goes at the same moment.
#[tokio::test]
async fn a_lock_is_answered_as_it_was_done() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    let digest = http.push_artifact(REPOSITORY, "1.0", b"layer").await;
    let path = format!("{PATH}/manifests/{digest}");
    let restore = format!("/acr/v1/_deleted/{REPOSITORY}/_manifests/{digest}");
    let set = async |is_listed: bool| {
        let change = json!({ "listEnabled": is_listed });
        send(http.request(Method::PATCH, &path).json(&change)).await.status()
    };
    for _ in 0..30 {
        let (hidden, deleted) = tokio::join!(set(false), http.delete(&path));
        expect(deleted, StatusCode::NO_CONTENT).await;
        let restored = send(http.request(Method::POST, &restore).json(&json!({}))).await;
        expect(restored, StatusCode::OK).await;
        let shown = get(&http, &path).await;
        let is_hidden = shown["changeableAttributes"]["listEnabled"] == json!(false);
        assert_eq!(hidden == StatusCode::OK, is_hidden, "{hidden}: {shown}");
        assert_eq!(set(true).await, StatusCode::OK);
    }
}

#[tokio::test]
async fn every_move_of_a_tag_is_kept_and_can_be_undone() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    let one = http.push_artifact(REPOSITORY, "1.0", b"one").await;
    let two = http.push_artifact(REPOSITORY, "1.0", b"two").await;
    // The same again is no move.
    http.push_artifact(REPOSITORY, "1.0", b"two").await;
    let path = format!("{PATH}/tags/1.0");
    expect(http.delete(&path).await, StatusCode::NO_CONTENT).await;

    let history = async || get(&http, &format!("{path}/history")).await["moves"].clone();
    let digests = async || -> Vec<Value> {
        history().await.as_array().unwrap().iter().map(|m| m["digest"].clone()).collect()
    };
    assert_eq!(digests().await, [Value::Null, json!(two), json!(one)]);
    assert_eq!(history().await[0]["actor"], "admin");

    let rolled =
        json_of(expect(roll_back(&http, "1.0", json!({})).await, StatusCode::OK).await).await;
    assert_eq!(rolled["digest"], two);
    let rolled =
        json_of(expect(roll_back(&http, "1.0", json!({})).await, StatusCode::OK).await).await;
    assert_eq!(rolled["digest"], one);
    let to = json!({"digest": two});
    let rolled = json_of(expect(roll_back(&http, "1.0", to).await, StatusCode::OK).await).await;
    assert_eq!(rolled["digest"], two);
    assert_eq!(digests().await.len(), 6);

    let never = json!({"digest": digest_of("never")});
    expect(roll_back(&http, "1.0", never).await, StatusCode::CONFLICT).await;
    expect(roll_back(&http, "other", json!({})).await, StatusCode::CONFLICT).await;
    // What is deleted is restored first.
    let manifest = format!("/v2/{REPOSITORY}/manifests/{one}");
    expect(http.delete(&manifest).await, StatusCode::ACCEPTED).await;
    expect(roll_back(&http, "1.0", json!({"digest": one})).await, StatusCode::NOT_FOUND).await;

    let page = expect(http.get(&format!("{path}/history?n=4")).await, StatusCode::OK).await;
    let link = page.headers()["link"].to_str().unwrap().to_owned();
    let next = get(&http, link[1..].split_once('>').unwrap().0).await;
    assert_eq!(next["moves"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_locked_tag_is_not_rolled_back() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    http.push_artifact(REPOSITORY, "1.0", b"one").await;
    http.push_artifact(REPOSITORY, "1.0", b"two").await;
    let lock = http.request(Method::PATCH, &format!("{PATH}/tags/1.0"));
    let locked = send(lock.json(&json!({"writeEnabled": false}))).await;
    let locked = json_of(expect(locked, StatusCode::OK).await).await;
    assert_eq!(locked["changeableAttributes"]["writeEnabled"], false);
    let refused = roll_back(&http, "1.0", json!({})).await;
    expect(refused, StatusCode::METHOD_NOT_ALLOWED).await;
}

/// An index of one image for linux/amd64; its digest and the image's.
async fn push_index(http: &Http, layer: &'static str) -> (String, String) {
    let config = json!({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["sh"]}});
    let config = config.to_string();
    let image = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": http.push_blob(REPOSITORY, config.clone()).await,
            "size": config.len(),
        },
        "layers": [{
            "mediaType": "application/vnd.oci.image.layer.v1.tar",
            "digest": http.push_blob(REPOSITORY, layer).await,
            "size": layer.len(),
        }],
        "annotations": {"org.opencontainers.image.version": "1.0"},
    });
    let image = image.to_string();
    let digest = digest_of(&image);
    let platform = json!({"architecture": "amd64", "os": "linux"});
    let child = json!({
        "mediaType": OCI_MANIFEST, "digest": digest, "size": image.len(), "platform": platform,
    });
    let pushed = http.put_manifest(REPOSITORY, &digest, OCI_MANIFEST, image).await;
    expect(pushed, StatusCode::CREATED).await;
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [child]});
    let index = index.to_string();
    let pushed = http.put_manifest(REPOSITORY, "multi", OCI_INDEX, index.clone()).await;
    expect(pushed, StatusCode::CREATED).await;
    (digest_of(index), digest)
}

#[tokio::test]
async fn a_manifest_is_shown_taken_apart() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    let (index, image) = push_index(&http, "layer").await;
    let shown = get(&http, &format!("{PATH}/manifests/multi")).await;
    assert_eq!(shown["digest"], index);
    assert_eq!(shown["manifests"][0]["digest"], image);
    assert_eq!(shown["manifests"][0]["platform"]["architecture"], "amd64");
    assert_eq!(shown["tags"], json!(["multi"]));

    let shown = get(&http, &format!("{PATH}/manifests/{image}")).await;
    assert_eq!((&shown["architecture"], &shown["os"]), (&json!("amd64"), &json!("linux")));
    assert_eq!(shown["configContent"]["config"]["Cmd"], json!(["sh"]));
    assert_eq!(shown["layers"][0]["size"], 5);
    assert_eq!(shown["annotations"]["org.opencontainers.image.version"], "1.0");
    let config = shown["config"]["size"].as_u64().unwrap();
    assert_eq!(
        shown["usage"],
        json!({"blobs": 2, "size": config + 5, "exclusiveSize": config + 5})
    );
}

#[tokio::test]
async fn space_is_told_with_and_without_what_is_shared() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    http.push_artifact(REPOSITORY, "1", b"shared").await;
    let manifest = http.get(&format!("/v2/{REPOSITORY}/manifests/1")).await.text().await.unwrap();
    http.push_blob("other", &b"{}"[..]).await;
    http.push_blob("other", &b"shared"[..]).await;
    let usage = async |path: &str| {
        let usage = get(&http, path).await;
        let usage = usage.get("usage").unwrap_or(&usage).clone();
        (usage["size"].as_u64().unwrap(), usage["exclusiveSize"].as_u64().unwrap())
    };
    assert_eq!(usage(&format!("{PATH}/usage")).await, (8, 0));
    // Linked elsewhere, but no other manifest needs it.
    assert_eq!(usage(&format!("{PATH}/manifests/1")).await, (8, 8));
    http.put_manifest("other", "1", OCI_MANIFEST, format!("{manifest} ")).await;
    assert_eq!(usage(&format!("{PATH}/manifests/1")).await, (8, 0));
    http.push_artifact(REPOSITORY, "2", b"alone").await;
    assert_eq!(usage(&format!("{PATH}/usage")).await, (13, 5));
    assert_eq!(usage(&format!("{PATH}/manifests/2")).await, (7, 5));
}

#[tokio::test]
async fn manifests_are_found_by_what_they_are() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    let (_, image) = push_index(&http, "layer").await;
    let artifact = http.push_artifact("other/one", "1", b"text").await;
    http.push_artifact("other/two", "1", b"text").await;
    let search = async |query: &str| -> Vec<(String, String)> {
        let found = get(&http, &format!("/api/v1/search?{query}")).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let found = found["manifests"].as_array().unwrap();
        found.iter().map(|item| (text(&item["repository"]), text(&item["digest"]))).collect()
    };
    assert_eq!(search(&format!("digest={image}")).await, [(REPOSITORY.to_owned(), image.clone())]);
    let annotation = "annotation=org.opencontainers.image.version%3D1.0";
    assert_eq!(search(annotation).await, [(REPOSITORY.to_owned(), image)]);
    assert!(search("annotation=org.opencontainers.image.version%3D2.0").await.is_empty());
    let kind = "artifactType=application%2Fvnd.example.test";
    assert_eq!(search(kind).await.len(), 2);
    let found = search(&format!("{kind}&repository=er/o")).await;
    assert_eq!(found, [("other/one".to_owned(), artifact)]);
    assert_eq!(search("repository=%25").await, []);
    let refused = http.get("/api/v1/search?annotation=x").await;
    expect(refused, StatusCode::BAD_REQUEST).await;
    let page = expect(http.get(&format!("/api/v1/search?{kind}&n=1")).await, StatusCode::OK).await;
    let link = page.headers()["link"].to_str().unwrap().to_owned();
    let next = get(&http, link[1..].split_once('>').unwrap().0).await;
    assert_eq!(next["manifests"][0]["repository"], "other/two");
}

#[tokio::test]
async fn lists_are_paged_in_every_order() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    for tag in ["c", "a", "b"] {
        http.push_artifact(REPOSITORY, tag, tag.as_bytes()).await;
    }
    for (order, expected) in [
        ("", ["a", "b", "c"]),
        ("&orderby=timeasc", ["c", "a", "b"]),
        ("&orderby=timedesc", ["b", "a", "c"]),
    ] {
        let mut next = Some(format!("{PATH}/tags?n=1{order}"));
        let mut found = Vec::new();
        while let Some(path) = next {
            let page = expect(http.get(&path).await, StatusCode::OK).await;
            next = page
                .headers()
                .get("link")
                .map(|link| link.to_str().unwrap()[1..].split_once('>').unwrap().0.to_owned());
            found.push(json_of(page).await["tags"][0]["name"].clone());
        }
        assert_eq!(found, expected, "{order}");
    }
    assert_eq!(get(&http, "/api/v1/repositories").await["repositories"], json!([REPOSITORY]));
    let deleted = expect(http.delete(PATH).await, StatusCode::OK).await;
    assert_eq!(json_of(deleted).await["tagsDeleted"], json!(["a", "b", "c"]));
}
