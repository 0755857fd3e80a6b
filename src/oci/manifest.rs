use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Descriptor, MediaType};

/// What a manifest says, as far as a registry must know it. The bytes themselves stay with the
/// caller: they are stored and served exactly as they came.
#[derive(Clone, Debug)]
pub struct Manifest {
    pub media_type: MediaType,
    pub kind: ManifestKind,
    /// What the artifact is; an image manifest without `artifactType` takes its config's type
    /// (distribution-spec, "Listing Referrers").
    pub artifact_type: Option<String>,
    pub config: Option<Descriptor>,
    /// The layers of an image, or the blobs of an artifact manifest.
    pub layers: Vec<Descriptor>,
    /// The children of an index.
    pub manifests: Vec<Descriptor>,
    pub subject: Option<Descriptor>,
    pub annotations: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManifestKind {
    /// OCI image manifest or Docker schema 2: a config and layers.
    Image,
    /// OCI image index or Docker manifest list: other manifests.
    Index,
    /// OCI artifact manifest (withdrawn before image-spec 1.1, still pushed by old clients).
    Artifact,
}

/// Why a manifest points at something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReferenceRole {
    Config,
    Layer,
    Manifest,
}

impl ReferenceRole {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Layer => "layer",
            Self::Manifest => "manifest",
        }
    }
}

/// Levels of nesting that a manifest may have; clients that parse it recurse as deep.
const MAX_DEPTH: usize = 100;

#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("the manifest is not valid JSON of its type: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the Content-Type is {header}, but the manifest's own mediaType is {body}")]
    MediaTypesDisagree { header: MediaType, body: MediaType },
    #[error(
        "{0} is not a manifest type that this registry knows: push an OCI image manifest or index, \
         or a Docker schema 2 manifest or list"
    )]
    UnknownMediaType(MediaType),
    #[error("the manifest is not UTF-8 text, as JSON must be")]
    NotText,
    #[error("the manifest is nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    #[error("Docker schema 1 manifests are not supported: push schema 2 or OCI")]
    SchemaOne,
    #[error("schemaVersion must be 2")]
    SchemaVersion,
    #[error("the manifest names no mediaType, and its shape is that of no known type")]
    Unrecognized,
    #[error("a manifest of type {media_type} must not have {field:?}")]
    FieldNotAllowed { media_type: MediaType, field: &'static str },
    #[error("a manifest of type {media_type} must have {field:?}")]
    FieldMissing { media_type: MediaType, field: &'static str },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    schema_version: Option<u32>,
    media_type: Option<MediaType>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    blobs: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
    annotations: Option<BTreeMap<String, String>>,
    // Of Docker schema 1; never read, only noticed.
    fs_layers: Option<serde::de::IgnoredAny>,
}

impl Manifest {
    /// Reads a manifest. Header, `mediaType` and shape must agree, so that no two readers take the
    /// same bytes for different things (CVE-2021-41190).
    ///
    /// # Errors
    /// [`ManifestError`] says what is wrong with it.
    pub fn parse(content_type: Option<&MediaType>, bytes: &[u8]) -> Result<Self, ManifestError> {
        if content_type.is_some_and(is_schema_one) {
            return Err(ManifestError::SchemaOne);
        }
        if depth(bytes) > MAX_DEPTH {
            return Err(ManifestError::TooDeep);
        }
        // Where a value is skipped, serde_json does not look at its bytes.
        let text = std::str::from_utf8(bytes).map_err(|_| ManifestError::NotText)?;
        let body: Body = serde_json::from_str(text)?;
        if body.fs_layers.is_some() || body.media_type.as_ref().is_some_and(is_schema_one) {
            return Err(ManifestError::SchemaOne);
        }
        let media_type = match (content_type, &body.media_type) {
            (Some(header), Some(own)) if header != own => {
                return Err(ManifestError::MediaTypesDisagree {
                    header: header.clone(),
                    body: own.clone(),
                });
            }
            (Some(named), _) | (None, Some(named)) => named.clone(),
            (None, None) => body.type_by_shape()?,
        };
        let kind = ManifestKind::of(&media_type)
            .ok_or_else(|| ManifestError::UnknownMediaType(media_type.clone()))?;
        body.check_shape(&media_type, kind)?;
        let artifact_type = body
            .artifact_type
            .filter(|text| !text.is_empty())
            .or_else(|| body.config.as_ref().map(|config| config.media_type.as_str().to_owned()));
        Ok(Self {
            media_type,
            kind,
            artifact_type,
            config: body.config,
            layers: body.layers.or(body.blobs).unwrap_or_default(),
            manifests: body.manifests.unwrap_or_default(),
            subject: body.subject,
            annotations: body.annotations.unwrap_or_default(),
        })
    }

    /// Everything the manifest is made of, in its own order; the subject is no part of it.
    pub fn references(&self) -> impl Iterator<Item = (ReferenceRole, &Descriptor)> {
        let config = self.config.iter().map(|d| (ReferenceRole::Config, d));
        let layers = self.layers.iter().map(|d| (ReferenceRole::Layer, d));
        let children = self.manifests.iter().map(|d| (ReferenceRole::Manifest, d));
        config.chain(layers).chain(children)
    }

    /// Bytes of everything it is made of, as its descriptors state them.
    pub fn content_size(&self) -> u64 {
        self.references().fold(0u64, |sum, (_, descriptor)| sum.saturating_add(descriptor.size))
    }
}

impl ManifestKind {
    /// None if no manifest has this type.
    pub fn of(media_type: &MediaType) -> Option<Self> {
        match media_type.as_str() {
            MediaType::OCI_MANIFEST | MediaType::DOCKER_MANIFEST => Some(Self::Image),
            MediaType::OCI_INDEX | MediaType::DOCKER_LIST => Some(Self::Index),
            MediaType::OCI_ARTIFACT => Some(Self::Artifact),
            _ => None,
        }
    }
}

/// The deepest nesting of JSON text. The parser skips unknown fields without counting it.
fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    let mut bytes = json.iter();
    let mut in_string = false;
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' if in_string => _ = bytes.next(),
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

impl Body {
    /// `mediaType` is optional in OCI manifests (image-spec 1.0), and `Content-Type` may be absent.
    fn type_by_shape(&self) -> Result<MediaType, ManifestError> {
        let name = match (&self.manifests, &self.config) {
            (Some(_), None) => MediaType::OCI_INDEX,
            (None, Some(_)) => MediaType::OCI_MANIFEST,
            _ => return Err(ManifestError::Unrecognized),
        };
        Ok(MediaType::parse(name).expect("the constants are media types"))
    }

    fn check_shape(&self, media_type: &MediaType, kind: ManifestKind) -> Result<(), ManifestError> {
        if kind != ManifestKind::Artifact && self.schema_version != Some(2) {
            return Err(match self.schema_version {
                Some(1) => ManifestError::SchemaOne,
                _ => ManifestError::SchemaVersion,
            });
        }
        let present = [
            ("config", self.config.is_some()),
            ("layers", self.layers.is_some()),
            ("manifests", self.manifests.is_some()),
            ("blobs", self.blobs.is_some()),
        ];
        // An absent or null `layers` stands for none: clients written in Go send it so.
        let (allowed, required): (&[&str], Option<&'static str>) = match kind {
            ManifestKind::Image => (&["config", "layers"], Some("config")),
            ManifestKind::Index => (&["manifests"], Some("manifests")),
            ManifestKind::Artifact => (&["blobs"], None),
        };
        for (field, is_present) in present {
            let media_type = media_type.clone();
            if is_present && !allowed.contains(&field) {
                return Err(ManifestError::FieldNotAllowed { media_type, field });
            }
            if !is_present && required == Some(field) {
                return Err(ManifestError::FieldMissing { media_type, field });
            }
        }
        Ok(())
    }
}

fn is_schema_one(media_type: &MediaType) -> bool {
    media_type.as_str().starts_with("application/vnd.docker.distribution.manifest.v1+")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn descriptor(media_type: &str) -> Value {
        json!({"mediaType": media_type, "digest": DIGEST, "size": 3})
    }

    fn image() -> Value {
        json!({
            "schemaVersion": 2,
            "mediaType": MediaType::OCI_MANIFEST,
            "config": descriptor("application/vnd.unknown.config.v1+json"),
            "layers": [descriptor("application/vnd.unknown.layer.v1+txt")],
        })
    }

    fn parse(content_type: Option<&str>, body: &Value) -> Result<Manifest, ManifestError> {
        let content_type = content_type.map(|text| MediaType::parse(text).unwrap());
        Manifest::parse(content_type.as_ref(), body.to_string().as_bytes())
    }

    #[test]
    fn an_image_takes_the_type_of_its_config() {
        let manifest = parse(Some(MediaType::OCI_MANIFEST), &image()).unwrap();
        assert_eq!(manifest.kind, ManifestKind::Image);
        let artifact_type = manifest.artifact_type.as_deref();
        assert_eq!(artifact_type, Some("application/vnd.unknown.config.v1+json"));
        assert_eq!(manifest.content_size(), 6);
    }

    #[test]
    fn what_is_not_text_is_no_manifest_wherever_it_stands() {
        let mut body = image();
        body["ignored"] = json!({"key": "value"});
        let body = body.to_string();
        assert!(Manifest::parse(None, body.as_bytes()).is_ok());
        for word in ["ignored", "key", "value"] {
            let at = body.find(word).unwrap();
            let mut bytes = body.clone().into_bytes();
            bytes[at] = 0xff;
            let error = Manifest::parse(None, &bytes).unwrap_err();
            assert!(matches!(error, ManifestError::NotText), "{word}: {error}");
        }
    }

    #[test]
    fn the_type_is_found_by_shape_if_nothing_names_it() {
        let mut body = image();
        body.as_object_mut().unwrap().remove("mediaType");
        assert_eq!(parse(None, &body).unwrap().media_type.as_str(), MediaType::OCI_MANIFEST);
        let index = json!({"schemaVersion": 2, "manifests": []});
        assert_eq!(parse(None, &index).unwrap().kind, ManifestKind::Index);
    }

    #[test]
    fn header_and_body_must_name_the_same_type() {
        let error = parse(Some(MediaType::DOCKER_MANIFEST), &image()).unwrap_err();
        assert!(matches!(error, ManifestError::MediaTypesDisagree { .. }), "{error}");
    }

    #[test]
    fn layers_and_manifests_exclude_each_other() {
        let mut body = image();
        body["manifests"] = json!([]);
        let error = parse(None, &body).unwrap_err();
        assert!(matches!(error, ManifestError::FieldNotAllowed { field: "manifests", .. }));
    }

    #[test]
    fn schema_one_is_named_in_the_refusal() {
        let body = json!({"schemaVersion": 1, "name": "a", "fsLayers": []});
        let schema_one = "application/vnd.docker.distribution.manifest.v1+prettyjws";
        for content_type in [None, Some(schema_one)] {
            assert!(matches!(parse(content_type, &body), Err(ManifestError::SchemaOne)));
        }
    }

    #[test]
    fn absurd_depth_is_an_error_and_no_overflow() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let body = format!(r#"{{"schemaVersion":2,"x":{deep}}}"#);
        assert!(matches!(Manifest::parse(None, body.as_bytes()), Err(ManifestError::TooDeep)));
        let brackets_in_text =
            format!(r#"{{"schemaVersion":2,"manifests":[],"x":"\"{}"}}"#, "[".repeat(999));
        assert!(Manifest::parse(None, brackets_in_text.as_bytes()).is_ok());
    }
}
