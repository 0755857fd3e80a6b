use std::fs::File;
use std::io::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use super::content::{Blob, Blobs};
use super::names;
use super::push::{Way, push, push_artifact};
use crate::effort::{Effort, MIB};
use crate::load::{Connection, Done};
use crate::report::{Report, Unit};
use crate::servers::Registry;

/// Numbers the blobs, so that no registry has seen one before.
#[derive(Default)]
pub struct Numbers(u64);

impl Numbers {
    pub fn next(&mut self) -> u64 {
        self.0 += 1;
        1_000_000 + self.0
    }
}

/// What the last server left to be written is not the next one's business.
fn settle_disk() {
    Command::new("sync").status().expect("sync is there");
}

async fn push_timed(registry: &Registry, blobs: &[Blob], way: Way) -> Done {
    let mut connections = Vec::new();
    for _ in blobs {
        connections.push(Connection::open(registry.address).await);
    }
    let started = Instant::now();
    let pushes = blobs.iter().zip(&mut connections);
    let pushes = pushes.map(|(blob, to)| push(registry, to, "large", blob, way));
    futures_util::future::join_all(pushes).await;
    let bytes = blobs.iter().map(|blob| blob.size() as u64).sum();
    Done { requests: blobs.len() as u64, bytes, time: started.elapsed() }
}

/// One blob after the other, beside what hashing and writing the same bytes takes.
pub async fn one_by_one(
    registries: &[Registry],
    numbers: &mut Numbers,
    effort: Effort,
    report: &mut Report,
) {
    for size in [16 * MIB, effort.huge] {
        let blobs = Blobs::new(size);
        let name = names::put(size, 1);
        for _ in 0..effort.large_rounds {
            for registry in registries {
                for (name, way) in [(&name, Way::PostPut), (&names::patch(size), Way::PostPatchPut)]
                {
                    let blob = blobs.blob(numbers.next());
                    settle_disk();
                    let usage = registry.process.measure();
                    let done = push_timed(registry, &[blob], way).await;
                    report.done(name, Unit::Bytes, registry.name, done, Some(usage()));
                }
            }
            let blob = blobs.blob(numbers.next());
            limits(&blob, &name, report);
        }
    }
}

fn limits(blob: &Blob, name: &str, report: &mut Report) {
    let mut limit = |limit, time| {
        let done = Done { requests: 1, bytes: blob.size() as u64, time };
        report.done(name, Unit::Bytes, limit, done, None);
    };
    let hashing = Instant::now();
    let hash = blob.parts().iter().fold(Sha256::new(), |hash, part| hash.chain_update(part));
    assert!(blob.digest.ends_with(&hex::encode(hash.finalize())));
    limit(names::SHA256, hashing.elapsed());
    settle_disk();
    let folder = tempfile::tempdir().expect("a folder can be made");
    limit(names::WRITE, write(&folder.path().join("file"), blob).expect("a file can be written"));
}

fn write(path: &std::path::Path, blob: &Blob) -> std::io::Result<Duration> {
    let started = Instant::now();
    let mut file = File::create(path)?;
    for part in blob.parts() {
        for piece in part.chunks(MIB) {
            file.write_all(piece)?;
        }
    }
    file.sync_all()?;
    Ok(started.elapsed())
}

/// Many blobs, each over a connection of its own.
pub async fn at_once(
    registries: &[Registry],
    numbers: &mut Numbers,
    effort: Effort,
    report: &mut Report,
) {
    for (size, at_once) in [(1024, 1), (1024, 8), (1024, 32), (16 * MIB, 8), (16 * MIB, 32)] {
        let blobs = Blobs::new(size);
        let name = names::put(size, at_once);
        for _ in 0..effort.rounds {
            for registry in registries {
                let count = if size < MIB { 64 } else { at_once };
                let blobs: Vec<_> = (0..count).map(|_| blobs.blob(numbers.next())).collect();
                settle_disk();
                let usage = registry.process.measure();
                let mut done = Done::default();
                for blobs in blobs.chunks(at_once) {
                    let some = push_timed(registry, blobs, Way::PostPut).await;
                    done.requests += some.requests;
                    done.bytes += some.bytes;
                    done.time += some.time;
                }
                let unit = if size < MIB { Unit::Requests } else { Unit::Bytes };
                report.done(&name, unit, registry.name, done, Some(usage()));
            }
        }
    }
    let blobs = Blobs::new(effort.crowd);
    for registry in registries {
        let blobs: Vec<_> = (0..32).map(|_| blobs.blob(numbers.next())).collect();
        settle_disk();
        let usage = registry.process.measure();
        let done = push_timed(registry, &blobs, Way::PostPut).await;
        let usage = usage();
        if effort.crowd != 16 * MIB {
            let name = names::put(effort.crowd, 32);
            report.done(&name, Unit::Bytes, registry.name, done, Some(usage));
        }
        #[expect(clippy::cast_precision_loss, reason = "a figure needs no more digits")]
        let peak = usage.peak_memory as f64 / MIB as f64;
        report.add(&names::peak_of_puts(effort.crowd), Unit::Mebibytes, registry.name, peak);
    }
}

/// Each with a config, a layer and a tagged manifest.
pub async fn artifacts(
    registries: &[Registry],
    numbers: &mut Numbers,
    effort: Effort,
    report: &mut Report,
) {
    const CLIENTS: usize = 8;
    let layers = Blobs::new(1024);
    let name = names::push_artifacts(effort.artifacts);
    for round in 0..effort.rounds {
        for registry in registries {
            let layers: Vec<_> =
                (0..effort.artifacts).map(|_| layers.blob(numbers.next())).collect();
            settle_disk();
            let usage = registry.process.measure();
            let started = Instant::now();
            let layers = &layers;
            let pushes = (0..CLIENTS).map(|client| async move {
                let mut connection = Connection::open(registry.address).await;
                for n in (client..layers.len()).step_by(CLIENTS) {
                    let tag = format!("r{round}-{n}");
                    push_artifact(registry, &mut connection, "many", &tag, &layers[n]).await;
                }
            });
            futures_util::future::join_all(pushes).await;
            let done = Done { requests: layers.len() as u64, bytes: 0, time: started.elapsed() };
            report.done(&name, Unit::Artifacts, registry.name, done, Some(usage()));
        }
    }
}
