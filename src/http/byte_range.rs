//! `Range` of downloads (RFC 9110, section 14) and `Content-Range` of upload chunks
//! (distribution-spec, "Pushing a blob in chunks").

use std::ops::Range;

use crate::registry::ChunkRange;

/// Ranges that one request may ask for; with more, it gets the whole.
const MAX_RANGES: usize = 256;

/// What a `Range` header asks of content of a known size.
#[derive(Debug, PartialEq, Eq)]
pub enum Ranges {
    /// All of it: there is no header, it is of another unit, or asks for more than all.
    Whole,
    /// These parts, at least one, each within the content and not empty.
    Parts(Vec<Range<u64>>),
    /// Nothing of it is in the content, or the header makes no sense.
    Unsatisfiable,
}

impl Ranges {
    pub fn parse(header: Option<&str>, size: u64) -> Self {
        let Some(specs) = header.and_then(|text| text.trim().strip_prefix("bytes=")) else {
            return Self::Whole;
        };
        let mut parts = Vec::new();
        for (n, spec) in specs.split(',').map(str::trim).enumerate() {
            if n >= MAX_RANGES {
                return Self::Whole;
            }
            match parse_range(spec, size) {
                Ok(Some(part)) => parts.push(part),
                Ok(None) => {}
                Err(()) => return Self::Unsatisfiable,
            }
        }
        if parts.is_empty() {
            return Self::Unsatisfiable;
        }
        // Overlapping ranges are of no use but to make an answer larger than the content.
        let length =
            parts.iter().fold(0, |sum: u64, part| sum.saturating_add(part.end - part.start));
        if length > size { Self::Whole } else { Self::Parts(parts) }
    }
}

/// `a-b`, `a-` or `-n`; none if it lies outside of the content.
fn parse_range(spec: &str, size: u64) -> Result<Option<Range<u64>>, ()> {
    let (first, last) = spec.split_once('-').ok_or(())?;
    let range = match (first, last) {
        ("", length) => size.saturating_sub(number(length)?)..size,
        (first, "") => number(first)?..size,
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return Err(());
            }
            first..last.saturating_add(1).min(size)
        }
    };
    Ok((!range.is_empty()).then_some(range))
}

/// Digits alone; beyond 64 bits it is the largest number, which lies outside of any content.
fn number(text: &str) -> Result<u64, ()> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(());
    }
    Ok(text.parse().unwrap_or(u64::MAX))
}

/// Reads the `Content-Range` of a chunk: `<first>-<last>`; some clients write it as HTTP does,
/// `bytes <first>-<last>/*`.
pub fn parse_chunk(header: &str) -> Option<ChunkRange> {
    let text = header.trim();
    let text = text.strip_prefix("bytes ").or_else(|| text.strip_prefix("bytes=")).unwrap_or(text);
    let text = text.split('/').next().unwrap_or_default();
    let (first, last) = text.split_once('-')?;
    let parse = |text: &str| number(text).ok().filter(|n| *n < u64::MAX);
    let range = ChunkRange { first: parse(first)?, last: parse(last)? };
    (range.first <= range.last).then_some(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(header: &str) -> Ranges {
        Ranges::parse(Some(header), 10)
    }

    fn one(range: Range<u64>) -> Ranges {
        Ranges::Parts(std::iter::once(range).collect())
    }

    #[test]
    fn ranges_are_cut_to_the_content() {
        assert_eq!(parts("bytes=0-3"), one(0..4));
        assert_eq!(parts("bytes=4-"), one(4..10));
        assert_eq!(parts("bytes=-4"), one(6..10));
        assert_eq!(parts("bytes=-99"), one(0..10));
        assert_eq!(parts("bytes=9-99999999999999999999999"), one(9..10));
        assert_eq!(parts("bytes=0-0, 20-30, -1"), Ranges::Parts(vec![0..1, 9..10]));
    }

    #[test]
    fn ranges_outside_or_without_sense_cannot_be_served() {
        for header in [
            "bytes=10-",
            "bytes=20-30",
            "bytes=5-0",
            "bytes=-0",
            "bytes=",
            "bytes=x-y",
            "bytes=1",
            "bytes=+1-2",
            "bytes=--1",
        ] {
            assert_eq!(parts(header), Ranges::Unsatisfiable, "{header}");
        }
        assert_eq!(Ranges::parse(Some("bytes=0-0"), 0), Ranges::Unsatisfiable);
    }

    #[test]
    fn without_a_range_of_bytes_or_with_too_many_all_is_served() {
        assert_eq!(Ranges::parse(None, 10), Ranges::Whole);
        assert_eq!(parts("lines=1-2"), Ranges::Whole);
        assert_eq!(parts("bytes=0-,0-"), Ranges::Whole);
        assert_eq!(parts("bytes=0-4,5-"), Ranges::Parts(vec![0..5, 5..10]));
        let many = format!("bytes={}0-0", "0-0,".repeat(MAX_RANGES));
        assert_eq!(parts(&many), Ranges::Whole);
    }

    #[test]
    fn chunks_come_in_two_forms() {
        let range = Some(ChunkRange { first: 5, last: 9 });
        assert_eq!(parse_chunk("5-9"), range);
        assert_eq!(parse_chunk("bytes 5-9/*"), range);
        for header in ["", "5", "9-5", "a-b", "-5", "5-", "5-9-10", "0-18446744073709551615"] {
            assert_eq!(parse_chunk(header), None, "{header}");
        }
    }

    proptest::proptest! {
        #[test]
        fn every_part_lies_within_the_content(
            header in "bytes=([0-9]{0,20}-[0-9]{0,20},?){0,5}|.{0,30}",
            size in 0u64..100,
        ) {
            if let Ranges::Parts(parts) = Ranges::parse(Some(&header), size) {
                proptest::prop_assert!(!parts.is_empty());
                let length: u64 = parts.iter().map(|part| part.end - part.start).sum();
                proptest::prop_assert!(length <= size);
                for part in parts {
                    proptest::prop_assert!(part.start < part.end && part.end <= size);
                }
            }
        }

        #[test]
        fn ranges_and_chunks_come_out_as_they_went_in(first: u32, length in 1u64..1 << 40) {
            let first = u64::from(first);
            let last = first + length - 1;
            let found = Ranges::parse(Some(&format!("bytes={first}-{last}")), u64::MAX);
            proptest::prop_assert_eq!(found, one(first..last + 1));
            let found = parse_chunk(&format!("{first}-{last}"));
            proptest::prop_assert_eq!(found, Some(ChunkRange { first, last }));
        }

        #[test]
        fn any_chunk_is_read_or_refused(header in "[0-9]{0,22}-?[0-9]{0,22}|.{0,30}") {
            if let Some(range) = parse_chunk(&header) {
                proptest::prop_assert!(range.first <= range.last);
            }
        }
    }
}
