//! Pictures of numbers over time, as SVG. The numbers beside them are text of the page, so that they
//! stay readable however narrow the picture is drawn.

use std::fmt::Write as _;

use crate::http::pages::format;

/// Width and height of the drawing, in units that the page stretches.
const SIDE: u128 = 1000;

/// A value and when it held, in microseconds since 1970.
pub type Point = (i64, u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Bytes,
    Things,
}

impl Unit {
    fn text(self, value: u64) -> String {
        match self {
            Self::Bytes => format::size(value),
            Self::Things => format::count(value),
        }
    }

    /// What a step to the next name of the unit is.
    fn base(self) -> u64 {
        match self {
            Self::Bytes => 1024,
            Self::Things => 1000,
        }
    }

    /// A round number that is not below `value` and can be halved.
    fn round_up(self, value: u64) -> u64 {
        const STEPS: [u64; 9] = [2, 4, 10, 20, 40, 100, 200, 400, 1000];
        let mut unit: u64 = 1;
        loop {
            let step = STEPS.iter().map(|step| unit.saturating_mul(*step));
            if let Some(step) = step.into_iter().find(|step| *step >= value) {
                return step;
            }
            unit = unit.saturating_mul(self.base());
        }
    }
}

pub struct Plot {
    /// Of the elements of the picture.
    pub id: &'static str,
    pub title: &'static str,
    /// The last value.
    pub now: String,
    /// What the picture says, in words.
    pub description: String,
    /// Names of the axis, from above: its end, its middle.
    pub top: String,
    pub middle: String,
    /// SVG path of the line.
    pub line: String,
}

impl Plot {
    /// Of at least two points, in the order of their time.
    pub fn new(id: &'static str, title: &'static str, unit: Unit, points: &[Point]) -> Self {
        let (first, last) = (points[0], points[points.len() - 1]);
        let highest = points.iter().map(|(_, value)| *value).max().unwrap_or_default();
        let lowest = points.iter().map(|(_, value)| *value).min().unwrap_or_default();
        let top = unit.round_up(highest);
        let text = |value| unit.text(value);
        Self {
            id,
            title,
            now: text(last.1),
            description: format!(
                "From {} on {} to {} on {}; between {} and {}.",
                text(first.1),
                day(first.0),
                text(last.1),
                day(last.0),
                text(lowest),
                text(highest)
            ),
            top: text(top),
            middle: text(top / 2),
            line: line(points, top),
        }
    }
}

fn line(points: &[Point], top: u64) -> String {
    let (from, to) = (points[0].0, points[points.len() - 1].0);
    let span = u128::from(to.abs_diff(from)).max(1);
    let mut path = String::new();
    for (n, (at, value)) in points.iter().enumerate() {
        let x = u128::from(at.abs_diff(from)) * SIDE / span;
        let y = SIDE - u128::from(*value) * SIDE / u128::from(top.max(1));
        _ = write!(path, "{}{x} {y}", if n == 0 { 'M' } else { 'L' });
    }
    path
}

/// The day of a time, as in `2026-03-01`.
pub fn day(micros: i64) -> String {
    format::time(micros).chars().take(10).collect()
}

/// At most about `most` of the items, the last of each stretch of time, and the very first.
pub fn thin<T: Clone>(items: &[T], most: u64, at: impl Fn(&T) -> i64) -> Vec<T> {
    let (Some(first), Some(last)) = (items.first(), items.last()) else { return Vec::new() };
    let span = u128::from(at(last).abs_diff(at(first))).max(1);
    let stretch = |item: &T| u128::from(at(item).abs_diff(at(first))) * u128::from(most - 1) / span;
    let is_last =
        |n: usize| items.get(n + 1).is_none_or(|next| stretch(next) != stretch(&items[n]));
    let kept = items.iter().enumerate().filter(|(n, _)| *n == 0 || is_last(*n));
    kept.map(|(_, item)| item.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_ends_at_a_round_number() {
        for (value, things) in [(0, 2), (2, 2), (3, 4), (11, 20), (401, 1000), (1001, 2000)] {
            assert_eq!(Unit::Things.round_up(value), things);
        }
        assert_eq!(Unit::Bytes.text(Unit::Bytes.round_up(3 << 30)), "4.0 GiB");
        assert_eq!(Unit::Bytes.round_up(1001), 2048);
        assert!(Unit::Things.round_up(u64::MAX) == u64::MAX);
    }

    #[test]
    fn a_line_goes_from_edge_to_edge_and_up_for_more() {
        let plot = Plot::new("x", "X", Unit::Things, &[(5, 0), (10, 4), (15, 1)]);
        assert_eq!(plot.line, "M0 1000L500 0L1000 750");
        assert_eq!((&*plot.top, &*plot.middle, &*plot.now), ("4", "2", "1"));
        let flat = Plot::new("x", "X", Unit::Bytes, &[(0, 0), (1, 0)]);
        assert_eq!(flat.line, "M0 1000L1000 1000");
    }

    #[test]
    fn many_points_are_thinned_out_and_the_ends_stay() {
        let items: Vec<i64> = (0..1000).collect();
        let thin = thin(&items, 10, |n| *n);
        assert_eq!((thin.len(), thin[0], thin[thin.len() - 1]), (11, 0, 999));
        assert!(
            super::thin(&[7], 10, |n| *n) == [7] && super::thin(&[0; 0], 10, |n| *n).is_empty()
        );
    }
}
