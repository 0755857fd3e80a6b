//! What locks and policies forbid. A lock is an attribute that somebody switched off, on a
//! repository, a manifest or a tag; each stands for itself alone.

use crate::metadata::Attributes;
use crate::oci::{Digest, RepositoryName, Tag};

/// Why something is not done to content that is there.
#[derive(Debug, thiserror::Error)]
pub enum Disallowed {
    #[error("{item} is locked, as its {attribute} is false")]
    Locked { item: Item, attribute: &'static str },
    #[error("{0} is immutable by a policy of this registry")]
    Immutable(Item),
}

/// What a lock is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    Repository(RepositoryName),
    Manifest(RepositoryName, Digest),
    Tag(RepositoryName, Tag),
}

impl std::fmt::Display for Item {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Repository(name) => write!(f, "repository {name}"),
            Self::Manifest(name, digest) => write!(f, "manifest {name}@{digest}"),
            Self::Tag(name, tag) => write!(f, "tag {name}:{tag}"),
        }
    }
}

pub(super) fn check_read(is_readable: bool, item: impl Fn() -> Item) -> Result<(), Disallowed> {
    check(is_readable, "readEnabled", item)
}

/// Pushing and moving.
pub(super) fn check_write(
    attributes: &Attributes,
    item: impl Fn() -> Item,
) -> Result<(), Disallowed> {
    check(attributes.write_enabled, "writeEnabled", item)
}

/// Deleting is writing too.
pub(super) fn check_delete(
    attributes: &Attributes,
    item: impl Fn() -> Item,
) -> Result<(), Disallowed> {
    check(attributes.delete_enabled, "deleteEnabled", &item)?;
    check_write(attributes, item)
}

fn check(
    is_enabled: bool,
    attribute: &'static str,
    item: impl Fn() -> Item,
) -> Result<(), Disallowed> {
    if is_enabled { Ok(()) } else { Err(Disallowed::Locked { item: item(), attribute }) }
}
