//! Manifests as the database has them: whether their bytes are sound.

use bytes::Bytes;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use super::MetadataError;
use super::rows::parsed;
use crate::oci::{Digest, RepositoryName};

/// The bytes of a manifest, as its row holds them.
#[derive(Clone, Debug)]
pub struct StoredManifest {
    pub id: i64,
    pub repository: RepositoryName,
    pub digest: Digest,
    pub content: Bytes,
    /// Whether they are known not to be what they should.
    pub is_damaged: bool,
}

impl StoredManifest {
    fn from_row(row: &AnyRow) -> Result<Self, MetadataError> {
        Ok(Self {
            id: row.try_get("id")?,
            repository: parsed(row, "name")?,
            digest: parsed(row, "digest")?,
            content: row.try_get::<Vec<u8>, _>("content")?.into(),
            is_damaged: row.try_get::<Option<i64>, _>("damaged_at")?.is_some(),
        })
    }
}

/// Manifests whose id is above `id`, deleted or not, in this order.
pub async fn after(
    connection: &mut AnyConnection,
    id: i64,
    limit: i64,
) -> Result<Vec<StoredManifest>, MetadataError> {
    let rows = sqlx::query(
        "SELECT m.id, r.name, m.digest, m.content, m.damaged_at FROM manifests m
         JOIN repositories r ON r.id = m.repository_id
         WHERE m.id > $1 ORDER BY m.id LIMIT $2",
    )
    .bind(id)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter().map(StoredManifest::from_row).collect()
}

/// The manifest as it stands now; none, if it has gone.
pub async fn find(
    connection: &mut AnyConnection,
    id: i64,
) -> Result<Option<StoredManifest>, MetadataError> {
    let row = sqlx::query(
        "SELECT m.id, r.name, m.digest, m.content, m.damaged_at FROM manifests m
         JOIN repositories r ON r.id = m.repository_id WHERE m.id = $1",
    )
    .bind(id)
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(StoredManifest::from_row).transpose()
}

/// A manifest whose bytes are known to be damaged.
#[derive(Clone, Debug)]
pub struct DamagedManifest {
    pub id: i64,
    pub repository: RepositoryName,
    pub digest: Digest,
}

/// Damaged manifests whose id is above `id`, deleted or not, in this order.
pub async fn damaged_after(
    connection: &mut AnyConnection,
    id: i64,
    limit: i64,
) -> Result<Vec<DamagedManifest>, MetadataError> {
    let rows = sqlx::query(
        "SELECT m.id, r.name, m.digest FROM manifests m
         JOIN repositories r ON r.id = m.repository_id
         WHERE m.id > $1 AND m.damaged_at IS NOT NULL ORDER BY m.id LIMIT $2",
    )
    .bind(id)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    let damaged = |row: &AnyRow| {
        Ok(DamagedManifest {
            id: row.try_get("id")?,
            repository: parsed(row, "name")?,
            digest: parsed(row, "digest")?,
        })
    };
    rows.iter().map(damaged).collect()
}

/// What other repositories hold under the digest, as far as it is not known to be damaged; at most
/// `limit` of them.
pub async fn copies(
    connection: &mut AnyConnection,
    digest: &Digest,
    limit: i64,
) -> Result<Vec<Bytes>, MetadataError> {
    let rows = sqlx::query(
        "SELECT content FROM manifests WHERE digest = $1 AND damaged_at IS NULL
         ORDER BY id LIMIT $2",
    )
    .bind(digest.as_str())
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok(row.try_get::<Vec<u8>, _>("content")?.into())).collect()
}

/// Hides a manifest whose bytes are damaged, unless they are others by now than those that were read;
/// whether it did.
pub async fn mark_damaged(
    connection: &mut AnyConnection,
    manifest: &StoredManifest,
    now: i64,
) -> Result<bool, MetadataError> {
    let done = sqlx::query(
        "UPDATE manifests SET damaged_at = COALESCE(damaged_at, $3)
         WHERE id = $1 AND content = $2",
    )
    .bind(manifest.id)
    .bind(&manifest.content[..])
    .bind(now)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Shows a manifest again, whose bytes are `content`; whether it had been hidden.
pub async fn mark_sound(
    connection: &mut AnyConnection,
    id: i64,
    content: &[u8],
) -> Result<bool, MetadataError> {
    let done = sqlx::query(
        "UPDATE manifests SET content = $2, damaged_at = NULL
         WHERE id = $1 AND damaged_at IS NOT NULL",
    )
    .bind(id)
    .bind(content)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// How many manifests are known to be damaged, but for those that are deleted.
pub async fn count_damaged(connection: &mut AnyConnection) -> Result<i64, MetadataError> {
    let sql = "SELECT count(*) FROM manifests WHERE damaged_at IS NOT NULL AND deleted_at IS NULL";
    Ok(sqlx::query_scalar(sql).fetch_one(connection).await?)
}
