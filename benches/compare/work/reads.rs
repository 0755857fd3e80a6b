use std::net::SocketAddr;

use super::content::Blobs;
use super::names;
use super::push::{MANIFEST, Way, push, push_artifact};
use crate::effort::{Effort, MIB};
use crate::load::{Connection, read_at_once, repeat};
use crate::report::{Report, Unit};
use crate::servers::{Nginx, Process, Registry};

/// What the prepared content is called.
pub struct Prepared {
    manifest: String,
    small: String,
    large: String,
}

/// Pushes to each registry what is read afterwards.
pub async fn prepare(registries: &[Registry], effort: Effort) -> Prepared {
    let small = Blobs::new(1024).blob(1);
    let large = Blobs::new(effort.large).blob(2);
    let mut manifest = String::new();
    for registry in registries {
        let mut connection = Connection::open(registry.address).await;
        manifest = push_artifact(registry, &mut connection, "small", "1.0", &small).await;
        push(registry, &mut connection, "large", &large, Way::PostPut).await;
    }
    Prepared { manifest, small: small.digest, large: large.digest }
}

/// Where a request goes and what it says; nginx has files of the same sizes.
struct Target<'a> {
    name: &'static str,
    address: SocketAddr,
    head: String,
    process: &'a Process,
}

fn targets<'a>(
    registries: &'a [Registry],
    nginx: Option<&'a Nginx>,
    (method, path, file): (&str, &str, &str),
    fields: &str,
) -> Vec<Target<'a>> {
    let mut targets = Vec::new();
    for registry in registries {
        targets.push(Target {
            name: registry.name,
            address: registry.address,
            head: registry.head(method, path, fields),
            process: &registry.process,
        });
    }
    targets.extend(nginx.map(|nginx| Target {
        name: Nginx::NAME,
        address: nginx.address,
        head: format!("{method} {file} HTTP/1.1\r\nHost: nginx\r\n{fields}\r\n"),
        process: &nginx.process,
    }));
    targets
}

pub async fn small_reads(
    registries: &[Registry],
    nginx: Option<&Nginx>,
    prepared: &Prepared,
    effort: Effort,
    report: &mut Report,
) {
    let tag = "/v2/{r}/small/manifests/1.0";
    let manifest = format!("/v2/{{r}}/small/manifests/{}", prepared.manifest);
    let blob = format!("/v2/{{r}}/small/blobs/{}", prepared.small);
    let works = [
        ("HEAD manifest by tag, 32 connections".to_owned(), "HEAD", tag, 32),
        (names::GET_TAG.to_owned(), "GET", tag, 32),
        ("GET manifest by tag, 1 connection".to_owned(), "GET", tag, 1),
        ("GET manifest by digest, 32 connections".to_owned(), "GET", manifest.as_str(), 32),
        (names::get_small_blob(1), "GET", blob.as_str(), 1),
        (names::get_small_blob(4), "GET", blob.as_str(), 4),
        (names::get_small_blob(32), "GET", blob.as_str(), 32),
    ];
    for (name, method, path, connections) in works {
        let fields = format!("Accept: {MANIFEST}\r\n");
        for _ in 0..effort.rounds {
            for target in targets(registries, nginx, (method, path, "/small"), &fields) {
                let usage = target.process.measure();
                let head = target.head.clone();
                let head = move |_| head.clone();
                let done = repeat(target.address, head, connections, effort.time).await;
                report.done(&name, Unit::Requests, target.name, done, Some(usage()));
            }
        }
    }
}

pub async fn large_reads(
    registries: &[Registry],
    nginx: Option<&Nginx>,
    prepared: &Prepared,
    effort: Effort,
    report: &mut Report,
) {
    let path = format!("/v2/{{r}}/large/blobs/{}", prepared.large);
    let path = ("GET", path.as_str(), "/large");
    for connections in [1, 4, 32] {
        let name = names::get_large_blob(effort.large, connections);
        for _ in 0..effort.large_rounds {
            for target in targets(registries, nginx, path, "") {
                let usage = target.process.measure();
                let done = read_at_once(target.address, &target.head, connections).await;
                report.done(&name, Unit::Bytes, target.name, done, Some(usage()));
            }
        }
    }
    let name = "GET ranges of 1 MiB, 4 connections";
    let ranges = effort.large / MIB;
    for _ in 0..effort.large_rounds {
        for target in targets(registries, nginx, path, "Range: bytes={range}\r\n") {
            let usage = target.process.measure();
            let head = target.head.clone();
            let head = move |number: usize| {
                let first = number * 7 % ranges * MIB;
                head.replace("{range}", &format!("{first}-{}", first + MIB - 1))
            };
            let done = repeat(target.address, head, 4, effort.time).await;
            report.done(name, Unit::Bytes, target.name, done, Some(usage()));
        }
    }
}
