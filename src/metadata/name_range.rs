//! Sets of repository names that lists and searches stay within.

/// A set of repository names that one index range covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameRange {
    All,
    /// Names that begin with this text.
    Prefix(String),
    Exact(String),
}

/// No name holds a character above `~`, or one as low as `!`.
const ABOVE_ALL: &str = "~";
const BELOW_ALL: &str = "!";

/// Names from one text on, up to but without another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    pub from: String,
    pub to: String,
}

impl From<&NameRange> for Span {
    fn from(range: &NameRange) -> Self {
        match range {
            NameRange::All => Self { from: String::new(), to: ABOVE_ALL.into() },
            NameRange::Prefix(prefix) => {
                Self { from: prefix.clone(), to: format!("{prefix}{ABOVE_ALL}") }
            }
            NameRange::Exact(name) => Self { from: name.clone(), to: format!("{name}{BELOW_ALL}") },
        }
    }
}

/// What the ranges cover after the name `last`, in ASCII order and each name once. A query for one
/// of these reads a piece of the index and nothing beside it; a query for all of them with `OR`
/// would read everything in between.
pub(super) fn spans(ranges: &[NameRange], last: Option<&str>) -> Vec<Span> {
    let after = last.map(|last| format!("{last}{BELOW_ALL}")).unwrap_or_default();
    let mut all: Vec<Span> = ranges.iter().map(Span::from).collect();
    all.sort_unstable_by(|one, other| (&one.from, &other.to).cmp(&(&other.from, &one.to)));
    let mut spans: Vec<Span> = Vec::new();
    for mut span in all {
        span.from = span.from.max(after.clone());
        // Of two ranges, one holds the other or they have no name in common.
        let is_held = spans.last().is_some_and(|before| span.to <= before.to);
        if span.from < span.to && !is_held {
            spans.push(span);
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(ranges: &[&str], last: Option<&str>) -> Vec<&'static str> {
        let names =
            ["a", "team", "team-a", "team/app", "team/app-2", "team/app/x", "team/z", "teams", "z"];
        let ranges: Vec<_> = ranges
            .iter()
            .map(|text| match text.strip_suffix('*') {
                Some("") => NameRange::All,
                Some(prefix) => NameRange::Prefix(prefix.into()),
                None => NameRange::Exact((*text).into()),
            })
            .collect();
        let spans = spans(&ranges, last);
        let within = |span: &Span, name: &str| *span.from <= *name && *name < *span.to;
        let names = |span| names.into_iter().filter(move |name| within(span, name));
        spans.iter().flat_map(names).collect()
    }

    #[test]
    fn each_name_is_found_once_and_in_order() {
        for (ranges, last, expected) in [
            (&["*"][..], Some("team/z"), &["teams", "z"][..]),
            (&["team/*"], None, &["team/app", "team/app-2", "team/app/x", "team/z"]),
            (&["team/*"], Some("team/app"), &["team/app-2", "team/app/x", "team/z"]),
            (&["team/*"], Some("teams"), &[]),
            (&["z", "team/app", "a"], None, &["a", "team/app", "z"]),
            (&["z", "team/app", "a"], Some("a"), &["team/app", "z"]),
            (&["team/app/*", "team/*", "team/app"], Some("team/app-2"), &["team/app/x", "team/z"]),
            (&["team/app", "team/app", "team/app/*"], None, &["team/app", "team/app/x"]),
            (
                &["team/*", "*"],
                Some("team"),
                &["team-a", "team/app", "team/app-2", "team/app/x", "team/z", "teams", "z"],
            ),
            (&[], None, &[]),
        ] {
            assert_eq!(found(ranges, last), expected, "{ranges:?} after {last:?}");
        }
    }
}
