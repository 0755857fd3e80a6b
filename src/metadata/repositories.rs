use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row as _};

use super::locking::RowLock;
use super::name_range::{Span, spans};
use super::rows::{parsed, size_to_sql};
use super::{Attributes, MetadataError, NameRange};
use crate::oci::{Digest, RepositoryName};

/// A repository as rows of other tables and decisions refer to it.
#[derive(Clone, Copy, Debug)]
pub struct RepositoryKey {
    pub id: i64,
    pub attributes: Attributes,
}

impl RepositoryKey {
    fn from_row(row: &AnyRow) -> Result<Self, MetadataError> {
        Ok(Self { id: row.try_get("id")?, attributes: Attributes::from_row(row)? })
    }
}

/// A repository with all that is known of it.
#[derive(Clone, Debug)]
pub struct Repository {
    pub key: RepositoryKey,
    pub name: RepositoryName,
    pub created_at: i64,
    pub updated_at: i64,
    pub manifest_count: i64,
    pub tag_count: i64,
}

impl Repository {
    pub(super) fn from_row(row: &AnyRow) -> Result<Self, MetadataError> {
        Ok(Self {
            key: RepositoryKey::from_row(row)?,
            name: parsed(row, "name")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
            manifest_count: row.try_get("manifest_count")?,
            tag_count: row.try_get("tag_count")?,
        })
    }
}

pub async fn find(
    connection: &mut AnyConnection,
    name: &RepositoryName,
) -> Result<Option<RepositoryKey>, MetadataError> {
    let row = sqlx::query(
        "SELECT id, delete_enabled, write_enabled, read_enabled, list_enabled
         FROM repositories WHERE name = $1 AND deleted_at IS NULL",
    )
    .bind(name.as_str())
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(RepositoryKey::from_row).transpose()
}

/// As [`find`], and nobody else changes its tags, manifests or locks until the transaction ends.
pub async fn hold(
    connection: &mut AnyConnection,
    name: &RepositoryName,
) -> Result<Option<RepositoryKey>, MetadataError> {
    // An update, as it locks the row in every database.
    let row = sqlx::query(
        "UPDATE repositories SET updated_at = updated_at WHERE name = $1 AND deleted_at IS NULL
         RETURNING id, delete_enabled, write_enabled, read_enabled, list_enabled",
    )
    .bind(name.as_str())
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(RepositoryKey::from_row).transpose()
}

/// As [`hold`], by its id; gives its name too.
pub async fn hold_by_id(
    connection: &mut AnyConnection,
    id: i64,
) -> Result<Option<(RepositoryName, RepositoryKey)>, MetadataError> {
    let row = sqlx::query(
        "UPDATE repositories SET updated_at = updated_at WHERE id = $1 AND deleted_at IS NULL
         RETURNING id, name, delete_enabled, write_enabled, read_enabled, list_enabled",
    )
    .bind(id)
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some((parsed(&row, "name")?, RepositoryKey::from_row(&row)?)))
}

/// As [`find`], and nobody holds it by [`hold`] until the transaction ends; others may share it.
async fn share(
    connection: &mut AnyConnection,
    name: &RepositoryName,
) -> Result<Option<RepositoryKey>, MetadataError> {
    let sql = format!(
        "SELECT id, delete_enabled, write_enabled, read_enabled, list_enabled
         FROM repositories WHERE name = $1 AND deleted_at IS NULL{}",
        RowLock::Shared.clause(connection)
    );
    let row =
        sqlx::query(AssertSqlSafe(sql)).bind(name.as_str()).fetch_optional(connection).await?;
    row.as_ref().map(RepositoryKey::from_row).transpose()
}

/// A repository that is made if it is missing, shared with others that add blobs to it. One that
/// was deleted comes back, with the attributes that it had.
pub async fn share_or_create(
    connection: &mut AnyConnection,
    name: &RepositoryName,
    now: i64,
) -> Result<RepositoryKey, MetadataError> {
    if let Some(key) = share(connection, name).await? {
        return Ok(key);
    }
    create(connection, name, now).await
}

/// As [`share_or_create`], but held as by [`hold`].
pub async fn hold_or_create(
    connection: &mut AnyConnection,
    name: &RepositoryName,
    now: i64,
) -> Result<RepositoryKey, MetadataError> {
    if let Some(key) = hold(connection, name).await? {
        return Ok(key);
    }
    create(connection, name, now).await
}

async fn create(
    connection: &mut AnyConnection,
    name: &RepositoryName,
    now: i64,
) -> Result<RepositoryKey, MetadataError> {
    // The update lets RETURNING give the row that another connection made meanwhile.
    let row = sqlx::query(
        "INSERT INTO repositories (name, created_at, updated_at) VALUES ($1, $2, $2)
         ON CONFLICT (name) DO UPDATE SET updated_at = excluded.updated_at, deleted_at = NULL
         RETURNING id, delete_enabled, write_enabled, read_enabled, list_enabled",
    )
    .bind(name.as_str())
    .bind(now)
    .fetch_one(connection)
    .await?;
    RepositoryKey::from_row(&row)
}

pub async fn get(
    connection: &mut AnyConnection,
    name: &RepositoryName,
) -> Result<Option<Repository>, MetadataError> {
    let row = sqlx::query(
        "SELECT id, name, created_at, updated_at, manifest_count, tag_count,
                delete_enabled, write_enabled, read_enabled, list_enabled
         FROM repositories WHERE name = $1 AND deleted_at IS NULL",
    )
    .bind(name.as_str())
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(Repository::from_row).transpose()
}

/// Notes that the content changed, and by how many manifests and tags.
pub async fn touch(
    connection: &mut AnyConnection,
    id: i64,
    manifests: i64,
    tags: i64,
    now: i64,
) -> Result<(), MetadataError> {
    sqlx::query(
        "UPDATE repositories
         SET updated_at = $2, manifest_count = manifest_count + $3, tag_count = tag_count + $4
         WHERE id = $1",
    )
    .bind(id)
    .bind(now)
    .bind(manifests)
    .bind(tags)
    .execute(connection)
    .await?;
    Ok(())
}

/// Names within any of `ranges` in ASCII order, at most `limit`, from the first after `last`.
pub async fn list(
    connection: &mut AnyConnection,
    ranges: &[NameRange],
    last: Option<&str>,
    limit: i64,
) -> Result<Vec<RepositoryName>, MetadataError> {
    let sql = "SELECT name FROM repositories
         WHERE name >= $1 AND name < $2 AND list_enabled = 1 AND deleted_at IS NULL
         ORDER BY name LIMIT $3";
    let mut rows = Vec::new();
    for Span { from, to } in spans(ranges, last) {
        let wanted = limit - size_to_sql(rows.len() as u64);
        if wanted <= 0 {
            break;
        }
        let query = sqlx::query(sql).bind(from).bind(to).bind(wanted);
        rows.append(&mut query.fetch_all(&mut *connection).await?);
    }
    rows.iter().map(|row| parsed(row, "name")).collect()
}

/// The names of repositories where this blob is visible and may be read, at most `limit`.
pub async fn with_blob(
    connection: &mut AnyConnection,
    digest: &Digest,
    limit: i64,
) -> Result<Vec<RepositoryName>, MetadataError> {
    let rows = sqlx::query(
        "SELECT r.name FROM blobs b
         JOIN repository_blobs l ON l.blob_id = b.id AND l.deleted_at IS NULL
         JOIN repositories r ON r.id = l.repository_id AND r.read_enabled = 1
         WHERE b.digest = $1 LIMIT $2",
    )
    .bind(digest.as_str())
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| parsed(row, "name")).collect()
}
