//! What a registry holds, as its clients see it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::http::{OCI_INDEX, OCI_MANIFEST, expect, header, json_of, send};
use crate::support::{Http, digest_of};

pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// All that can be reached from the tags of a repository.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Content {
    pub tags: BTreeMap<String, String>,
    /// Media type and bytes by digest.
    pub manifests: BTreeMap<String, (String, Bytes)>,
    pub blobs: BTreeMap<String, Bytes>,
}

/// The content of every repository.
pub async fn all(http: &Http) -> BTreeMap<String, Content> {
    let catalog = json_of(http.get("/v2/_catalog?n=1000").await).await;
    let mut found = BTreeMap::new();
    for name in catalog["repositories"].as_array().expect("a catalog has names") {
        let name = name.as_str().expect("a name is text");
        found.insert(name.to_owned(), of(http, name).await);
    }
    found
}

pub async fn of(http: &Http, repository: &str) -> Content {
    let mut content = Content::default();
    let tags = json_of(http.get(&format!("/v2/{repository}/tags/list?n=1000")).await).await;
    for tag in tags["tags"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let tag = tag.as_str().expect("a tag is text");
        let digest = content.read_manifest(http, repository, tag).await;
        content.tags.insert(tag.to_owned(), digest);
    }
    content
}

impl Content {
    /// Reads a manifest with all it is made of; gives its digest.
    pub async fn read_manifest(
        &mut self,
        http: &Http,
        repository: &str,
        reference: &str,
    ) -> String {
        let types = [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST].join(", ");
        let path = format!("/v2/{repository}/manifests/{reference}");
        let answer = send(http.request(Method::GET, &path).header(ACCEPT, types)).await;
        let answer = expect(answer, StatusCode::OK).await;
        let media_type = header(&answer, CONTENT_TYPE.as_str());
        let bytes = answer.bytes().await.expect("the body arrives whole");
        let digest = digest_of(&bytes);
        if self.manifests.insert(digest.clone(), (media_type, bytes.clone())).is_some() {
            return digest;
        }
        let manifest: Value = serde_json::from_slice(&bytes).expect("a manifest is JSON");
        for child in manifest["manifests"].as_array().map(Vec::as_slice).unwrap_or_default() {
            let child = child["digest"].as_str().expect("a child has a digest");
            Box::pin(self.read_manifest(http, repository, child)).await;
        }
        let layers = manifest["layers"].as_array().map(Vec::as_slice).unwrap_or_default();
        for blob in layers.iter().chain([&manifest["config"]]) {
            let Some(blob) = blob["digest"].as_str() else { continue };
            let answer = http.get(&format!("/v2/{repository}/blobs/{blob}")).await;
            let bytes = expect(answer, StatusCode::OK).await.bytes().await.expect("it is whole");
            assert_eq!(digest_of(&bytes), blob);
            self.blobs.insert(blob.to_owned(), bytes);
        }
        digest
    }
}

/// Pushes an image without a tag and gives its digest and the descriptor of it.
pub async fn push_image(http: &Http, repository: &str, reference: &str, layer: &str) -> Value {
    let config = format!(r#"{{"architecture":"amd64","os":"linux","layer":"{layer}"}}"#);
    let config_digest = http.push_blob(repository, config.clone()).await;
    let layer_digest = http.push_blob(repository, layer.to_owned()).await;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_CONFIG, "digest": config_digest, "size": config.len()},
        "layers": [{"mediaType": "text/plain", "digest": layer_digest, "size": layer.len()}],
    })
    .to_string();
    let digest = digest_of(&manifest);
    let reference = if reference.is_empty() { &digest } else { reference };
    let answer = http.put_manifest(repository, reference, OCI_MANIFEST, manifest.clone()).await;
    expect(answer, StatusCode::CREATED).await;
    json!({"mediaType": OCI_MANIFEST, "digest": digest, "size": manifest.len()})
}

/// Pushes an index of images of these layers, and gives its digest.
pub async fn push_index(http: &Http, repository: &str, tag: &str, layers: &[&str]) -> String {
    let mut children = Vec::new();
    for layer in layers {
        children.push(push_image(http, repository, "", layer).await);
    }
    // Not as any program would write it: bytes must come as they are.
    let index = format!(
        "{{\n  \"schemaVersion\" : 2, \"mediaType\": \"{OCI_INDEX}\",\n\n \"manifests\":{} }}\n",
        Value::from(children)
    );
    let answer = http.put_manifest(repository, tag, OCI_INDEX, index.clone()).await;
    expect(answer, StatusCode::CREATED).await;
    digest_of(index)
}

/// The digests of what refers to a manifest.
pub async fn referrers(http: &Http, repository: &str, digest: &str) -> BTreeSet<String> {
    let index = json_of(http.get(&format!("/v2/{repository}/referrers/{digest}")).await).await;
    let referrers = index["manifests"].as_array().expect("an index has manifests").iter();
    referrers.map(|entry| entry["digest"].as_str().expect("it is text").to_owned()).collect()
}
