//! What was measured: medians, spreads, and ratios to the first server of each work.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;

#[derive(Default)]
pub struct Report {
    works: Vec<Work>,
    memory: BTreeMap<&'static str, u64>,
}

struct Work {
    name: String,
    unit: &'static str,
    /// In the order of their first measurement.
    servers: Vec<(&'static str, Vec<f64>)>,
}

impl Report {
    pub fn add(&mut self, work: &str, unit: &'static str, server: &'static str, value: f64) {
        let at = self.works.iter().position(|known| known.name == work).unwrap_or_else(|| {
            self.works.push(Work { name: work.to_owned(), unit, servers: Vec::new() });
            self.works.len() - 1
        });
        let servers = &mut self.works[at].servers;
        match servers.iter_mut().find(|(name, _)| *name == server) {
            Some((_, values)) => values.push(value),
            None => servers.push((server, vec![value])),
        }
    }

    pub fn memory(&mut self, server: &'static str, bytes: u64) {
        self.memory.insert(server, bytes);
    }

    pub fn print(&self) {
        for Work { name, unit, servers } in &self.works {
            println!("\n{name}");
            let first = servers.first().map_or(1.0, |(_, values)| median(values));
            for (server, values) in servers {
                let middle = median(values);
                let (low, high) = spread(values);
                println!(
                    "  {server:<30} {middle:>10.0} {unit:<12} ({low:.0} – {high:.0})   first is {:.2} ×",
                    first / middle
                );
            }
        }
        println!("\nPeak memory");
        for (server, bytes) in &self.memory {
            println!("  {server:<30} {:>10} MiB", bytes >> 20);
        }
    }

    /// Writes the same as JSON.
    pub fn write(&self) {
        let works: Vec<_> = self
            .works
            .iter()
            .map(|work| {
                let servers: Vec<_> = work
                    .servers
                    .iter()
                    .map(|(name, values)| json!({"server": name, "median": median(values), "values": values}))
                    .collect();
                json!({"work": work.name, "unit": work.unit, "servers": servers})
            })
            .collect();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench-results");
        std::fs::create_dir_all(&folder).expect("target can be written");
        let report = json!({"works": works, "peak_memory_bytes": self.memory});
        std::fs::write(folder.join("compare.json"), format!("{report:#}\n"))
            .expect("target can be written");
    }
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
