//! What was stored over time: the part of the page of storage with the plots.

use std::borrow::Borrow;

use super::plot::{Plot, Unit, thin};
use crate::http::pages::error::PageError;
use crate::http::pages::format;
use crate::metadata::storage_samples::Sample;
use crate::registry::Registry;

/// Names of the times that can be shown, and their days.
const SPANS: [(&str, u32); 4] = [("Week", 7), ("Month", 30), ("Year", 366), ("All", 3 * 366)];

const DEFAULT: u32 = 30;

/// Points of a line, and rows of the table.
const POINTS: u64 = 240;
const ROWS: u64 = 48;

pub struct History {
    pub days: u32,
    /// Empty until there are two samples.
    pub plots: Vec<Plot>,
    pub rows: Vec<Sample>,
    pub from: String,
    pub to: String,
}

impl History {
    pub async fn read(registry: &Registry, days: Option<u32>) -> Result<Self, PageError> {
        let known = SPANS.iter().map(|(_, days)| *days);
        let days = known.into_iter().find(|span| Some(*span) == days).unwrap_or(DEFAULT);
        let samples = registry.storage_samples(days).await?;
        let end = |sample: Option<&Sample>| sample.map(|sample| hour(sample.at));
        Ok(Self {
            days,
            plots: plots(&thin(&samples, POINTS, |sample| sample.at)),
            rows: thin(&samples, ROWS, |sample| sample.at),
            from: end(samples.first()).unwrap_or_default(),
            to: end(samples.last()).unwrap_or_default(),
        })
    }

    pub fn spans(&self) -> &'static [(&'static str, u32)] {
        &SPANS
    }
}

fn plots(samples: &[Sample]) -> Vec<Plot> {
    if samples.len() < 2 {
        return Vec::new();
    }
    let plot = |id, title, unit, value: fn(&Sample) -> u64| {
        let points: Vec<_> = samples.iter().map(|sample| (sample.at, value(sample))).collect();
        Plot::new(id, title, unit, &points)
    };
    vec![
        plot("plot-size", "Stored", Unit::Bytes, |sample| sample.size),
        plot("plot-blobs", "Blobs", Unit::Things, |sample| sample.blobs),
        plot("plot-manifests", "Manifests", Unit::Things, |sample| sample.manifests),
        plot("plot-tags", "Tags", Unit::Things, |sample| sample.tags),
        plot("plot-repositories", "Repositories", Unit::Things, |sample| sample.repositories),
    ]
}

/// As in `2026-03-01 14:00`, UTC.
pub fn hour(micros: impl Borrow<i64>) -> String {
    let text = format::time(micros);
    format!("{} {}", &text[..10], &text[11..16])
}
