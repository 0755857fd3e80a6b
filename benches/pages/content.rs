//! What the pages show: blobs for the rows that the benchmark of lists makes, and an image.

use std::io::Write as _;

use orlop::metadata::Database;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::fill::{Size, numbered, run};

const IMAGE: &str = "shop/image";

/// The repository of many tags.
const MANY: &str = "lists/tags";
const LAYERS: usize = 12;

/// Blobs of each small repository, half of them shared with another.
const BLOBS: i64 = 8;

/// Each page, by its name.
pub fn pages() -> Vec<(&'static str, String)> {
    let page = |name, path: &str| (name, path.to_owned());
    vec![
        page("sign-in", "/sign-in"),
        page("repositories", "/"),
        page("repositories, newest first", "/?sort=new"),
        page("repositories of a namespace", "/?in=team"),
        page("search for repositories", "/?q=app-0009"),
        page("tags, newest first", "/r/lists/tags"),
        page("tags by name", "/r/lists/tags?sort=name"),
        page("filter of tags", "/r/lists/tags?q=v00999"),
        page("filter of tags, none found", "/r/lists/tags?q=nothing"),
        page("image among many tags", "/r/lists/tags/-/manifests/1.0"),
        page("image of 12 layers", "/r/shop/image/-/manifests/1.0"),
        page("history of a tag", "/r/lists/tags/-/tags/v0000001"),
        page("comparison", "/r/shop/image/-/compare?a=1.0&b=1.1"),
        page("deleted", "/r/lists/deleted/-/deleted"),
        page("storage", "/storage"),
        page("users", "/users"),
        page("robots", "/principals"),
        page("roles", "/roles"),
        page("audit", "/audit"),
        page("help", "/welcome"),
    ]
}

/// Two blobs for each manifest of the large repository, and some for each small one.
pub async fn link_blobs(database: &Database, size: Size) {
    let digest = numbered("sha256:b", "i", 63);
    let small = (size.repositories + 1) * BLOBS / 2;
    let large = size.tags * 2;
    let statements = [
        (
            format!(
                "INSERT INTO blobs (id, digest, size, created_at)
                 SELECT i, {digest}, 1000 + (i * 7919) % 1000003, {{now}} FROM n"
            ),
            small + large,
        ),
        // Each repository has the second half of the blobs of the one before it.
        (
            format!(
                "INSERT INTO repository_blobs (repository_id, blob_id, linked_at)
                 SELECT 1001 + (i - 1) / {BLOBS}, 1 + (i - 1) / {BLOBS} * {} + (i - 1) % {BLOBS},
                        {{now}} FROM n",
                BLOBS / 2
            ),
            size.repositories * BLOBS,
        ),
        (
            format!(
                "INSERT INTO repository_blobs (repository_id, blob_id, linked_at)
                 SELECT 1, {small} + i, {{now}} FROM n"
            ),
            large,
        ),
        (
            format!(
                "INSERT INTO manifest_references
                   (manifest_id, position, role, repository_id, digest, media_type, size, blob_id)
                 SELECT (i + 1) / 2, i % 2, CASE i % 2 WHEN 1 THEN 'config' ELSE 'layer' END, 1,
                        b.digest, 'application/vnd.example', b.size, b.id
                 FROM n JOIN blobs b ON b.id = {small} + i"
            ),
            large,
        ),
    ];
    run(database, &statements).await;
}

/// Two images that share all layers but the last, alone and among many tags.
pub async fn push_images(url: &str, password: &str) {
    let client = Client::builder().no_proxy().build().expect("a client can be made");
    for repository in [IMAGE, MANY] {
        let target =
            Target { client: &client, repository: format!("{url}/v2/{repository}"), password };
        for version in ["1.0", "1.1"] {
            push_image(&target, version).await;
        }
    }
}

/// Where images go.
struct Target<'a> {
    client: &'a Client,
    /// The address of a repository.
    repository: String,
    password: &'a str,
}

async fn push_image(target: &Target<'_>, version: &str) {
    let mut layers = Vec::new();
    for n in 0..LAYERS {
        let own = if n + 1 == LAYERS { version } else { "" };
        let layer = push_blob(target, layer(n, own)).await;
        layers.push(described(&layer, "application/vnd.oci.image.layer.v1.tar+gzip"));
    }
    let history: Vec<_> =
        (0..LAYERS).map(|n| json!({"created_by": format!("RUN step {n}")})).collect();
    let config = json!({
        "os": "linux", "architecture": "amd64", "history": history,
        "config": {"Env": [format!("VERSION={version}")], "Entrypoint": ["/app/server"]},
        "rootfs": {"type": "layers", "diff_ids": []},
    });
    let config = push_blob(target, config.to_string().into_bytes()).await;
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": described(&config, "application/vnd.oci.image.config.v1+json"),
        "layers": layers,
    });
    let request = target.client.put(format!("{}/manifests/{version}", target.repository));
    let request = request.header("content-type", manifest["mediaType"].as_str().expect("text"));
    let answer = request.basic_auth("admin", Some(target.password)).body(manifest.to_string());
    let answer = answer.send().await.expect("the server answers");
    assert_eq!(answer.status(), StatusCode::CREATED);
}

/// A digest and a size.
type Blob = (String, usize);

fn described((digest, size): &Blob, media_type: &str) -> Value {
    json!({"mediaType": media_type, "digest": digest, "size": size})
}

async fn push_blob(target: &Target<'_>, content: Vec<u8>) -> Blob {
    let (digest, size) =
        (format!("sha256:{}", hex::encode(Sha256::digest(&content))), content.len());
    let request =
        target.client.post(format!("{}/blobs/uploads/?digest={digest}", target.repository));
    let request = request.basic_auth("admin", Some(target.password)).body(content);
    let answer = request.send().await.expect("the server answers");
    assert_eq!(answer.status(), StatusCode::CREATED);
    (digest, size)
}

/// A `tar.gz` of some files.
fn layer(number: usize, own: &str) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for n in 0..50 {
        let content = format!("file {n} of layer {number} {own}").repeat(20);
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        let path = format!("usr/share/part-{number}/file-{n}");
        builder.append_data(&mut header, path, content.as_bytes()).expect("memory takes it");
    }
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&builder.into_inner().expect("it is whole")).expect("memory takes it");
    gzip.finish().expect("memory takes it")
}
