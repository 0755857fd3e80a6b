//! What an artifact is, in a word or two: what its types say, and where they say too little, its
//! annotations, layers or tag.

use std::collections::BTreeMap;
use std::fmt;

use crate::metadata::overviews::ManifestGlance;
use crate::oci::Descriptor;
use crate::registry::{Inspection, TagGlance};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Image,
    MultiPlatform,
    HelmChart,
    Signature,
    Sbom,
    Attestation,
    WebAssembly,
    Model,
    Artifact,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Image => "Image",
            Self::MultiPlatform => "Multi-platform",
            Self::HelmChart => "Helm chart",
            Self::Signature => "Signature",
            Self::Sbom => "SBOM",
            Self::Attestation => "Attestation",
            Self::WebAssembly => "WebAssembly",
            Self::Model => "Model",
            Self::Artifact => "Artifact",
        })
    }
}

/// Parts of artifact types, config types and types of layers. Signatures and what they sign come
/// before the formats that they may be written in.
const KNOWN: [(&str, Kind); 14] = [
    ("vnd.cncf.helm.config", Kind::HelmChart),
    ("cosign", Kind::Signature),
    ("sigstore.bundle", Kind::Signature),
    ("cncf.notary.signature", Kind::Signature),
    ("spdx", Kind::Sbom),
    ("cyclonedx", Kind::Sbom),
    ("in-toto", Kind::Attestation),
    ("slsa", Kind::Attestation),
    ("dsse", Kind::Attestation),
    ("wasm", Kind::WebAssembly),
    ("cncf.model", Kind::Model),
    ("cnai", Kind::Model),
    ("vnd.docker.container.image", Kind::Image),
    ("vnd.oci.image.config", Kind::Image),
];

/// Where an attestation says of what kind its predicate is: in a Sigstore bundle, in an older one of
/// cosign, in one of BuildKit.
const PREDICATE_TYPES: [&str; 3] =
    ["dev.sigstore.bundle.predicateType", "predicateType", "in-toto.io/predicate-type"];

impl Kind {
    pub fn of_types(artifact: Option<&str>, config: Option<&str>, media_type: &str) -> Self {
        let is_index = media_type.contains("image.index") || media_type.contains("manifest.list");
        match named([artifact, config].into_iter().flatten()) {
            None | Some(Self::Image) if is_index => Self::MultiPlatform,
            found => found.unwrap_or(Self::Artifact),
        }
    }

    pub fn of_glance(glance: &ManifestGlance) -> Self {
        let (artifact, config) = (&glance.artifact_type, &glance.config_media_type);
        Self::of_types(artifact.as_deref(), config.as_deref(), &glance.media_type)
    }

    /// Of what a tag names. Signatures of an older form have the types of an image.
    pub fn of_tag(tag: &TagGlance) -> Self {
        of_cosign_tag(tag.record.name.as_str()).unwrap_or_else(|| Self::of_glance(&tag.manifest))
    }

    pub fn of_manifest(found: &Inspection) -> Self {
        let (record, manifest) = (&found.details.record, &found.details.manifest);
        let (artifact, config) = (&record.artifact_type, &record.config_media_type);
        let media_type = record.media_type.as_str();
        match Self::of_types(artifact.as_deref(), config.as_deref(), media_type) {
            Self::Image => of_layers(&manifest.layers).unwrap_or(Self::Image),
            kind => kind.stating(predicate_type(&manifest.annotations)),
        }
    }

    /// Of what refers to a manifest.
    pub fn of_referrer(descriptor: &Descriptor) -> Self {
        let artifact_type = descriptor.artifact_type.as_deref();
        let kind = Self::of_types(artifact_type, None, descriptor.media_type.as_str());
        kind.stating(descriptor.annotations.as_ref().and_then(predicate_type))
    }

    /// With a predicate of this type: Sigstore's bundles hold signatures and attestations alike.
    fn stating(self, predicate_type: Option<&str>) -> Self {
        match predicate_type {
            Some(predicate) if matches!(self, Self::Signature | Self::Attestation) => {
                of_predicate(predicate)
            }
            _ => self,
        }
    }
}

fn named<'a>(types: impl Iterator<Item = &'a str> + Clone) -> Option<Kind> {
    let is_of = |part: &str| types.clone().any(|text| text.contains(part));
    KNOWN.iter().find(|(part, _)| is_of(part)).map(|(_, kind)| *kind)
}

fn of_predicate(predicate_type: &str) -> Kind {
    let has = |part: &str| predicate_type.to_ascii_lowercase().contains(part);
    if has("sigstore.dev/cosign/sign") {
        Kind::Signature
    } else if has("spdx") || has("cyclonedx") {
        Kind::Sbom
    } else {
        Kind::Attestation
    }
}

/// What is stated about something, if these are the annotations of an attestation.
pub fn predicate_type(annotations: &BTreeMap<String, String>) -> Option<&str> {
    PREDICATE_TYPES.iter().find_map(|name| annotations.get(*name)).map(String::as_str)
}

/// What looks like an image by its config, but is something else by all of its layers.
fn of_layers(layers: &[Descriptor]) -> Option<Kind> {
    let kind = |layer: &Descriptor| {
        let found = named(std::iter::once(layer.media_type.as_str()));
        let found = found.filter(|kind| !matches!(kind, Kind::Image | Kind::WebAssembly))?;
        Some(found.stating(layer.annotations.as_ref().and_then(predicate_type)))
    };
    let kinds: Option<Vec<_>> = layers.iter().map(kind).collect();
    let (first, others) = kinds.as_deref()?.split_first()?;
    Some(if others.iter().all(|kind| kind == first) { *first } else { Kind::Attestation })
}

/// Older forms of cosign stand under a tag that is made of the digest of what they belong to.
fn of_cosign_tag(tag: &str) -> Option<Kind> {
    let (hex, suffix) = tag.strip_prefix("sha256-")?.split_once('.')?;
    let is_digest = hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    COSIGN_TAGS.iter().find(|(known, _)| is_digest && suffix == *known).map(|(_, kind)| *kind)
}

/// The ends of such tags.
pub const COSIGN_TAGS: [(&str, Kind); 3] =
    [("sig", Kind::Signature), ("att", Kind::Attestation), ("sbom", Kind::Sbom)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_artifact_is_follows_from_its_types() {
        let index = "application/vnd.oci.image.index.v1+json";
        let manifest = "application/vnd.oci.image.manifest.v1+json";
        let image = Some("application/vnd.oci.image.config.v1+json");
        let helm = Some("application/vnd.cncf.helm.config.v1+json");
        let model = Some("application/vnd.cncf.model.manifest.v1+json");
        let cases = [
            (None, helm, manifest, Kind::HelmChart),
            (None, None, index, Kind::MultiPlatform),
            (None, image, manifest, Kind::Image),
            (Some("application/spdx+json"), None, manifest, Kind::Sbom),
            (Some("application/vnd.example"), None, manifest, Kind::Artifact),
            (model, Some("application/vnd.cncf.model.config.v1+json"), manifest, Kind::Model),
            (None, Some("application/vnd.wasm.config.v0+json"), manifest, Kind::WebAssembly),
        ];
        for (artifact, config, media_type, expected) in cases {
            assert_eq!(Kind::of_types(artifact, config, media_type), expected);
        }
    }

    #[test]
    fn a_bundle_is_what_it_states() {
        let cases = [
            (None, Kind::Signature),
            (Some("https://sigstore.dev/cosign/sign/v1"), Kind::Signature),
            (Some("https://slsa.dev/provenance/v1"), Kind::Attestation),
            (Some("https://spdx.dev/Document"), Kind::Sbom),
            (Some("https://cyclonedx.org/bom"), Kind::Sbom),
        ];
        for (predicate_type, expected) in cases {
            assert_eq!(Kind::Signature.stating(predicate_type), expected);
            assert_eq!(Kind::Image.stating(predicate_type), Kind::Image);
        }
    }

    #[test]
    fn cosigns_own_tags_are_told_from_others() {
        let digest = "0123456789abcdef".repeat(4);
        let of = |tag: String| of_cosign_tag(&tag);
        assert_eq!(of(format!("sha256-{digest}.sig")), Some(Kind::Signature));
        assert_eq!(of(format!("sha256-{digest}.att")), Some(Kind::Attestation));
        assert_eq!(of(format!("sha256-{digest}.sbom")), Some(Kind::Sbom));
        for other in ["1.0".into(), "sha256-x.sig".into(), format!("sha256-{digest}.other")] {
            assert_eq!(of(other), None);
        }
    }
}
