//! Tags with all that is known of them, one or in pages.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row as _};

use super::attributes::flag;
use super::rows::{like, parsed};
use super::{Attributes, MetadataError, Order, Place};
use crate::oci::{Digest, Tag};

#[derive(Clone, Debug)]
pub struct TagRecord {
    pub name: Tag,
    /// What it names.
    pub digest: Digest,
    pub created_at: i64,
    pub updated_at: i64,
    pub attributes: Attributes,
    /// Whether a signature of its manifest is in the repository.
    pub is_signed: bool,
}

impl TagRecord {
    fn from_row(row: &AnyRow) -> Result<Self, MetadataError> {
        Ok(Self {
            name: parsed(row, "name")?,
            digest: parsed(row, "digest")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
            attributes: Attributes::from_row(row)?,
            is_signed: flag(row, "is_signed")?,
        })
    }
}

/// Signatures refer to their subject, or older ones of cosign stand under a tag made of its digest.
/// Sigstore's bundles may be attestations instead, as the type of their predicate tells.
///
/// The `OFFSET` keeps PostgreSQL from looking for the signatures of all tags at once, by a hash of
/// the table, to show a page of them.
const COLUMNS: &str = "\
    t.name, m.digest, t.created_at, t.updated_at,
    t.delete_enabled, t.write_enabled, t.read_enabled, t.list_enabled,
    CAST(CASE WHEN EXISTS (
        SELECT 1 FROM manifests s
        WHERE s.repository_id = m.repository_id AND s.subject_digest = m.digest
          AND s.deleted_at IS NULL
          AND s.artifact_type IN ('application/vnd.dev.cosign.artifact.sig.v1+json',
                                  'application/vnd.cncf.notary.signature')
        LIMIT 1 OFFSET 0
    ) OR EXISTS (
        SELECT 1 FROM manifests s
        WHERE s.repository_id = m.repository_id AND s.subject_digest = m.digest
          AND s.deleted_at IS NULL
          AND s.artifact_type >= 'application/vnd.dev.sigstore.bundle'
          AND s.artifact_type < 'application/vnd.dev.sigstore.bundlf'
          AND (s.annotations IS NULL
               OR s.annotations NOT LIKE '%dev.sigstore.bundle.predicateType%'
               OR s.annotations LIKE '%https://sigstore.dev/cosign/sign/%')
        LIMIT 1 OFFSET 0
    ) OR EXISTS (
        SELECT 1 FROM tags s
        WHERE s.repository_id = m.repository_id
          AND s.name = REPLACE(m.digest, ':', '-') || '.sig'
        LIMIT 1 OFFSET 0
    ) THEN 1 ELSE 0 END AS BIGINT) AS is_signed";

pub async fn get(
    connection: &mut AnyConnection,
    repository_id: i64,
    tag: &Tag,
) -> Result<Option<TagRecord>, MetadataError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM tags t JOIN manifests m ON m.id = t.manifest_id
         WHERE t.repository_id = $1 AND t.name = $2"
    );
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(repository_id)
        .bind(tag.as_str())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(TagRecord::from_row).transpose()
}

/// Whose tags, by internal id.
#[derive(Clone, Copy, Debug)]
pub enum TagsOf {
    Repository(i64),
    Manifest(i64),
}

/// Tags that lists may show, at most `limit`, from the first after `place`.
pub async fn list(
    connection: &mut AnyConnection,
    of: TagsOf,
    order: Order,
    place: Option<Place>,
    limit: i64,
) -> Result<Vec<TagRecord>, MetadataError> {
    let place = place.unwrap_or_else(|| order.beginning());
    let (column, id) = match of {
        TagsOf::Repository(id) => ("t.repository_id", id),
        TagsOf::Manifest(id) => ("t.manifest_id", id),
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM tags t JOIN manifests m ON m.id = t.manifest_id
         WHERE {column} = $1 AND {} AND t.list_enabled = 1 ORDER BY {} LIMIT $3",
        order.after("t.name", "t.updated_at"),
        order.by("t.name", "t.updated_at"),
    );
    let mut query = sqlx::query(AssertSqlSafe(sql)).bind(id).bind(place.name).bind(limit);
    if order.is_by_time() {
        query = query.bind(place.changed_at);
    }
    let rows = query.fetch_all(connection).await?;
    rows.iter().map(TagRecord::from_row).collect()
}

/// As [`list`] of a repository, but only tags whose name holds `part`, in whatever case.
pub async fn holding(
    connection: &mut AnyConnection,
    repository_id: i64,
    part: &str,
    order: Order,
    place: Option<Place>,
    limit: i64,
) -> Result<Vec<TagRecord>, MetadataError> {
    let place = place.unwrap_or_else(|| order.beginning());
    let sql = format!(
        "SELECT {COLUMNS} FROM tags t JOIN manifests m ON m.id = t.manifest_id
         WHERE t.repository_id = $1 AND {} AND t.list_enabled = 1
           AND LOWER(t.name) LIKE ${} ESCAPE '!'
         ORDER BY {} LIMIT $3",
        order.after("t.name", "t.updated_at"),
        if order.is_by_time() { 5 } else { 4 },
        order.by("t.name", "t.updated_at"),
    );
    let mut query =
        sqlx::query(AssertSqlSafe(sql)).bind(repository_id).bind(place.name).bind(limit);
    if order.is_by_time() {
        query = query.bind(place.changed_at);
    }
    let rows = query.bind(like(&part.to_ascii_lowercase())).fetch_all(connection).await?;
    rows.iter().map(TagRecord::from_row).collect()
}

/// When a tag was last set.
pub async fn changed_at(
    connection: &mut AnyConnection,
    repository_id: i64,
    name: &str,
) -> Result<Option<i64>, MetadataError> {
    let time =
        sqlx::query_scalar("SELECT updated_at FROM tags WHERE repository_id = $1 AND name = $2")
            .bind(repository_id)
            .bind(name)
            .fetch_optional(connection)
            .await?;
    Ok(time)
}
