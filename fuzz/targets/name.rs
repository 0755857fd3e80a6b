//! A name that is accepted comes out as it went in, and is safe in a path, a URL and a header.
#![no_main]

use libfuzzer_sys::fuzz_target;
use orlop::oci::RepositoryName;

fuzz_target!(|text: &str| {
    let Ok(name) = RepositoryName::parse(text) else { return };
    assert_eq!(name.as_str(), text);
    assert!(text.len() <= 255 && !text.contains("..") && !text.contains("//"));
    assert!(text.split('/').all(|part| part.starts_with(|c: char| c.is_ascii_alphanumeric())));
    assert!(text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-/".contains(&b)));
});
