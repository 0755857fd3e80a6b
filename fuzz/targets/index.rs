//! Any bytes are an index or refused, and nothing is taken for an index that an image is, or that
//! has layers (CVE-2021-41190).
#![no_main]

use libfuzzer_sys::fuzz_target;
use orlop::oci::{Manifest, ManifestKind, MediaType};
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let of = |text| Some(MediaType::parse(text).expect("it is one"));
    for index in [
        of("application/vnd.oci.image.index.v1+json"),
        of("application/vnd.docker.distribution.manifest.list.v2+json"),
    ] {
        let Ok(found) = Manifest::parse(index.as_ref(), bytes) else { continue };
        assert_eq!(found.kind, ManifestKind::Index);
        assert!(std::str::from_utf8(bytes).is_ok());
        // A number may be beyond what a value can hold.
        let Ok(json) = serde_json::from_slice::<Value>(bytes) else { continue };
        assert!(json["layers"].is_null() && json["config"].is_null() && json["fsLayers"].is_null());
        let image = of("application/vnd.oci.image.manifest.v1+json");
        assert!(Manifest::parse(image.as_ref(), bytes).is_err());
    }
});
