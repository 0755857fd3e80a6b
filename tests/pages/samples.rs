//! Content as the pages show it.

use std::io::Write as _;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::http::{OCI_INDEX, OCI_MANIFEST, expect};
use crate::support::{Http, digest_of};

pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// A `tar.gz` of these files.
pub fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        builder.append_data(&mut header, path, *content).unwrap();
    }
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&builder.into_inner().unwrap()).unwrap();
    gzip.finish().unwrap()
}

async fn descriptor(http: &Http, repository: &str, media_type: &str, content: &[u8]) -> Value {
    let digest = http.push_blob(repository, content.to_vec()).await;
    json!({"mediaType": media_type, "digest": digest, "size": content.len()})
}

/// Pushes a manifest and answers its descriptor.
pub async fn manifest(http: &Http, repository: &str, tag: Option<&str>, content: &Value) -> Value {
    let media_type = content["mediaType"].as_str().unwrap();
    let text = content.to_string();
    let digest = digest_of(&text);
    let answer = http.put_manifest(repository, tag.unwrap_or(&digest), media_type, text.clone());
    expect(answer.await, StatusCode::CREATED).await;
    json!({"mediaType": media_type, "digest": digest, "size": text.len()})
}

/// An image of two layers, the second of which is `version`'s own.
pub async fn image(http: &Http, repository: &str, tag: Option<&str>, version: &str) -> Value {
    let config = json!({
        "os": "linux", "architecture": "amd64",
        "config": {
            "Env": [format!("VERSION={version}")], "Entrypoint": ["/app/server", "--now"],
            "Labels": {"evil": "<script>alert('label')</script>"},
        },
        "rootfs": {"type": "layers", "diff_ids": []},
        "history": [{"created_by": "ADD base"}, {"created_by": format!("COPY {version} /app")}],
    });
    let config = descriptor(http, repository, CONFIG, config.to_string().as_bytes()).await;
    let base = archive(&[("etc/passwd", b"root"), ("usr/bin/tool", b"a tool")]);
    let own = archive(&[("app/server", version.as_bytes()), ("app/.wh.old", b"")]);
    let content = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config,
        "layers": [
            descriptor(http, repository, LAYER, &base).await,
            descriptor(http, repository, LAYER, &own).await,
        ],
        "annotations": {
            "org.opencontainers.image.version": version,
            "org.opencontainers.image.url": "https://example.com/app",
            "evil": "\"><img src=x onerror=alert(1)>", "evil.url": "javascript:alert(1)",
        },
    });
    manifest(http, repository, tag, &content).await
}

pub async fn index(http: &Http, repository: &str, tag: &str, children: &[(&str, &Value)]) -> Value {
    let manifests = children.iter().map(|(architecture, child)| {
        let mut child = (*child).clone();
        child["platform"] = json!({"os": "linux", "architecture": architecture});
        child
    });
    let manifests: Vec<_> = manifests.collect();
    let content = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests});
    manifest(http, repository, Some(tag), &content).await
}

/// An artifact of one layer, perhaps about something.
pub async fn artifact(
    http: &Http,
    repository: &str,
    tag: Option<&str>,
    artifact_type: &str,
    layer: (&str, &[u8]),
    more: Value,
) -> Value {
    let empty = descriptor(http, repository, "application/vnd.oci.empty.v1+json", b"{}").await;
    let layer = descriptor(http, repository, layer.0, layer.1).await;
    let mut content = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": artifact_type,
        "config": empty, "layers": [layer],
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        content[name] = value.clone();
    }
    manifest(http, repository, tag, &content).await
}

/// An SBOM of packages, about `subject`.
pub async fn sbom(
    http: &Http,
    repository: &str,
    subject: &Value,
    packages: &[(&str, &str)],
) -> Value {
    let packages = packages.iter().map(
        |(name, version)| json!({"name": name, "versionInfo": version, "licenseConcluded": "MIT"}),
    );
    let packages: Vec<_> = packages.collect();
    let document = json!({"spdxVersion": "SPDX-2.3", "name": "app", "packages": packages});
    let spdx = "application/spdx+json";
    let layer = (spdx, document.to_string());
    artifact(
        http,
        repository,
        None,
        spdx,
        (layer.0, layer.1.as_bytes()),
        json!({"subject": subject}),
    )
    .await
}

pub const SIGNATURE: &str = "application/vnd.dev.cosign.artifact.sig.v1+json";

pub async fn signature(http: &Http, repository: &str, subject: &Value) -> Value {
    let layer = ("application/vnd.dev.cosign.simplesigning.v1+json", &b"{\"critical\":{}}"[..]);
    artifact(http, repository, None, SIGNATURE, layer, json!({"subject": subject})).await
}

pub fn digest(descriptor: &Value) -> &str {
    descriptor["digest"].as_str().unwrap()
}
