//! Blobs as the store has them: whether their bytes are sound, and which bytes have no row.

use std::collections::{HashMap, HashSet};

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row as _};
use uuid::Uuid;

use super::MetadataError;
use super::blobs::Blob;
use super::rows::{LIST_CHUNK, parsed, placeholders};
use crate::oci::Digest;

/// A blob whose bytes are to be in the store.
#[derive(Clone, Debug)]
pub struct StoredBlob {
    pub blob: Blob,
    /// When its bytes were last stored.
    pub stored_at: i64,
    /// Whether they are known not to be what they should.
    pub is_damaged: bool,
}

impl StoredBlob {
    fn from_row(row: &AnyRow) -> Result<Self, MetadataError> {
        Ok(Self {
            blob: Blob::from_row(row)?,
            stored_at: row.try_get("stored_at")?,
            is_damaged: row.try_get::<Option<i64>, _>("damaged_at")?.is_some(),
        })
    }
}

/// Blobs whose id is above `id`, in this order.
pub async fn after(
    connection: &mut AnyConnection,
    id: i64,
    limit: i64,
) -> Result<Vec<StoredBlob>, MetadataError> {
    let rows = sqlx::query(
        "SELECT id, digest, size, location, damaged_at,
                COALESCE(stored_at, created_at) AS stored_at
         FROM blobs WHERE id > $1 AND state = 'present' ORDER BY id LIMIT $2",
    )
    .bind(id)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter().map(StoredBlob::from_row).collect()
}

/// The blob as it stands now; none, if it has gone.
pub async fn find(
    connection: &mut AnyConnection,
    id: i64,
) -> Result<Option<StoredBlob>, MetadataError> {
    let row = sqlx::query(
        "SELECT id, digest, size, location, damaged_at,
                COALESCE(stored_at, created_at) AS stored_at
         FROM blobs WHERE id = $1 AND state = 'present'",
    )
    .bind(id)
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(StoredBlob::from_row).transpose()
}

/// The blob of a digest as it stands now; none, if there is none or it is to be deleted.
pub async fn of_digest(
    connection: &mut AnyConnection,
    digest: &Digest,
) -> Result<Option<StoredBlob>, MetadataError> {
    let row = sqlx::query(
        "SELECT id, digest, size, location, damaged_at,
                COALESCE(stored_at, created_at) AS stored_at
         FROM blobs WHERE digest = $1 AND state = 'present'",
    )
    .bind(digest.as_str())
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(StoredBlob::from_row).transpose()
}

/// Hides a blob whose bytes are damaged, unless they were stored again since `blob` was read;
/// whether it did.
pub async fn mark_damaged(
    connection: &mut AnyConnection,
    blob: &StoredBlob,
    now: i64,
) -> Result<bool, MetadataError> {
    let done = sqlx::query(
        "UPDATE blobs SET damaged_at = COALESCE(damaged_at, $3)
         WHERE id = $1 AND state = 'present' AND COALESCE(stored_at, created_at) = $2",
    )
    .bind(blob.blob.id)
    .bind(blob.stored_at)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Shows a blob again whose bytes are now whole at `location`; whether it had been hidden.
pub async fn mark_sound(
    connection: &mut AnyConnection,
    id: i64,
    location: Option<&str>,
    now: i64,
) -> Result<bool, MetadataError> {
    let done = sqlx::query(
        "UPDATE blobs SET damaged_at = NULL, location = $2, stored_at = $3
         WHERE id = $1 AND state = 'present' AND damaged_at IS NOT NULL",
    )
    .bind(id)
    .bind(location)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// How many blobs are known to be damaged.
pub async fn count_damaged(connection: &mut AnyConnection) -> Result<i64, MetadataError> {
    let sql = "SELECT count(*) FROM blobs WHERE damaged_at IS NOT NULL AND state = 'present'";
    Ok(sqlx::query_scalar(sql).fetch_one(connection).await?)
}

/// Those of `digests` of which there is a row, with where it says the bytes are.
pub async fn with_row(
    connection: &mut AnyConnection,
    digests: &[&Digest],
) -> Result<HashMap<Digest, Option<String>>, MetadataError> {
    let mut found = HashMap::new();
    for chunk in digests.chunks(LIST_CHUNK) {
        let sql = format!(
            "SELECT digest, location FROM blobs WHERE digest IN ({})",
            placeholders(1, chunk.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for digest in chunk {
            query = query.bind(digest.as_str());
        }
        for row in query.fetch_all(&mut *connection).await? {
            found.insert(parsed(&row, "digest")?, row.try_get("location")?);
        }
    }
    Ok(found)
}

/// Those of `keys` that a blob's row names, or that are to be removed.
pub async fn named(
    connection: &mut AnyConnection,
    keys: &[&str],
) -> Result<HashSet<String>, MetadataError> {
    let mut found = HashSet::new();
    for chunk in keys.chunks(LIST_CHUNK) {
        let list = placeholders(1, chunk.len());
        let sql = format!(
            "SELECT location FROM blobs WHERE location IN ({list})
             UNION ALL SELECT location FROM gc_objects WHERE location IN ({list})"
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for key in chunk {
            query = query.bind(*key);
        }
        for row in query.fetch_all(&mut *connection).await? {
            found.insert(row.try_get("location")?);
        }
    }
    Ok(found)
}

/// Whether an upload session is making the object `key`, has the id `session`, or is about to put the
/// content of `digest` in its place.
pub async fn is_being_uploaded(
    connection: &mut AnyConnection,
    key: &str,
    session: Option<Uuid>,
    digest: Option<&Digest>,
) -> Result<bool, MetadataError> {
    let row = sqlx::query(
        "SELECT 1 AS one FROM uploads
         WHERE id = $1 OR placed_location = $2 OR placed_digest = $3
            OR storage_handle LIKE '%' || $4 || '%' LIMIT 1",
    )
    .bind(session.map(|id| id.to_string()).unwrap_or_default())
    .bind(key)
    .bind(digest.map_or("", Digest::as_str))
    .bind(format!("\"{key}\""))
    .fetch_optional(connection)
    .await?;
    Ok(row.is_some())
}
