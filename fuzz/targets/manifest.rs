//! Any bytes are a manifest or refused, and no two media types take the same bytes for different
//! things.
#![no_main]

use libfuzzer_sys::fuzz_target;
use orlop::oci::{Manifest, ManifestKind, MediaType};

fuzz_target!(|bytes: &[u8]| {
    let Ok(found) = Manifest::parse(None, bytes) else { return };
    assert_eq!(found.references().count(), {
        let config = usize::from(found.config.is_some());
        config + found.layers.len() + found.manifests.len()
    });
    match found.kind {
        ManifestKind::Image => assert!(found.config.is_some() && found.manifests.is_empty()),
        ManifestKind::Index => assert!(found.config.is_none() && found.layers.is_empty()),
        ManifestKind::Artifact => assert!(found.config.is_none() && found.manifests.is_empty()),
    }
    let named = Manifest::parse(Some(&found.media_type), bytes);
    assert_eq!(named.map(|manifest| manifest.kind).ok(), Some(found.kind));
    let index = MediaType::parse("application/vnd.oci.image.index.v1+json").expect("it is one");
    if let Ok(other) = Manifest::parse(Some(&index), bytes) {
        assert_eq!(other.kind, found.kind);
    }
});
