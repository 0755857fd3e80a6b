//! The report as Markdown, to be pasted into docs/performance.md.

use super::goals::Goal;
use super::{Series, Work, figure, median, spread};

pub fn write(works: &[Work], goals: &[Goal]) -> String {
    let mut rows = vec![
        row(&["work", "against", "ratio", "goal", ""]),
        row(&["---", "---", "--:", "--:", "---"]),
    ];
    rows.extend(goals.iter().map(|goal| row(&goal.cells())));
    rows.push(String::new());
    rows.push(row(&["work", "server", "median", "spread", "unit", "CPU", "peak MiB"]));
    rows.push(row(&["---", "---", "--:", "--:", "---", "--:", "--:"]));
    for work in works {
        rows.extend(work.servers.iter().map(|series| row(&cells(work, series))));
    }
    rows.join("\n") + "\n"
}

fn cells(work: &Work, series: &Series) -> [String; 7] {
    let (low, high) = spread(&series.values);
    let figure = |value| figure(value).trim().to_owned();
    let (cost, peak) = if series.costs.is_empty() {
        (String::new(), String::new())
    } else {
        let cost = format!("{} {}", figure(median(&series.costs)), work.unit.cost());
        (cost.replace("CPU ", ""), (series.peak_memory >> 20).to_string())
    };
    let spread = format!("{} – {}", figure(low), figure(high));
    let median = figure(series.median());
    let unit = work.unit.name().to_owned();
    [work.name.clone(), series.server.clone(), median, spread, unit, cost, peak]
}

fn row(cells: &[impl AsRef<str>]) -> String {
    let cells: Vec<_> = cells.iter().map(AsRef::as_ref).collect();
    format!("| {} |", cells.join(" | "))
}
