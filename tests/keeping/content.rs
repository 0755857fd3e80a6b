//! What a registry holds, as clients see it.

use std::collections::BTreeMap;

use bytes::Bytes;
use reqwest::StatusCode;
use serde_json::Value;

use super::support::http::{OCI_INDEX, expect, json_of};
use super::support::{Http, digest_of};

/// Bytes of which no two stretches are alike.
pub fn content(seed: u64, length: usize) -> Bytes {
    let mut state = 2 * seed + 1;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.take(length.div_ceil(8)).flatten().take(length).collect()
}

/// Fills a registry with a bit of everything.
pub async fn fill(http: &Http) {
    for n in 0..6_u8 {
        let layer = content(n.into(), 2000 * (1 + usize::from(n)));
        http.push_artifact(&format!("team/app{}", n % 2), &format!("v{n}"), &layer).await;
    }
    // On S3 it has parts, and the key of its session.
    http.push_artifact("large", "1", &content(99, 6 << 20)).await;
    http.push_artifact("team/app0", "empty", b"").await;
    let child = http.push_artifact("indexes", "child", b"child").await;
    let child_bytes = http.get("/v2/indexes/manifests/child").await.bytes().await.unwrap();
    let index = serde_json::json!({
        "schemaVersion": 2, "mediaType": OCI_INDEX,
        "manifests": [{
            "mediaType": super::support::http::OCI_MANIFEST, "digest": child,
            "size": child_bytes.len(),
        }],
    });
    let answer = http.put_manifest("indexes", "all", OCI_INDEX, index.to_string()).await;
    expect(answer, StatusCode::CREATED).await;
    expect(http.delete("/v2/team/app1/manifests/v1").await, StatusCode::ACCEPTED).await;
}

/// Everything that can be pulled, with its tags: each name with the hash of what came, after it was
/// compared with the digest.
pub async fn everything(http: &Http) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let catalog = json_of(http.get("/v2/_catalog?n=1000").await).await;
    for name in names(&catalog["repositories"]) {
        let tags = json_of(http.get(&format!("/v2/{name}/tags/list?n=1000")).await).await;
        for tag in names(&tags["tags"]) {
            let answer = http.get(&format!("/v2/{name}/manifests/{tag}")).await;
            let bytes = expect(answer, StatusCode::OK).await.bytes().await.unwrap();
            found.insert(format!("{name}:{tag}"), digest_of(&bytes));
        }
        let list = json_of(http.get(&format!("/acr/v1/{name}/_manifests?n=1000")).await).await;
        for manifest in list["manifests"].as_array().into_iter().flatten() {
            let digest = manifest["digest"].as_str().unwrap();
            let bytes = pull(http, &format!("/v2/{name}/manifests/{digest}"), digest).await;
            found.insert(format!("{name}@{digest}"), digest_of(&bytes));
            let manifest: Value = serde_json::from_slice(&bytes).unwrap();
            let layers = manifest["layers"].as_array().into_iter().flatten();
            for blob in layers.chain(manifest.get("config")) {
                let digest = blob["digest"].as_str().unwrap();
                let bytes = pull(http, &format!("/v2/{name}/blobs/{digest}"), digest).await;
                found.insert(format!("{name} {digest}"), digest_of(&bytes));
            }
        }
    }
    found
}

pub async fn pull(http: &Http, path: &str, digest: &str) -> Bytes {
    let bytes = expect(http.get(path).await, StatusCode::OK).await.bytes().await.unwrap();
    assert_eq!(digest_of(&bytes), digest, "{path}");
    bytes
}

fn names(list: &Value) -> Vec<String> {
    let list = list.as_array().into_iter().flatten();
    list.map(|name| name.as_str().unwrap().to_owned()).collect()
}
