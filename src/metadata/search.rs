//! Manifests by what they are, in whatever repository, and what space they take.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row as _};

use super::name_range::spans;
use super::rows::{like, parsed, placeholders, size};
use super::{MetadataError, NameRange};
use crate::oci::{Digest, Manifest, MediaType, RepositoryName};

/// Characters of an annotation's name and value together, above which it is not looked for.
const MAX_ANNOTATION: usize = 512;

/// What a manifest must be; what is not given may be anything.
#[derive(Clone, Debug, Default)]
pub struct Criteria<'a> {
    pub digest: Option<&'a Digest>,
    pub artifact_type: Option<&'a str>,
    /// Name and value.
    pub annotation: Option<(&'a str, &'a str)>,
    /// Part of the repository's name.
    pub repository: Option<&'a str>,
}

#[derive(Clone, Debug)]
pub struct FoundManifest {
    pub id: i64,
    pub repository: RepositoryName,
    pub digest: Digest,
    pub media_type: MediaType,
    pub artifact_type: Option<String>,
    pub updated_at: i64,
}

impl FoundManifest {
    fn from_row(row: &AnyRow) -> Result<Self, MetadataError> {
        Ok(Self {
            id: row.try_get("id")?,
            repository: parsed(row, "repository")?,
            digest: parsed(row, "digest")?,
            media_type: parsed(row, "media_type")?,
            artifact_type: row.try_get("artifact_type")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}

/// Manifests within any of `ranges` in the order in which they came, at most `limit`, from the
/// first after the one with the id `last`.
pub async fn manifests(
    connection: &mut AnyConnection,
    ranges: &[NameRange],
    criteria: &Criteria<'_>,
    last: i64,
    limit: i64,
) -> Result<Vec<FoundManifest>, MetadataError> {
    let mut values = Vec::new();
    let mut bind = |value: &str| {
        values.push(value.to_owned());
        values.len() + 2
    };
    let visible: Vec<_> = spans(ranges, None)
        .iter()
        .map(|span| format!("(r.name >= ${} AND r.name < ${})", bind(&span.from), bind(&span.to)))
        .collect();
    if visible.is_empty() {
        return Ok(Vec::new());
    }
    let visible = visible.join(" OR ");
    let mut wanted = String::new();
    // The same number under two names; a database sorts by the one whose index it reads.
    let (mut joined, mut id) = ("", "m.id");
    if let Some(digest) = criteria.digest {
        wanted += &format!(" AND m.digest = ${}", bind(digest.as_str()));
    }
    if let Some(artifact_type) = criteria.artifact_type {
        wanted += &format!(" AND m.artifact_type = ${}", bind(artifact_type));
    }
    if let Some((name, value)) = criteria.annotation {
        joined = "JOIN manifest_annotations a ON a.manifest_id = m.id";
        id = "a.manifest_id";
        wanted += &format!(" AND a.name = ${} AND a.value = ${}", bind(name), bind(value));
    }
    if let Some(part) = criteria.repository {
        wanted += &format!(" AND r.name LIKE ${} ESCAPE '!'", bind(&like(part)));
    }
    let sql = format!(
        "SELECT m.id, r.name AS repository, m.digest, m.media_type, m.artifact_type, m.updated_at
         FROM manifests m JOIN repositories r ON r.id = m.repository_id {joined}
         WHERE {id} > $1 AND m.deleted_at IS NULL AND m.list_enabled = 1 AND r.list_enabled = 1
           AND ({visible}){wanted}
         ORDER BY {id} LIMIT $2"
    );
    let mut query = sqlx::query(AssertSqlSafe(sql)).bind(last).bind(limit);
    for value in values {
        query = query.bind(value);
    }
    let rows = query.fetch_all(connection).await?;
    rows.iter().map(FoundManifest::from_row).collect()
}

/// Lets a manifest be found by its annotations.
pub async fn insert_annotations(
    connection: &mut AnyConnection,
    manifest_id: i64,
    manifest: &Manifest,
) -> Result<(), MetadataError> {
    /// Values of one row, and rows of one statement.
    const COLUMNS: usize = 3;
    const ROWS: usize = 200;
    let short: Vec<_> = manifest
        .annotations
        .iter()
        .filter(|(name, value)| name.chars().count() + value.chars().count() <= MAX_ANNOTATION)
        // PostgreSQL keeps no NUL in a text.
        .filter(|(name, value)| !name.contains('\0') && !value.contains('\0'))
        .collect();
    for chunk in short.chunks(ROWS) {
        let rows: Vec<_> = (0..chunk.len())
            .map(|row| format!("({})", placeholders(row * COLUMNS + 1, COLUMNS)))
            .collect();
        let sql = format!(
            "INSERT INTO manifest_annotations (manifest_id, name, value) VALUES {}",
            rows.join(", ")
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for (name, value) in chunk {
            query = query.bind(manifest_id).bind(name.as_str()).bind(value.as_str());
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Space in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub blobs: u64,
    /// Of all blobs, each once.
    pub size: u64,
    /// Of the blobs that nothing else needs: what would be free without it.
    pub exclusive_size: u64,
}

impl Usage {
    fn from_row(row: &AnyRow) -> Result<Self, MetadataError> {
        Ok(Self {
            blobs: size(row, "blobs")?,
            size: size(row, "size")?,
            exclusive_size: size(row, "exclusive_size")?,
        })
    }
}

/// What the blobs of a repository take; those that another one has too are shared.
pub async fn repository_usage(
    connection: &mut AnyConnection,
    repository_id: i64,
) -> Result<Usage, MetadataError> {
    let row = sqlx::query(
        "SELECT COUNT(*) AS blobs, CAST(COALESCE(SUM(b.size), 0) AS BIGINT) AS size,
                CAST(COALESCE(SUM(CASE WHEN EXISTS (
                    SELECT 1 FROM repository_blobs o
                    WHERE o.blob_id = l.blob_id AND o.repository_id <> l.repository_id
                ) THEN 0 ELSE b.size END), 0) AS BIGINT) AS exclusive_size
         FROM repository_blobs l JOIN blobs b ON b.id = l.blob_id
         WHERE l.repository_id = $1 AND l.deleted_at IS NULL",
    )
    .bind(repository_id)
    .fetch_one(connection)
    .await?;
    Usage::from_row(&row)
}

/// What the blobs of a manifest and its children take; those that any other manifest needs too are
/// shared.
pub async fn manifest_usage(
    connection: &mut AnyConnection,
    manifest_id: i64,
) -> Result<Usage, MetadataError> {
    let row = sqlx::query(
        "WITH RECURSIVE family (id) AS (
             SELECT CAST($1 AS BIGINT)
             UNION
             SELECT c.id FROM family f
             JOIN manifest_references x ON x.manifest_id = f.id AND x.role = 'manifest'
             JOIN manifests c ON c.repository_id = x.repository_id AND c.digest = x.digest
                             AND c.deleted_at IS NULL
         ), parts (id) AS (
             SELECT DISTINCT x.blob_id FROM family f
             JOIN manifest_references x ON x.manifest_id = f.id WHERE x.blob_id IS NOT NULL
         )
         SELECT COUNT(*) AS blobs, CAST(COALESCE(SUM(b.size), 0) AS BIGINT) AS size,
                CAST(COALESCE(SUM(CASE WHEN EXISTS (
                    SELECT 1 FROM repository_blobs l
                    JOIN manifest_references x
                      ON x.repository_id = l.repository_id AND x.blob_id = l.blob_id
                    WHERE l.blob_id = b.id AND x.manifest_id NOT IN (SELECT id FROM family)
                ) THEN 0 ELSE b.size END), 0) AS BIGINT) AS exclusive_size
         FROM parts p JOIN blobs b ON b.id = p.id",
    )
    .bind(manifest_id)
    .fetch_one(connection)
    .await?;
    Usage::from_row(&row)
}
