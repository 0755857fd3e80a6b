//! A digest that is accepted comes out as it went in, and names a file that lies where it should.
#![no_main]

use libfuzzer_sys::fuzz_target;
use orlop::oci::Digest;

fuzz_target!(|text: &str| {
    let Ok(digest) = Digest::parse(text) else { return };
    assert_eq!(digest.as_str(), text);
    assert_eq!(format!("{}:{}", digest.algorithm().as_str(), digest.hex()), text);
    assert!(digest.hex().len() >= 64 && digest.hex().bytes().all(|b| b.is_ascii_hexdigit()));
});
