//! The works: what each server is asked to do.

use std::time::Instant;

use sha2::{Digest as _, Sha256};

use super::Effort;
use super::load::{Connection, bytes_a_second, requests_a_second};
use super::report::Report;
use super::servers::{Nginx, Registry};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const SMALL: usize = 1024;

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// Not all the same byte, so that nothing on the way can save itself the work.
fn content(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// POST and PUT.
async fn push_blob(registry: &Registry, to: &mut Connection, repository: &str, bytes: &[u8]) {
    let path = format!("/v2/{{r}}/{repository}/blobs/uploads/");
    let begun = to.ask(&registry.head("POST", &path, "Content-Length: 0\r\n"), &[]).await;
    assert_eq!(begun.status, 202);
    let location = begun.location.expect("a session has a place");
    let location = location
        .split_once("//")
        .map_or(location.as_str(), |(_, rest)| rest.find('/').map_or(rest, |slash| &rest[slash..]));
    let separator = if location.contains('?') { '&' } else { '?' };
    let path = format!("{location}{separator}digest={}", digest(bytes));
    let fields =
        format!("Content-Length: {}\r\nContent-Type: application/octet-stream\r\n", bytes.len());
    let done = to.ask(&registry.head("PUT", &path, &fields), bytes).await;
    assert_eq!(done.status, 201, "{}", registry.name);
}

/// A config, a layer and a manifest under a tag.
async fn push_artifact(
    registry: &Registry,
    to: &mut Connection,
    repository: &str,
    tag: &str,
    layer: &[u8],
) {
    push_blob(registry, to, repository, b"{}").await;
    push_blob(registry, to, repository, layer).await;
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{}","size":2}},"layers":[{{"mediaType":"text/plain","digest":"{}","size":{}}}]}}"#,
        digest(b"{}"),
        digest(layer),
        layer.len()
    );
    let fields = format!("Content-Type: {MANIFEST}\r\nContent-Length: {}\r\n", manifest.len());
    let path = format!("/v2/{{r}}/{repository}/manifests/{tag}");
    let done = to.ask(&registry.head("PUT", &path, &fields), manifest.as_bytes()).await;
    assert_eq!(done.status, 201, "{}", registry.name);
}

pub async fn prepare(registry: &Registry, effort: Effort) {
    let mut connection = Connection::open(registry.address).await;
    push_artifact(registry, &mut connection, "small", "1.0", &content(SMALL, 1)).await;
    push_blob(registry, &mut connection, "large", &content(effort.large, 2)).await;
}

pub async fn small_reads(
    registries: &[Registry],
    nginx: Option<&Nginx>,
    effort: Effort,
    report: &mut Report,
) {
    let blob = format!("/v2/{{r}}/small/blobs/{}", digest(&content(SMALL, 1)));
    let accept = format!("Accept: {MANIFEST}\r\n");
    for (name, method, path) in [
        ("HEAD manifest by tag, 32 connections", "HEAD", "/v2/{r}/small/manifests/1.0"),
        ("GET manifest by tag, 32 connections", "GET", "/v2/{r}/small/manifests/1.0"),
        ("GET 1 KiB blob, 32 connections", "GET", blob.as_str()),
    ] {
        for _ in 0..effort.rounds {
            for registry in registries {
                let head = registry.head(method, path, &accept);
                let rate = requests_a_second(registry.address, &head, 32, effort.time).await;
                report.add(name, "requests/s", registry.name, rate);
            }
            if let Some(nginx) = nginx {
                let head = format!("{method} /small HTTP/1.1\r\nHost: nginx\r\n\r\n");
                let rate = requests_a_second(nginx.address, &head, 32, effort.time).await;
                report.add(name, "requests/s", Nginx::NAME, rate);
            }
        }
    }
}

pub async fn large_reads(
    registries: &[Registry],
    nginx: Option<&Nginx>,
    effort: Effort,
    report: &mut Report,
) {
    let path = format!("/v2/{{r}}/large/blobs/{}", digest(&content(effort.large, 2)));
    for connections in [1, 4] {
        let name = format!("GET {} MiB blob, {connections} connections", effort.large >> 20);
        for _ in 0..effort.rounds {
            for registry in registries {
                let head = registry.head("GET", &path, "");
                let rate = bytes_a_second(registry.address, &head, connections).await;
                report.add(&name, "MB/s", registry.name, rate / 1e6);
            }
            if let Some(nginx) = nginx {
                let head = "GET /large HTTP/1.1\r\nHost: nginx\r\n\r\n";
                let rate = bytes_a_second(nginx.address, head, connections).await;
                report.add(&name, "MB/s", Nginx::NAME, rate / 1e6);
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "rates need no more digits")]
pub async fn large_writes(registries: &[Registry], effort: Effort, report: &mut Report) {
    let name = format!("PUT {} MiB blob (POST + PUT)", effort.large >> 20);
    for round in 0..effort.rounds {
        for registry in registries {
            let bytes = content(effort.large, 10 + round as u64);
            // Hashed beforehand: that is the client's part.
            let mut connection = Connection::open(registry.address).await;
            let hashing = Instant::now();
            digest(&bytes);
            let hashing = hashing.elapsed();
            let started = Instant::now();
            push_blob(registry, &mut connection, "large", &bytes).await;
            let time = started.elapsed().saturating_sub(hashing);
            report.add(&name, "MB/s", registry.name, bytes.len() as f64 / time.as_secs_f64() / 1e6);
            let rate = bytes.len() as f64 / hashing.as_secs_f64() / 1e6;
            report.add(&name, "MB/s", "sha256, one core", rate);
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "rates need no more digits")]
pub async fn small_pushes(registries: &[Registry], effort: Effort, report: &mut Report) {
    const CLIENTS: usize = 8;
    let name = format!("push {} small artifacts, {CLIENTS} clients", effort.artifacts);
    for round in 0..effort.rounds {
        for registry in registries {
            let started = Instant::now();
            let pushes = (0..CLIENTS).map(|client| async move {
                let mut connection = Connection::open(registry.address).await;
                for n in (client..effort.artifacts).step_by(CLIENTS) {
                    let seed = ((round + 1) * 1_000_000 + n) as u64 * 2;
                    let tag = format!("r{round}-{n}");
                    let layer = content(SMALL, seed);
                    push_artifact(registry, &mut connection, "many", &tag, &layer).await;
                }
            });
            futures_util::future::join_all(pushes).await;
            let rate = effort.artifacts as f64 / started.elapsed().as_secs_f64();
            report.add(&name, "artifacts/s", registry.name, rate);
        }
    }
}
