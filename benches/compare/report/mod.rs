//! What was measured: medians, spreads, and ratios within this run.

mod goals;
mod picture;
mod tables;

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::effort::Effort;
use crate::load::Done;
use crate::servers::Usage;

/// What the numbers of a work are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Requests,
    Bytes,
    Artifacts,
    Milliseconds,
    Mebibytes,
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests/s",
            Self::Bytes => "MB/s",
            Self::Artifacts => "artifacts/s",
            Self::Milliseconds => "ms",
            Self::Mebibytes => "MiB",
        }
    }

    /// What the CPU time is told for.
    fn cost(self) -> &'static str {
        match self {
            Self::Requests => "CPU ms / 1000 requests",
            Self::Bytes => "CPU s / GiB",
            Self::Artifacts => "CPU ms / artifact",
            Self::Milliseconds | Self::Mebibytes => "",
        }
    }

    fn is_better_if_small(self) -> bool {
        matches!(self, Self::Milliseconds | Self::Mebibytes)
    }
}

#[derive(Default)]
pub struct Report {
    works: Vec<Work>,
}

struct Work {
    name: String,
    unit: Unit,
    /// In the order of their first measurement.
    servers: Vec<Series>,
}

/// What one server did in one work.
struct Series {
    server: String,
    values: Vec<f64>,
    costs: Vec<f64>,
    peak_memory: u64,
}

impl Series {
    fn median(&self) -> f64 {
        median(&self.values)
    }
}

impl Report {
    fn series(&mut self, work: &str, unit: Unit, server: &str) -> &mut Series {
        let at = self.works.iter().position(|known| known.name == work).unwrap_or_else(|| {
            self.works.push(Work { name: work.to_owned(), unit, servers: Vec::new() });
            self.works.len() - 1
        });
        let servers = &mut self.works[at].servers;
        let at = servers.iter().position(|known| known.server == server).unwrap_or_else(|| {
            let (values, costs) = (Vec::new(), Vec::new());
            servers.push(Series { server: server.to_owned(), values, costs, peak_memory: 0 });
            servers.len() - 1
        });
        &mut servers[at]
    }

    pub fn add(&mut self, work: &str, unit: Unit, server: &str, value: f64) {
        self.series(work, unit, server).values.push(value);
    }

    /// Notes a rate and what it cost.
    #[expect(clippy::cast_precision_loss, reason = "rates need no more digits")]
    pub fn done(&mut self, work: &str, unit: Unit, server: &str, done: Done, usage: Option<Usage>) {
        let requests = done.requests as f64;
        let (amount, cost_of_second) = match unit {
            Unit::Bytes => (done.bytes as f64 / 1e6, (1 << 30) as f64 / done.bytes as f64),
            Unit::Requests => (requests, 1e6 / requests),
            _ => (requests, 1e3 / requests),
        };
        let series = self.series(work, unit, server);
        series.values.push(amount / done.time.as_secs_f64());
        if let Some(usage) = usage {
            series.costs.push(usage.cpu.as_secs_f64() * cost_of_second);
            series.peak_memory = series.peak_memory.max(usage.peak_memory);
        }
    }

    pub fn time(&mut self, work: &str, server: &str, time: Duration) {
        self.add(work, Unit::Milliseconds, server, time.as_secs_f64() * 1e3);
    }

    /// The median of a server in a work.
    fn median(&self, work: &str, server: &str) -> Option<f64> {
        let work = self.works.iter().find(|known| known.name == work)?;
        Some(work.servers.iter().find(|known| known.server == server)?.median())
    }

    pub fn print(&self, effort: Effort) {
        for work in &self.works {
            println!("\n{}", work.name);
            let first = work.servers.first().map_or(1.0, Series::median);
            for series in &work.servers {
                println!("{}", line(work.unit, series, first));
            }
        }
        println!("\nGoals");
        for goal in goals::of(self, effort) {
            println!("{goal}");
        }
    }

    /// Writes the same as JSON, as tables for docs/performance.md, and as a picture.
    pub fn write(&self, about: &Value, effort: Effort) {
        let works: Vec<_> = self.works.iter().map(work_json).collect();
        let goals: Vec<_> = goals::of(self, effort).iter().map(goals::Goal::json).collect();
        let report = json!({"about": about, "works": works, "goals": goals});
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench-results");
        std::fs::create_dir_all(&folder).expect("target can be written");
        let write = |name: &str, text: String| {
            std::fs::write(folder.join(name), text).expect("target can be written");
        };
        write("compare.json", format!("{report:#}\n"));
        write("compare.md", tables::write(&self.works, &goals::of(self, effort)));
        write("compare.svg", picture::draw(&self.works));
        println!("\nIn {}: compare.json, compare.md, compare.svg", folder.display());
    }
}

fn line(unit: Unit, series: &Series, first: f64) -> String {
    let middle = series.median();
    let (low, high) = spread(&series.values);
    let mut line = format!(
        "  {:<28} {} {:<11} ({} – {})   first : this {:>6.2}",
        series.server,
        figure(middle),
        unit.name(),
        figure(low).trim_start(),
        figure(high).trim_start(),
        first / middle
    );
    if !series.costs.is_empty() {
        let cost = median(&series.costs);
        write!(line, "   {cost:>7.2} {}", unit.cost()).expect("a text takes any");
        write!(line, ", peak {} MiB", series.peak_memory >> 20).expect("a text takes any");
    }
    line
}

fn figure(value: f64) -> String {
    if value < 100.0 { format!("{value:>9.2}") } else { format!("{value:>9.0}") }
}

fn work_json(work: &Work) -> Value {
    let servers: Vec<_> = work
        .servers
        .iter()
        .map(|series| {
            let mut server = json!({
                "server": series.server, "median": series.median(), "values": series.values,
            });
            if !series.costs.is_empty() {
                server["cost"] = json!({"unit": work.unit.cost(), "median": median(&series.costs)});
                server["peak_memory_bytes"] = series.peak_memory.into();
            }
            server
        })
        .collect();
    json!({"work": work.name, "unit": work.unit.name(), "servers": servers})
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values
}

fn median(values: &[f64]) -> f64 {
    let values = sorted(values);
    values[values.len() / 2]
}

fn spread(values: &[f64]) -> (f64, f64) {
    let values = sorted(values);
    (values[0], values[values.len() - 1])
}
