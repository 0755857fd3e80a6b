//! The parts that a `Range` asks for lie within the content, and are no more than all of it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use orlop::http::byte_range::Ranges;

fuzz_target!(|input: &str| {
    // The size of the content stands in the first line.
    let (size, text) = input.split_once('\n').unwrap_or(("", input));
    let size = size.parse().unwrap_or(1000);
    let Ranges::Parts(parts) = Ranges::parse(Some(text), size) else { return };
    assert!(!parts.is_empty());
    assert!(parts.iter().all(|part| part.start < part.end && part.end <= size));
    assert!(parts.iter().map(|part| u128::from(part.end - part.start)).sum::<u128>() <= size.into());
});
