//! A `Content-Range` that is accepted has its ends in order, and says what it was read as.
#![no_main]

use libfuzzer_sys::fuzz_target;
use orlop::http::byte_range::parse_chunk;

fuzz_target!(|text: &str| {
    let Some(range) = parse_chunk(text) else { return };
    assert!(range.first <= range.last && range.last < u64::MAX);
    assert_eq!(parse_chunk(&format!("{}-{}", range.first, range.last)), Some(range));
});
