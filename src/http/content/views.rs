//! What the API shows, and what it takes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoResponses, ToSchema};

use crate::http::access::views::time;
use crate::http::attributes::AttributesView;
use crate::metadata::manifest_records::ManifestRecord;
use crate::metadata::pulls::Pulls;
use crate::metadata::repositories::Repository;
use crate::metadata::search::{FoundManifest, Usage};
use crate::metadata::tag_history::TagMove;
use crate::metadata::tag_records::TagRecord;
use crate::oci::{Descriptor, Tag};
use crate::registry::Inspection;

#[derive(Serialize, ToSchema)]
pub struct Repositories {
    pub repositories: Vec<String>,
}

/// How often something was pulled. Counts come in with some seconds of delay.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PullsView {
    pull_count: u64,
    /// Absent if it was never pulled.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_pull_time: Option<String>,
}

impl From<Pulls> for PullsView {
    fn from(pulls: Pulls) -> Self {
        Self { pull_count: pulls.count, last_pull_time: pulls.last_at.map(time) }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RepositoryView {
    name: String,
    /// RFC 3339, as all times.
    created_time: String,
    last_update_time: String,
    manifest_count: i64,
    tag_count: i64,
    /// Of all its manifests, those that are gone included.
    #[serde(flatten)]
    pulls: PullsView,
    changeable_attributes: AttributesView,
}

impl RepositoryView {
    pub fn new(repository: Repository, pulls: Pulls) -> Self {
        Self {
            name: repository.name.to_string(),
            created_time: time(repository.created_at),
            last_update_time: time(repository.updated_at),
            manifest_count: repository.manifest_count,
            tag_count: repository.tag_count,
            pulls: pulls.into(),
            changeable_attributes: repository.key.attributes.into(),
        }
    }
}

/// What a deleted repository held.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeletedRepository {
    pub manifests_deleted: Vec<String>,
    pub tags_deleted: Vec<String>,
}

/// Space, in bytes.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsageView {
    blobs: u64,
    /// Of all blobs, each once.
    size: u64,
    /// Of the blobs that nothing else needs: what deleting this would free.
    exclusive_size: u64,
}

impl From<Usage> for UsageView {
    fn from(usage: Usage) -> Self {
        let Usage { blobs, size, exclusive_size } = usage;
        Self { blobs, size, exclusive_size }
    }
}

#[derive(Serialize, ToSchema)]
pub struct Tags {
    pub tags: Vec<TagView>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TagView {
    name: String,
    digest: String,
    created_time: String,
    last_update_time: String,
    /// Whether a signature of its manifest is in the repository.
    signed: bool,
    /// By this tag, whatever it named.
    #[serde(flatten)]
    pulls: PullsView,
    changeable_attributes: AttributesView,
}

impl TagView {
    pub fn new(tag: TagRecord, pulls: Pulls) -> Self {
        Self {
            name: tag.name.to_string(),
            digest: tag.digest.to_string(),
            created_time: time(tag.created_at),
            last_update_time: time(tag.updated_at),
            signed: tag.is_signed,
            pulls: pulls.into(),
            changeable_attributes: tag.attributes.into(),
        }
    }
}

/// The moves of a tag, the newest first.
#[derive(Serialize, ToSchema)]
pub struct History {
    pub moves: Vec<MoveView>,
}

#[derive(Serialize, ToSchema)]
pub struct MoveView {
    /// Its place in the order of all moves.
    number: i64,
    /// What the tag named from then on; absent if it was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    /// Who moved it.
    actor: String,
    time: String,
}

impl From<TagMove> for MoveView {
    fn from(tag_move: TagMove) -> Self {
        Self {
            number: tag_move.number,
            digest: tag_move.digest.map(|digest| digest.to_string()),
            actor: tag_move.actor,
            time: time(tag_move.created_at),
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RollBack {
    /// What the tag named some time; the last other one, if not given.
    pub digest: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct Manifests {
    pub manifests: Vec<ManifestSummary>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ManifestSummary {
    digest: String,
    media_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    config_media_type: Option<String>,
    /// The manifest that it refers to.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    /// Bytes of the manifest.
    size: u64,
    /// Bytes of all it is made of, by its own account.
    content_size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    architecture: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    os: Option<String>,
    created_time: String,
    last_update_time: String,
    tags: Vec<String>,
    /// By its digest and by all tags.
    #[serde(flatten)]
    pulls: PullsView,
    changeable_attributes: AttributesView,
}

impl ManifestSummary {
    pub fn new(record: ManifestRecord, tags: Vec<Tag>, pulls: Pulls) -> Self {
        Self {
            digest: record.digest.to_string(),
            media_type: record.media_type.to_string(),
            artifact_type: record.artifact_type,
            config_media_type: record.config_media_type,
            subject: record.subject.map(|subject| subject.to_string()),
            size: record.size,
            content_size: record.content_size,
            architecture: record.architecture,
            os: record.os,
            created_time: time(record.created_at),
            last_update_time: time(record.updated_at),
            tags: tags.iter().map(ToString::to_string).collect(),
            pulls: pulls.into(),
            changeable_attributes: record.attributes.into(),
        }
    }
}

/// Points at content.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DescriptorView {
    media_type: String,
    digest: String,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<PlatformView>,
}

/// What an image runs on.
#[derive(Serialize, ToSchema)]
pub struct PlatformView {
    architecture: String,
    os: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<String>,
}

impl From<Descriptor> for DescriptorView {
    fn from(descriptor: Descriptor) -> Self {
        Self {
            media_type: descriptor.media_type.to_string(),
            digest: descriptor.digest.to_string(),
            size: descriptor.size,
            artifact_type: descriptor.artifact_type,
            annotations: descriptor.annotations,
            platform: descriptor.platform.map(|platform| PlatformView {
                architecture: platform.architecture,
                os: platform.os,
                variant: platform.variant,
            }),
        }
    }
}

/// A manifest taken apart.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ManifestView {
    #[serde(flatten)]
    summary: ManifestSummary,
    annotations: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<DescriptorView>,
    /// The config itself, if it is JSON and the caller may pull.
    #[serde(skip_serializing_if = "Option::is_none")]
    config_content: Option<Value>,
    layers: Vec<DescriptorView>,
    /// The children of an index.
    manifests: Vec<DescriptorView>,
    /// Manifests that refer to this one, a hundred at most.
    referrers: Vec<DescriptorView>,
    usage: UsageView,
}

impl From<Inspection> for ManifestView {
    fn from(inspection: Inspection) -> Self {
        let Inspection { details, config, referrers, usage, pulls } = inspection;
        let views = |descriptors: Vec<Descriptor>| {
            descriptors.into_iter().map(DescriptorView::from).collect()
        };
        Self {
            summary: ManifestSummary::new(details.record, details.tags, pulls),
            annotations: details.manifest.annotations,
            config: details.manifest.config.map(Into::into),
            config_content: config,
            layers: views(details.manifest.layers),
            manifests: views(details.manifest.manifests),
            referrers: views(referrers),
            usage: usage.into(),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct Found {
    pub manifests: Vec<FoundView>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FoundView {
    repository: String,
    digest: String,
    media_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
    last_update_time: String,
}

impl From<FoundManifest> for FoundView {
    fn from(found: FoundManifest) -> Self {
        Self {
            repository: found.repository.to_string(),
            digest: found.digest.to_string(),
            media_type: found.media_type.to_string(),
            artifact_type: found.artifact_type,
            last_update_time: time(found.updated_at),
        }
    }
}

/// Tags to set in one transaction: all or none.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Promote {
    #[schema(min_items = 1, max_items = 1000)]
    pub promotions: Vec<PromotionView>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PromotionView {
    /// `REPOSITORY:TAG` or `REPOSITORY@DIGEST`
    pub source: String,
    /// `REPOSITORY:TAG`
    pub target: String,
}

#[derive(Serialize, ToSchema)]
pub struct Promoted {
    pub tags: Vec<PromotedTag>,
}

#[derive(Serialize, ToSchema)]
pub struct PromotedTag {
    pub repository: String,
    pub tag: String,
    /// What it names now.
    pub digest: String,
}

/// What went wrong.
#[derive(Serialize, ToSchema)]
pub struct Errors {
    errors: Vec<ErrorView>,
}

#[derive(Serialize, ToSchema)]
pub struct ErrorView {
    /// In capital letters, such as `NAME_UNKNOWN`.
    code: String,
    message: String,
    /// Depends on the code.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<Value>,
}

/// Answers that every route may give.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only the description of it is used")]
pub enum Refusals {
    /// Something in the request makes no sense.
    #[response(status = 400)]
    BadRequest(Errors),
    /// There are no credentials, or they are not good.
    #[response(status = 401)]
    Unauthorized(Errors),
    /// The caller has no right to this.
    #[response(status = 403)]
    Forbidden(Errors),
    /// There is nothing of that name.
    #[response(status = 404)]
    NotFound(Errors),
    /// A lock or a policy forbids it, or the path does not take the method.
    #[response(status = 405)]
    NotAllowed(Errors),
    /// It does not fit what is there.
    #[response(status = 409)]
    Conflict(Errors),
    /// The body is larger than it may be.
    #[response(status = 413)]
    TooLarge(Errors),
    /// The body is not declared as JSON.
    #[response(status = 415)]
    NotJson(Errors),
    /// The body is JSON of another form.
    #[response(status = 422)]
    Unprocessable(Errors),
    /// Too many wrong passwords: wait as long as `Retry-After` says.
    #[response(status = 429)]
    TooMany(Errors),
}
