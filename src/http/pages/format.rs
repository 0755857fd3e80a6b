//! How pages write sizes, times, digests and addresses.

use std::borrow::{Borrow, Cow};
use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::http::access::views;
use crate::metadata::{Attributes, now};
use crate::oci::RepositoryName;
use crate::registry::{FileKind, LayerFile};

/// Of this program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

const SEGMENT: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');

/// As in `3.4 MiB`.
pub fn size(bytes: impl Borrow<u64>) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let bytes = *bytes.borrow();
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "it is rounded to three digits")]
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(value < 99.95);
    format!("{value:.digits$} {}", UNITS[unit])
}

/// As `size`, of what rows count in.
pub fn count(number: impl std::fmt::Display) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// RFC 3339.
pub fn time(micros: impl Borrow<i64>) -> String {
    views::time(*micros.borrow())
}

/// As in `3 hours ago`.
pub fn ago(micros: impl Borrow<i64>) -> String {
    let seconds = (now() - micros.borrow()) / 1_000_000;
    if seconds < 0 { format!("in {}", span(-seconds)) } else { past(seconds) }
}

fn past(seconds: i64) -> String {
    if seconds < 10 { "just now".into() } else { format!("{} ago", span(seconds)) }
}

/// As in `3 hours`.
pub fn span(seconds: i64) -> String {
    const UNITS: [(i64, &str); 6] = [
        (365 * 86_400, "year"),
        (30 * 86_400, "month"),
        (86_400, "day"),
        (3600, "hour"),
        (60, "minute"),
        (1, "second"),
    ];
    let (length, name) =
        UNITS.into_iter().find(|(length, _)| seconds >= *length).unwrap_or((1, "second"));
    let number = seconds / length;
    format!("{number} {name}{}", if number == 1 { "" } else { "s" })
}

/// The first characters of a digest, enough to tell it from others by eye.
pub fn short(digest: impl std::fmt::Display) -> String {
    let text = digest.to_string();
    let (algorithm, hex) = text.split_once(':').unwrap_or(("", &text));
    let hex: String = hex.chars().take(12).collect();
    if algorithm == "sha256" { hex } else { format!("{algorithm}:{hex}") }
}

/// The text, or its beginning if it has more characters than that.
pub fn cut(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        None => text.into(),
        Some((end, _)) => format!("{}…", &text[..end]).into(),
    }
}

/// The page of a repository.
pub fn repository(name: &RepositoryName) -> String {
    format!("/r/{name}")
}

/// A page of what belongs to a repository.
pub fn within(name: &RepositoryName, kind: &str, what: impl std::fmt::Display) -> String {
    format!("/r/{name}/-/{kind}/{}", segment(&what.to_string()))
}

pub fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// `path?name=value&…`, without those that are empty.
pub fn with_query(path: &str, pairs: &[(&str, &str)]) -> String {
    let mut text = path.to_owned();
    let given = pairs.iter().filter(|(_, value)| !value.is_empty());
    for (n, (name, value)) in given.enumerate() {
        let separator = if n == 0 { '?' } else { '&' };
        _ = write!(text, "{separator}{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC));
    }
    text
}

/// What is switched off, in the words of a person.
pub fn locks(attributes: &Attributes) -> Vec<&'static str> {
    let switched_off = [
        (attributes.delete_enabled, "no delete"),
        (attributes.write_enabled, "no write"),
        (attributes.read_enabled, "no read"),
        (attributes.list_enabled, "not listed"),
    ];
    switched_off.into_iter().filter(|(is_on, _)| !is_on).map(|(_, word)| word).collect()
}

/// Permissions as `ls` writes them.
pub fn mode(file: &LayerFile) -> String {
    let mut text = String::from(match file.kind {
        FileKind::Folder => "d",
        FileKind::Link => "l",
        FileKind::File | FileKind::Whiteout | FileKind::Other => "-",
    });
    for shift in [6, 3, 0] {
        let bits = file.mode >> shift;
        text.push(if bits & 4 == 0 { '-' } else { 'r' });
        text.push(if bits & 2 == 0 { '-' } else { 'w' });
        text.push(if bits & 1 == 0 { '-' } else { 'x' });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_digits_at_most() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_048_575, "1.0 MiB"),
            (150 << 20, "150 MiB"),
            (u64::MAX, "16.0 EiB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöü", 2), "äö…");
    }

    #[test]
    fn ages_are_told_in_the_largest_unit() {
        assert_eq!(past(3), "just now");
        assert_eq!(past(60), "1 minute ago");
        assert_eq!(past(7199), "1 hour ago");
        assert_eq!(past(800 * 86_400), "2 years ago");
    }

    #[test]
    fn a_query_holds_what_is_given_and_nothing_breaks_out() {
        let query = [("q", "a&b=\"c\""), ("none", ""), ("n", "1")];
        assert_eq!(with_query("/x", &query), "/x?q=a%26b%3D%22c%22&n=1");
    }
}
