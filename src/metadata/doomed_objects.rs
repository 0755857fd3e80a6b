//! Objects of a bucket that are to be removed: no blob names them, and none ever will, since no key
//! is used twice.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row as _};

use super::MetadataError;
use super::rows::{LIST_CHUNK, parsed, placeholders, size, size_to_sql};
use crate::oci::Digest;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoomedObject {
    /// Its key.
    pub location: String,
    /// Of the content, and its size in bytes as far as it is known; both for people to read.
    pub digest: Digest,
    pub size: u64,
}

impl DoomedObject {
    fn from_row(row: &AnyRow) -> Result<Self, MetadataError> {
        Ok(Self {
            location: row.try_get("location")?,
            digest: parsed(row, "digest")?,
            size: size(row, "size")?,
        })
    }
}

/// Notes that an object is to be removed at `remove_at`, or after.
pub async fn insert(
    connection: &mut AnyConnection,
    object: &DoomedObject,
    remove_at: i64,
) -> Result<(), MetadataError> {
    sqlx::query(
        "INSERT INTO gc_objects (location, digest, size, remove_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (location) DO UPDATE SET remove_at = excluded.remove_at",
    )
    .bind(&object.location)
    .bind(object.digest.as_str())
    .bind(size_to_sql(object.size))
    .bind(remove_at)
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether there are objects whose time has come.
pub async fn is_due(connection: &mut AnyConnection, now: i64) -> Result<bool, MetadataError> {
    let found = sqlx::query("SELECT location FROM gc_objects WHERE remove_at <= $1 LIMIT 1");
    Ok(found.bind(now).fetch_optional(connection).await?.is_some())
}

/// Takes objects whose time has come, at most `limit`. Until `again_at` nobody else takes them; they
/// are to be forgotten before, or they are taken again.
pub async fn take(
    connection: &mut AnyConnection,
    now: i64,
    again_at: i64,
    limit: i64,
) -> Result<Vec<DoomedObject>, MetadataError> {
    let rows = sqlx::query(
        "UPDATE gc_objects SET remove_at = $2 WHERE location IN (
             SELECT location FROM gc_objects WHERE remove_at <= $1 ORDER BY remove_at LIMIT $3)
         RETURNING location, digest, size",
    )
    .bind(now)
    .bind(again_at)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter().map(DoomedObject::from_row).collect()
}

/// Those of `objects` that a blob names after all.
pub async fn in_use(
    connection: &mut AnyConnection,
    objects: &[DoomedObject],
) -> Result<Vec<String>, MetadataError> {
    let mut used = Vec::new();
    for chunk in objects.chunks(LIST_CHUNK) {
        let sql = format!(
            "SELECT location FROM blobs WHERE digest IN ({}) AND location IS NOT NULL",
            placeholders(1, chunk.len())
        );
        let mut query = sqlx::query_scalar::<_, String>(AssertSqlSafe(sql));
        for object in chunk {
            query = query.bind(object.digest.as_str());
        }
        used.extend(query.fetch_all(&mut *connection).await?);
    }
    used.retain(|location| objects.iter().any(|object| object.location == *location));
    Ok(used)
}

/// Forgets objects that are removed.
pub async fn delete(
    connection: &mut AnyConnection,
    objects: &[DoomedObject],
) -> Result<(), MetadataError> {
    for chunk in objects.chunks(LIST_CHUNK) {
        let sql =
            format!("DELETE FROM gc_objects WHERE location IN ({})", placeholders(1, chunk.len()));
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for object in chunk {
            query = query.bind(&object.location);
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}
