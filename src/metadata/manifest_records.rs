//! Manifests with all that is known of them but their bytes, one or in pages.

use std::collections::HashMap;

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row as _};

use super::rows::{parsed, parsed_or_null, size};
use super::{Attributes, MetadataError, Order, Place};
use crate::oci::{Digest, MediaType, Tag};

/// Tags that are shown with a manifest, at most; the list of tags has all.
const TAGS_SHOWN: usize = 1000;

/// Manifests whose tags one statement asks for; SQLite takes 500 parts of a union.
const UNION_CHUNK: usize = 100;

#[derive(Clone, Debug)]
pub struct ManifestRecord {
    pub id: i64,
    pub digest: Digest,
    pub media_type: MediaType,
    pub artifact_type: Option<String>,
    pub config_media_type: Option<String>,
    pub subject: Option<Digest>,
    /// Of the manifest, in bytes.
    pub size: u64,
    /// Of everything it is made of, in bytes.
    pub content_size: u64,
    pub architecture: Option<String>,
    pub os: Option<String>,
    pub created_at: i64,
    pub updated_at: i64,
    pub deleted_at: Option<i64>,
    pub attributes: Attributes,
}

impl ManifestRecord {
    pub(super) fn from_row(row: &AnyRow) -> Result<Self, MetadataError> {
        Ok(Self {
            id: row.try_get("id")?,
            digest: parsed(row, "digest")?,
            media_type: parsed(row, "media_type")?,
            artifact_type: row.try_get("artifact_type")?,
            config_media_type: row.try_get("config_media_type")?,
            subject: parsed_or_null(row, "subject_digest")?,
            size: size(row, "size")?,
            content_size: size(row, "content_size")?,
            architecture: row.try_get("architecture")?,
            os: row.try_get("os")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
            deleted_at: row.try_get("deleted_at")?,
            attributes: Attributes::from_row(row)?,
        })
    }
}

pub(super) const COLUMNS: &str = "\
    id, digest, media_type, artifact_type, config_media_type, subject_digest, size, content_size,
    architecture, os, created_at, updated_at, deleted_at,
    delete_enabled, write_enabled, read_enabled, list_enabled";

pub async fn get(
    connection: &mut AnyConnection,
    repository_id: i64,
    digest: &Digest,
) -> Result<Option<ManifestRecord>, MetadataError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM manifests
         WHERE repository_id = $1 AND digest = $2 AND deleted_at IS NULL"
    );
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(repository_id)
        .bind(digest.as_str())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(ManifestRecord::from_row).transpose()
}

/// The exact bytes of a manifest; none, if they are known not to be what they should.
pub async fn content(
    connection: &mut AnyConnection,
    id: i64,
) -> Result<Option<Vec<u8>>, MetadataError> {
    let sql = "SELECT content FROM manifests WHERE id = $1 AND damaged_at IS NULL";
    Ok(sqlx::query_scalar(sql).bind(id).fetch_optional(connection).await?)
}

/// Manifests of a repository that lists may show, at most `limit`, from the first after `place`.
pub async fn list(
    connection: &mut AnyConnection,
    repository_id: i64,
    order: Order,
    place: Option<Place>,
    limit: i64,
) -> Result<Vec<ManifestRecord>, MetadataError> {
    let place = place.unwrap_or_else(|| order.beginning());
    let sql = format!(
        "SELECT {COLUMNS} FROM manifests
         WHERE repository_id = $1 AND {} AND deleted_at IS NULL AND list_enabled = 1
         ORDER BY {} LIMIT $3",
        order.after("digest", "updated_at"),
        order.by("digest", "updated_at"),
    );
    let mut query =
        sqlx::query(AssertSqlSafe(sql)).bind(repository_id).bind(place.name).bind(limit);
    if order.is_by_time() {
        query = query.bind(place.changed_at);
    }
    let rows = query.fetch_all(connection).await?;
    rows.iter().map(ManifestRecord::from_row).collect()
}

/// When a manifest was last pushed.
pub async fn changed_at(
    connection: &mut AnyConnection,
    repository_id: i64,
    digest: &str,
) -> Result<Option<i64>, MetadataError> {
    let time = sqlx::query_scalar(
        "SELECT updated_at FROM manifests WHERE repository_id = $1 AND digest = $2",
    )
    .bind(repository_id)
    .bind(digest)
    .fetch_optional(connection)
    .await?;
    Ok(time)
}

/// The names of the tags of each of the manifests `ids` that lists may show, in ASCII order.
pub async fn tags(
    connection: &mut AnyConnection,
    ids: &[i64],
) -> Result<HashMap<i64, Vec<Tag>>, MetadataError> {
    let mut found: HashMap<i64, Vec<Tag>> = HashMap::new();
    for chunk in ids.chunks(UNION_CHUNK) {
        let parts: Vec<_> = (1..=chunk.len())
            .map(|n| {
                format!(
                    "SELECT * FROM (SELECT manifest_id, name FROM tags
                     WHERE manifest_id = ${n} AND list_enabled = 1
                     ORDER BY name LIMIT {TAGS_SHOWN}) AS t{n}"
                )
            })
            .collect();
        let sql = parts.join(" UNION ALL ");
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for id in chunk {
            query = query.bind(id);
        }
        for row in query.fetch_all(&mut *connection).await? {
            found.entry(row.try_get("manifest_id")?).or_default().push(parsed(&row, "name")?);
        }
    }
    Ok(found)
}
