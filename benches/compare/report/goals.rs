//! What the project wants to reach, as ratios of medians within one run.

use std::fmt;

use serde_json::{Value, json};

use super::Report;
use crate::effort::Effort;
use crate::servers::{DISTRIBUTION, Nginx};
use crate::work::names;

const TOKEN: &str = "orlop, token";

pub struct Goal {
    work: String,
    against: &'static str,
    limit: Limit,
    /// None if it was not measured.
    ratio: Option<f64>,
}

#[derive(Clone, Copy)]
enum Limit {
    AtLeast(f64),
    AtMost(f64),
}

use Limit::{AtLeast, AtMost};

impl Goal {
    /// Of Orlop's number in a work and another server's.
    fn against(report: &Report, work: &str, other: &'static str, limit: Limit) -> Self {
        let ratio = report
            .median(work, TOKEN)
            .zip(report.median(work, other))
            .map(|(orlop, other)| orlop / other);
        Self { work: work.to_owned(), against: other, limit, ratio }
    }

    fn is_reached(&self) -> Option<bool> {
        Some(match self.limit {
            AtLeast(limit) => self.ratio? >= limit,
            AtMost(limit) => self.ratio? <= limit,
        })
    }

    pub fn json(&self) -> Value {
        let limit = match self.limit {
            AtLeast(limit) => json!({"at_least": limit}),
            AtMost(limit) => json!({"at_most": limit}),
        };
        json!({
            "work": self.work, "against": self.against, "goal": limit,
            "ratio": self.ratio, "reached": self.is_reached(),
        })
    }
}

impl Goal {
    /// Work, against what, ratio, goal, verdict.
    pub fn cells(&self) -> [String; 5] {
        let limit = match self.limit {
            AtLeast(limit) => format!("≥ {limit}"),
            AtMost(limit) => format!("≤ {limit}"),
        };
        let verdict = match self.is_reached() {
            Some(true) => "reached",
            Some(false) => "missed",
            None => "not measured",
        };
        let ratio = self.ratio.map_or("–".into(), |ratio| format!("{ratio:.2}"));
        [self.work.clone(), self.against.to_owned(), ratio, limit, verdict.to_owned()]
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [work, against, ratio, limit, verdict] = self.cells();
        write!(to, "  {work:<48} : {against:<28} {ratio:>7}   {limit:<6} {verdict}")
    }
}

/// Orlop's ratios with a token, as far as they were measured.
pub fn of(report: &Report, effort: Effort) -> Vec<Goal> {
    let against = |work: &str, other, limit| Goal::against(report, work, other, limit);
    let huge = names::put(effort.huge, 1);
    let mut goals = vec![
        against(names::GET_TAG, DISTRIBUTION, AtLeast(20.0)),
        against(names::GET_TAG, Nginx::NAME, AtLeast(0.5)),
        against(&names::get_small_blob(32), DISTRIBUTION, AtLeast(20.0)),
        against(&names::get_large_blob(effort.large, 1), Nginx::NAME, AtLeast(0.9)),
        against(&names::get_large_blob(effort.large, 4), Nginx::NAME, AtLeast(0.9)),
        slower_limit(report, &huge),
        against(&huge, DISTRIBUTION, AtLeast(3.0)),
        against(&names::push_artifacts(effort.artifacts), DISTRIBUTION, AtLeast(3.0)),
        against(&names::peak_of_puts(effort.crowd), DISTRIBUTION, AtMost(0.5)),
        against(names::COLD_START, DISTRIBUTION, AtMost(1.0)),
    ];
    let [few, many] = effort.list_sizes;
    goals.extend(names::LISTS.iter().map(|list| {
        let pages = |size| report.median(&names::page(list, size), TOKEN);
        let ratio = pages(few).zip(pages(many)).map(|(few, many)| many / few);
        let work = format!("time of {}", names::page(list, many));
        Goal { work, against: "the same in few", limit: AtMost(1.5), ratio }
    }));
    goals
}

/// Against the slower of hashing the bytes and writing them durably.
fn slower_limit(report: &Report, work: &str) -> Goal {
    let limits = [names::SHA256, names::WRITE].map(|limit| report.median(work, limit));
    let ratio = report.median(work, TOKEN).and_then(|orlop| {
        Some(orlop / limits.into_iter().collect::<Option<Vec<_>>>()?.into_iter().reduce(f64::min)?)
    });
    Goal { work: work.to_owned(), against: "the slower limit", limit: AtLeast(0.8), ratio }
}
