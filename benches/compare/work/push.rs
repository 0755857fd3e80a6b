//! How a client pushes.

use super::content::{Blob, digest};
use crate::load::Connection;
use crate::servers::Registry;

pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const EMPTY: &[u8] = b"{}";

/// The requests by which a blob is pushed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    PostPut,
    PostPatchPut,
}

pub async fn push(
    registry: &Registry,
    to: &mut Connection,
    repository: &str,
    blob: &Blob,
    way: Way,
) {
    push_bytes(registry, to, repository, &blob.digest, &blob.parts(), way).await;
}

async fn push_bytes(
    registry: &Registry,
    to: &mut Connection,
    repository: &str,
    digest: &str,
    parts: &[&[u8]],
    way: Way,
) {
    let path = format!("/v2/{{r}}/{repository}/blobs/uploads/");
    let begun = to.ask(&registry.head("POST", &path, "Content-Length: 0\r\n"), &[]).await;
    assert_eq!(begun.status, 202, "{}", registry.name);
    let mut location = path_of(begun.location);
    let size: usize = parts.iter().map(|part| part.len()).sum();
    let mut fields =
        format!("Content-Length: {size}\r\nContent-Type: application/octet-stream\r\n");
    let mut rest = parts;
    if way == Way::PostPatchPut {
        let taken = to.ask(&registry.head("PATCH", &location, &fields), parts).await;
        assert_eq!(taken.status, 202, "{}", registry.name);
        location = path_of(taken.location);
        "Content-Length: 0\r\n".clone_into(&mut fields);
        rest = &[];
    }
    let separator = if location.contains('?') { '&' } else { '?' };
    let path = format!("{location}{separator}digest={digest}");
    let done = to.ask(&registry.head("PUT", &path, &fields), rest).await;
    assert_eq!(done.status, 201, "{}", registry.name);
}

/// The path of an upload session, which some servers name with scheme and host.
fn path_of(location: Option<String>) -> String {
    let location = location.expect("a session has a place");
    match location.split_once("//") {
        Some((_, rest)) => rest.find('/').map_or(rest, |slash| &rest[slash..]).to_owned(),
        None => location,
    }
}

/// A config, a layer and a manifest under a tag. Gives the digest of the manifest.
pub async fn push_artifact(
    registry: &Registry,
    to: &mut Connection,
    repository: &str,
    tag: &str,
    layer: &Blob,
) -> String {
    let config = digest(EMPTY);
    push_bytes(registry, to, repository, &config, &[EMPTY], Way::PostPut).await;
    push(registry, to, repository, layer, Way::PostPut).await;
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": config, "size": 2},
        "layers": [{"mediaType": "text/plain", "digest": layer.digest, "size": layer.size()}],
    });
    let manifest = manifest.to_string();
    let fields = format!("Content-Type: {MANIFEST}\r\nContent-Length: {}\r\n", manifest.len());
    let path = format!("/v2/{{r}}/{repository}/manifests/{tag}");
    let done = to.ask(&registry.head("PUT", &path, &fields), &[manifest.as_bytes()]).await;
    assert_eq!(done.status, 201, "{}", registry.name);
    digest(manifest.as_bytes())
}
