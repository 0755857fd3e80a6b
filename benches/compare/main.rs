//! Compares Orlop with its peers on this machine: the same work on each in turns, so that only
//! ratios within one run count. What it prints and writes is told in docs/performance.md.
//!
//! `cargo bench --bench compare [-- quick] [WORK…]`: WORK is any of `small-reads`, `large-reads`,
//! `large-writes`, `small-writes`, `artifacts`, `lists`, `start`; all, if none is named.

mod effort;
mod load;
mod report;
mod servers;
mod work;

use effort::Effort;
use report::Report;
use servers::{Nginx, Orlop, Peer};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    // Cargo itself adds `--bench`.
    let arguments: Vec<_> = std::env::args().skip(1).filter(|text| text != "--bench").collect();
    let effort =
        if arguments.iter().any(|text| text == "quick") { Effort::QUICK } else { Effort::FULL };
    let named: Vec<_> = arguments.iter().filter(|text| *text != "quick").collect();
    let is_asked = |work: &str| named.is_empty() || named.iter().any(|name| *name == work);

    let about = about(effort);
    let orlop = Orlop::start().await;
    let peers = Peer::start_all().await;
    let nginx = Nginx::start(effort.large).await;
    let mut registries = vec![orlop.with_token(&["small", "large", "many"]).await];
    registries.extend(peers.iter().map(Peer::registry));

    let mut report = Report::default();
    work::idle_memory(&registries, &mut report);
    let numbers = &mut work::Numbers::default();
    if is_asked("artifacts") {
        work::artifacts(&registries, numbers, effort, &mut report).await;
        work::pushed_tags(&registries, effort, &mut report).await;
    }
    if is_asked("large-writes") {
        work::one_by_one(&registries, numbers, effort, &mut report).await;
    }
    if is_asked("small-writes") {
        work::at_once(&registries, numbers, effort, &mut report).await;
    }
    if is_asked("small-reads") || is_asked("large-reads") {
        let prepared = work::prepare(&registries, effort).await;
        if is_asked("large-reads") {
            work::large_reads(&registries, nginx.as_ref(), &prepared, effort, &mut report).await;
        }
        if is_asked("small-reads") {
            let basic = orlop.with_password();
            work::prepare(std::slice::from_ref(&basic), effort).await;
            let mut ways = registries.clone();
            ways.splice(1..1, [orlop.anonymous(), basic]);
            work::small_reads(&ways, nginx.as_ref(), &prepared, effort, &mut report).await;
        }
    }
    if is_asked("lists") {
        work::lists(effort, &mut report).await;
    }
    if is_asked("start") {
        work::cold_start(orlop, peers, effort, &mut report).await;
    }
    report.print(effort);
    report.write(&about, effort);
}

/// The machine and how busy it was before.
fn about(effort: Effort) -> serde_json::Value {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let model = read("/proc/cpuinfo");
    let model = model.lines().find_map(|line| line.strip_prefix("model name"));
    serde_json::json!({
        "time": chrono::Utc::now().to_rfc3339(),
        "orlop": env!("CARGO_PKG_VERSION"),
        "cpus": std::thread::available_parallelism().map_or(0, usize::from),
        "cpu": model.map(|text| text.trim_start_matches([' ', '\t', ':'])),
        "kernel": read("/proc/sys/kernel/osrelease"),
        "load_before": read("/proc/loadavg"),
        "rounds": effort.rounds,
    })
}
