use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::oci::{RepositoryName, RepositoryPattern, Tag, TagPattern};

/// One `[[policy]]`: what holds for some tags of some repositories.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicySettings {
    #[serde(deserialize_with = "repositories")]
    pub repositories: RepositoryPattern,
    #[serde(default = "TagPattern::all", deserialize_with = "tags")]
    pub tags: TagPattern,
    /// Whether these tags can neither be moved nor deleted once they are set.
    #[serde(default)]
    pub immutable: bool,
}

impl PolicySettings {
    pub fn covers(&self, repository: &RepositoryName, tag: &Tag) -> bool {
        self.repositories.matches(repository) && self.tags.matches(tag)
    }
}

fn repositories<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RepositoryPattern, D::Error> {
    let text = String::deserialize(deserializer)
        .map_err(|_| D::Error::custom("repositories must be a pattern such as \"prod/*\""))?;
    RepositoryPattern::parse(&text).map_err(D::Error::custom)
}

fn tags<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TagPattern, D::Error> {
    let text = String::deserialize(deserializer)
        .map_err(|_| D::Error::custom("tags must be a pattern such as \"v*\""))?;
    TagPattern::parse(&text).map_err(D::Error::custom)
}
