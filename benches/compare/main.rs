//! Compares Orlop with its peers on this machine: the same work on each in turns, so that only
//! ratios within one run count.
//!
//! `cargo bench --bench compare [-- quick]` prints a table and writes
//! `target/bench-results/compare.json`. Peers that are not installed are left out, and named.

mod load;
mod report;
mod servers;
mod work;

use std::time::Duration;

use report::Report;
use servers::{Nginx, Orlop, Peer, Registry};

/// How long and how often each work runs.
#[derive(Clone, Copy)]
pub struct Effort {
    pub rounds: usize,
    pub time: Duration,
    /// Bytes of the large blob.
    pub large: usize,
    pub artifacts: usize,
}

const FULL: Effort =
    Effort { rounds: 5, time: Duration::from_secs(4), large: 256 << 20, artifacts: 1000 };
const QUICK: Effort =
    Effort { rounds: 3, time: Duration::from_secs(1), large: 64 << 20, artifacts: 200 };

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let quick = std::env::args().any(|argument| argument == "quick");
    let effort = if quick { QUICK } else { FULL };
    let orlop = Orlop::start().await;
    let mut registries = vec![orlop.with_token().await, orlop.with_password()];
    let peer = Peer::start().await;
    registries.extend(peer.as_ref().map(Peer::registry));
    let nginx = Nginx::start(effort.large).await;
    let mut report = Report::default();
    for registry in &registries {
        work::prepare(registry, effort).await;
    }
    registries.insert(1, orlop.anonymous());
    work::small_reads(&registries, nginx.as_ref(), effort, &mut report).await;
    registries.remove(1);
    work::large_reads(&registries, nginx.as_ref(), effort, &mut report).await;
    work::large_writes(&registries, effort, &mut report).await;
    work::small_pushes(&registries, effort, &mut report).await;
    report.memory("orlop", orlop.peak_memory());
    if let Some(peer) = &peer {
        report.memory(Registry::PEER, peer.peak_memory());
    }
    report.print();
    report.write();
}
