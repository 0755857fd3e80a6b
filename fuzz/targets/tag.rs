//! A tag that is accepted comes out as it went in, and is safe in a path, a URL and a header; a
//! pattern without a star matches itself alone.
#![no_main]

use libfuzzer_sys::fuzz_target;
use orlop::oci::{Tag, TagPattern};

fuzz_target!(|text: &str| {
    let pattern = TagPattern::parse(text);
    let Ok(tag) = Tag::parse(text) else { return };
    assert_eq!(tag.as_str(), text);
    assert!((1..=128).contains(&text.len()) && !text.starts_with(['.', '-']));
    assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)));
    assert!(pattern.is_ok_and(|pattern| pattern.matches(&tag)));
});
