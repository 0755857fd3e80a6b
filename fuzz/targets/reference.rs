//! What is accepted as a reference is a tag or a digest, never both.
#![no_main]

use libfuzzer_sys::fuzz_target;
use orlop::oci::{Digest, Reference, Tag};

fuzz_target!(|text: &str| {
    let (tag, digest) = (Tag::parse(text), Digest::parse(text));
    match Reference::parse(text) {
        Ok(Reference::Tag(found)) => assert!(tag.is_ok_and(|tag| tag == found) && digest.is_err()),
        Ok(Reference::Digest(found)) => assert!(digest.is_ok_and(|it| it == found) && tag.is_err()),
        Err(_) => assert!(tag.is_err() && digest.is_err()),
    }
});
