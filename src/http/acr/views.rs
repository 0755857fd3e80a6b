//! Repositories, tags and manifests in the shapes of Azure's API.

use chrono::DateTime;
use serde::Serialize;

use crate::http::attributes::AttributesView;
use crate::metadata::deleted::{DeletedRepository, DeletedTag};
use crate::metadata::manifest_records::ManifestRecord;
use crate::metadata::repositories::Repository;
use crate::metadata::tag_records::TagRecord;
use crate::oci::{Descriptor, Digest, RepositoryName, Tag};

/// A time with seven digits of the second, as .NET writes them.
pub fn time(micros: i64) -> String {
    let time = DateTime::from_timestamp_micros(micros).unwrap_or_default();
    time.format("%Y-%m-%dT%H:%M:%S%.6f0Z").to_string()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RepositoryView<'a> {
    registry: &'a str,
    image_name: RepositoryName,
    created_time: String,
    last_update_time: String,
    manifest_count: i64,
    tag_count: i64,
    changeable_attributes: AttributesView,
}

impl<'a> RepositoryView<'a> {
    pub fn new(registry: &'a str, repository: Repository) -> Self {
        Self {
            registry,
            image_name: repository.name,
            created_time: time(repository.created_at),
            last_update_time: time(repository.updated_at),
            manifest_count: repository.manifest_count,
            tag_count: repository.tag_count,
            changeable_attributes: repository.key.attributes.into(),
        }
    }
}

/// Content of a repository, under a key that says what it is.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Within<'a, T> {
    pub registry: &'a str,
    pub image_name: &'a RepositoryName,
    #[serde(flatten)]
    pub content: T,
}

#[derive(Serialize)]
pub struct OneTag {
    pub tag: TagView,
}

#[derive(Serialize)]
pub struct Tags<T> {
    pub tags: Vec<T>,
}

#[derive(Serialize)]
pub struct OneManifest {
    pub manifest: ManifestView,
}

#[derive(Serialize)]
pub struct Manifests {
    pub manifests: Vec<ManifestView>,
}

#[derive(Serialize)]
pub struct Repositories<T> {
    pub repositories: Vec<T>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TagView {
    name: Tag,
    digest: Digest,
    created_time: String,
    last_update_time: String,
    signed: bool,
    changeable_attributes: AttributesView,
}

impl From<TagRecord> for TagView {
    fn from(tag: TagRecord) -> Self {
        Self {
            name: tag.name,
            digest: tag.digest,
            created_time: time(tag.created_at),
            last_update_time: time(tag.updated_at),
            signed: tag.is_signed,
            changeable_attributes: tag.attributes.into(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ManifestView {
    digest: Digest,
    image_size: u64,
    created_time: String,
    last_update_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    architecture: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    os: Option<String>,
    media_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    config_media_type: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Tag>,
    changeable_attributes: AttributesView,
    /// The children of an index; lists leave them out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    references: Vec<ChildView>,
}

#[derive(Serialize)]
struct ChildView {
    digest: Digest,
    #[serde(skip_serializing_if = "Option::is_none")]
    architecture: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    os: Option<String>,
}

impl ManifestView {
    pub fn new(record: ManifestRecord, tags: Vec<Tag>, children: Vec<Descriptor>) -> Self {
        Self {
            image_size: record.size.saturating_add(record.content_size),
            digest: record.digest,
            created_time: time(record.created_at),
            last_update_time: time(record.updated_at),
            deleted_at: record.deleted_at.map(time),
            architecture: record.architecture,
            os: record.os,
            media_type: record.media_type.as_str().to_owned(),
            config_media_type: record.config_media_type,
            tags,
            changeable_attributes: record.attributes.into(),
            references: children.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<Descriptor> for ChildView {
    fn from(child: Descriptor) -> Self {
        let (architecture, os) =
            child.platform.map(|platform| (platform.architecture, platform.os)).unzip();
        Self { digest: child.digest, architecture, os }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeletedRepositoryView {
    repository: RepositoryName,
    created_at: String,
    deleted_at: String,
}

impl From<DeletedRepository> for DeletedRepositoryView {
    fn from(repository: DeletedRepository) -> Self {
        Self {
            repository: repository.name,
            created_at: time(repository.created_at),
            deleted_at: time(repository.deleted_at),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeletedTagView {
    tag: Tag,
    digest: Digest,
    deleted_at: String,
}

impl From<DeletedTag> for DeletedTagView {
    fn from(tag: DeletedTag) -> Self {
        Self { tag: tag.name, digest: tag.digest, deleted_at: time(tag.deleted_at) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_seven_digits_of_the_second() {
        assert_eq!(time(1_639_569_857_698_720), "2021-12-15T12:04:17.6987200Z");
        assert_eq!(time(0), "1970-01-01T00:00:00.0000000Z");
    }
}
