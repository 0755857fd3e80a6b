use std::time::Instant;

use super::names;
use crate::effort::{Effort, MIB};
use crate::load::Connection;
use crate::report::{Report, Unit};
use crate::servers::{Orlop, Peer, Registry};

#[expect(clippy::cast_precision_loss, reason = "a figure needs no more digits")]
pub fn idle_memory(registries: &[Registry], report: &mut Report) {
    for registry in registries {
        let resident = registry.process.resident() as f64 / MIB as f64;
        report.add("memory after the start", Unit::Mebibytes, registry.name, resident);
    }
}

/// From the start of the program, on the data of all works before, to its first answer.
pub async fn cold_start(
    mut orlop: Orlop,
    mut peers: Vec<Peer>,
    effort: Effort,
    report: &mut Report,
) {
    for _ in 0..effort.rounds {
        orlop.stop();
        let started = Instant::now();
        orlop = orlop.start_again().await;
        answers(&orlop.anonymous()).await;
        report.time(names::COLD_START, "orlop, token", started.elapsed());
        let mut restarted = Vec::new();
        for peer in peers {
            peer.stop();
            let started = Instant::now();
            let peer = peer.start_again().await;
            answers(&peer.registry()).await;
            report.time(names::COLD_START, peer.registry().name, started.elapsed());
            restarted.push(peer);
        }
        peers = restarted;
    }
}

async fn answers(registry: &Registry) {
    let mut connection = Connection::open(registry.address).await;
    let answer = connection.ask(&registry.head("GET", "/v2/", ""), &[]).await;
    assert!(matches!(answer.status, 200 | 401), "{}", answer.status);
}
