use reqwest::{Method, StatusCode};
use serde_json::json;

use super::support::http::{OCI_MANIFEST, expect, header, send};
use super::support::{Options, Orlop};

const PUSHERS: usize = 8;

/// After the answer to the lock, no push moves the tag.
#[tokio::test]
async fn no_tag_moves_once_its_lock_is_acknowledged() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    for target in ["/acr/v1/a/_tags/1.0", "/acr/v1/a"] {
        http.push_artifact("a", "1.0", b"layer").await;
        let manifest = http.get("/v2/a/manifests/1.0").await.text().await.unwrap();
        let mut pushers = tokio::task::JoinSet::new();
        for pusher in 0..PUSHERS {
            let (http, manifest) = (http.clone(), manifest.clone());
            pushers.spawn(async move {
                let mut pushes = 0;
                loop {
                    let content = format!("{manifest}{}", " ".repeat(PUSHERS * pushes + pusher));
                    let pushed = http.put_manifest("a", "1.0", OCI_MANIFEST, content).await;
                    match pushed.status() {
                        StatusCode::CREATED => pushes += 1,
                        StatusCode::METHOD_NOT_ALLOWED => return pushes,
                        _ => drop(expect(pushed, StatusCode::CREATED).await),
                    }
                }
            });
        }
        let lock = http.request(Method::PATCH, target).json(&json!({"writeEnabled": false}));
        expect(send(lock).await, StatusCode::OK).await;
        let locked = http.head("/v2/a/manifests/1.0").await;
        let locked = header(&locked, "docker-content-digest");
        // Every pusher ends with a refusal.
        pushers.join_all().await;
        let after = http.head("/v2/a/manifests/1.0").await;
        assert_eq!(header(&after, "docker-content-digest"), locked, "{target}");
        let unlock = http.request(Method::PATCH, target).json(&json!({"writeEnabled": true}));
        expect(send(unlock).await, StatusCode::OK).await;
    }
}
