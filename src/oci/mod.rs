//! The protocol's values: digests, names, tags, media types, descriptors, manifests.
//!
//! A value that exists here is valid: parsing is the only way to make one, and nothing above
//! checks again. Nothing in this module does I/O, waits, or knows HTTP.

mod descriptor;
mod digest;
mod hasher;
mod manifest;
mod media_type;
mod name;
mod reference;
mod repository_pattern;
mod tag;
mod tag_pattern;

pub use descriptor::{Descriptor, Platform};
pub use digest::{Algorithm, Digest, DigestError};
pub use hasher::{Hasher, HasherError};
pub use manifest::{Manifest, ManifestError, ManifestKind, ReferenceRole};
pub use media_type::{MediaType, MediaTypeError};
pub use name::{RepositoryName, RepositoryNameError};
pub use reference::{Reference, ReferenceError};
pub use repository_pattern::{RepositoryPattern, RepositoryPatternError};
pub use tag::{Tag, TagError};
pub use tag_pattern::{TagPattern, TagPatternError};

/// Gives a text type `FromStr`, `Display`, `AsRef<str>` and serde by its text.
///
/// The type must have `parse(&str) -> Result<Self, $error>` and `as_str(&self) -> &str`.
macro_rules! text_value {
    ($type:ty, $error:ty) => {
        impl std::str::FromStr for $type {
            type Err = $error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{:?}", self.as_str())
            }
        }
        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use text_value;
