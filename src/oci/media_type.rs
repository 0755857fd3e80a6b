use super::text_value;

/// A media type `type/subtype` in the characters of RFC 6838, section 4.2, without parameters.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MediaType(Box<str>);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not a media type: expected TYPE/SUBTYPE (RFC 6838)")]
pub struct MediaTypeError(Box<str>);

impl MediaType {
    pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
    pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    pub const OCI_EMPTY: &str = "application/vnd.oci.empty.v1+json";
    pub const OCI_ARTIFACT: &str = "application/vnd.oci.artifact.manifest.v1+json";
    pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";

    /// # Errors
    /// [`MediaTypeError`] if the text is not `type/subtype`.
    pub fn parse(text: &str) -> Result<Self, MediaTypeError> {
        let is_name = |part: &str| {
            part.len() <= 127
                && part.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
        };
        match text.split_once('/') {
            Some((kind, subtype)) if is_name(kind) && is_name(subtype) => Ok(Self(text.into())),
            _ => Err(MediaTypeError(text.chars().take(200).collect::<String>().into())),
        }
    }

    /// Reads the value of a `Content-Type` header; parameters such as `charset` are dropped.
    ///
    /// # Errors
    /// [`MediaTypeError`] as for [`MediaType::parse`].
    pub fn from_header(value: &str) -> Result<Self, MediaTypeError> {
        Self::parse(value.split(';').next().unwrap_or_default().trim())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether layers of this type may be missing from the registry (image-spec, layer.md,
    /// "Non-Distributable Layers"; Docker calls them foreign).
    pub fn is_nondistributable(&self) -> bool {
        self.0.starts_with("application/vnd.oci.image.layer.nondistributable.v1.")
            || self.0.starts_with("application/vnd.docker.image.rootfs.foreign.")
    }
}

text_value!(MediaType, MediaTypeError);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_loses_its_parameters() {
        let media_type = MediaType::from_header("application/json; charset=utf-8").unwrap();
        assert_eq!(media_type.as_str(), "application/json");
    }

    #[test]
    fn text_that_is_no_media_type_is_refused() {
        for text in ["", "text", "/", "a/", "/b", "a/b/c", "a b/c", "application/x\n"] {
            assert!(MediaType::parse(text).is_err(), "{text}");
        }
    }
}
