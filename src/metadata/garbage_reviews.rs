//! What of the queue is garbage ([`super::garbage`]), and how it goes. Each question costs the same
//! however much the registry holds.

use std::collections::HashSet;

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row as _};

use super::locking::RowLock;
use super::rows::{parsed, parsed_or_null, placeholders, size};
use super::{Attributes, MetadataError};
use crate::oci::Digest;

/// Removes those links of a repository, which is held, that no manifest needs, deleted ones
/// included, and that are not younger than `linked_until`. Gives the blobs.
pub async fn remove_links(
    connection: &mut AnyConnection,
    repository_id: i64,
    blob_ids: &[i64],
    linked_until: i64,
) -> Result<Vec<i64>, MetadataError> {
    let sql = format!(
        "DELETE FROM repository_blobs
         WHERE repository_id = $1 AND linked_at <= $2 AND deleted_at IS NULL
           AND blob_id IN ({})
           AND NOT EXISTS (
               SELECT 1 FROM manifest_references x
               WHERE x.repository_id = repository_blobs.repository_id
                 AND x.blob_id = repository_blobs.blob_id)
         RETURNING blob_id",
        placeholders(3, blob_ids.len())
    );
    let mut query = sqlx::query_scalar(AssertSqlSafe(sql)).bind(repository_id).bind(linked_until);
    for id in blob_ids {
        query = query.bind(id);
    }
    Ok(query.fetch_all(connection).await?)
}

/// Links of a repository that no manifest needs, and when they were made.
pub async fn needless_links(
    connection: &mut AnyConnection,
    repository_id: i64,
    blob_ids: &[i64],
) -> Result<Vec<(i64, i64)>, MetadataError> {
    let sql = format!(
        "SELECT l.blob_id, l.linked_at FROM repository_blobs l
         WHERE l.repository_id = $1 AND l.deleted_at IS NULL AND l.blob_id IN ({})
           AND NOT EXISTS (
               SELECT 1 FROM manifest_references x
               WHERE x.repository_id = l.repository_id AND x.blob_id = l.blob_id)",
        placeholders(2, blob_ids.len())
    );
    let mut query = sqlx::query_as(AssertSqlSafe(sql)).bind(repository_id);
    for id in blob_ids {
        query = query.bind(id);
    }
    Ok(query.fetch_all(connection).await?)
}

/// A manifest that nothing names: no tag, and no index, deleted ones included.
#[derive(Clone, Debug)]
pub struct UnnamedManifest {
    pub id: i64,
    pub digest: Digest,
    pub attributes: Attributes,
    pub updated_at: i64,
    pub subject: Option<Digest>,
    /// Whether the repository has the subject, be it deleted.
    pub has_subject: bool,
}

impl UnnamedManifest {
    fn from_row(row: &AnyRow) -> Result<Self, MetadataError> {
        Ok(Self {
            id: row.try_get("id")?,
            digest: parsed(row, "digest")?,
            attributes: Attributes::from_row(row)?,
            updated_at: row.try_get("updated_at")?,
            subject: parsed_or_null(row, "subject_digest")?,
            has_subject: row.try_get::<Option<i64>, _>("subject_id")?.is_some(),
        })
    }
}

/// Those of the manifests `ids` of a repository that nothing names.
pub async fn unnamed_manifests(
    connection: &mut AnyConnection,
    repository_id: i64,
    ids: &[i64],
) -> Result<Vec<UnnamedManifest>, MetadataError> {
    let sql = format!(
        "SELECT m.id, m.digest, m.updated_at, m.subject_digest, s.id AS subject_id,
                m.delete_enabled, m.write_enabled, m.read_enabled, m.list_enabled
         FROM manifests m
         LEFT JOIN manifests s ON s.repository_id = m.repository_id AND s.digest = m.subject_digest
         WHERE m.repository_id = $1 AND m.deleted_at IS NULL AND m.id IN ({})
           AND NOT EXISTS (SELECT 1 FROM tags t WHERE t.manifest_id = m.id)
           AND NOT EXISTS (
               SELECT 1 FROM manifest_references x
               WHERE x.repository_id = m.repository_id AND x.digest = m.digest
                 AND x.role = 'manifest')
         ORDER BY m.id",
        placeholders(2, ids.len())
    );
    let mut query = sqlx::query(AssertSqlSafe(sql)).bind(repository_id);
    for id in ids {
        query = query.bind(id);
    }
    let rows = query.fetch_all(connection).await?;
    rows.iter().map(UnnamedManifest::from_row).collect()
}

/// A blob whose row is held.
#[derive(Clone, Debug)]
pub struct HeldBlob {
    pub id: i64,
    pub digest: Digest,
    pub size: u64,
    pub location: Option<String>,
    /// Since when its bytes are to be removed, if they are.
    pub marked_at: Option<i64>,
}

impl HeldBlob {
    fn from_row(row: &AnyRow) -> Result<Self, MetadataError> {
        let state: String = row.try_get("state")?;
        let marked_at = row.try_get::<Option<i64>, _>("marked_at")?;
        Ok(Self {
            id: row.try_get("id")?,
            digest: parsed(row, "digest")?,
            size: size(row, "size")?,
            location: row.try_get("location")?,
            marked_at: (state == "deleting").then(|| marked_at.unwrap_or_default()),
        })
    }
}

/// Those of the blobs `ids` that no repository has. Nobody links or marks them until the transaction
/// ends.
pub async fn hold_unlinked(
    connection: &mut AnyConnection,
    ids: &[i64],
) -> Result<Vec<HeldBlob>, MetadataError> {
    // Held first: only what a later statement sees cannot change any more.
    let sql = format!(
        "SELECT id, digest, size, location, state, marked_at FROM blobs
         WHERE id IN ({}) ORDER BY id{}",
        placeholders(1, ids.len()),
        RowLock::Alone.clause(connection)
    );
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for id in ids {
        query = query.bind(id);
    }
    let rows = query.fetch_all(&mut *connection).await?;
    let mut held: Vec<_> = rows.iter().map(HeldBlob::from_row).collect::<Result<_, _>>()?;
    let sql = format!(
        "SELECT DISTINCT blob_id FROM repository_blobs WHERE blob_id IN ({})",
        placeholders(1, ids.len())
    );
    let mut query = sqlx::query_scalar::<_, i64>(AssertSqlSafe(sql));
    for id in ids {
        query = query.bind(id);
    }
    let linked: HashSet<i64> = query.fetch_all(connection).await?.into_iter().collect();
    held.retain(|blob| !linked.contains(&blob.id));
    Ok(held)
}
