use std::collections::HashMap;

use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _};

use super::attributes::flag;
use super::locking::RowLock;
use super::rows::{LIST_CHUNK, parsed, placeholders, size, size_to_sql};
use super::{MetadataError, storage_samples};
use crate::oci::{Digest, RepositoryName};

/// A blob as a repository shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    pub id: i64,
    pub digest: Digest,
    /// In bytes.
    pub size: u64,
    /// Where the bytes are, if not at the place that follows from the digest.
    pub location: Option<String>,
}

impl Blob {
    pub(super) fn from_row(row: &AnyRow) -> Result<Self, MetadataError> {
        Ok(Self {
            id: row.try_get("id")?,
            digest: parsed(row, "digest")?,
            size: size(row, "size")?,
            location: row.try_get("location")?,
        })
    }
}

/// A blob of a repository, and whether the repository lets it be read.
#[derive(Clone, Debug)]
pub struct FoundBlob {
    pub blob: Blob,
    pub is_readable: bool,
    /// Whether its bytes are known not to be what they should: nobody may get them.
    pub is_damaged: bool,
    pub repository_id: i64,
    /// When it was last pushed, mounted, or found by a client that wanted to push it.
    pub linked_at: i64,
}

/// The blob, if it is visible in the repository.
pub async fn find(
    connection: &mut AnyConnection,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Option<FoundBlob>, MetadataError> {
    let row = sqlx::query(
        "SELECT b.id, b.digest, b.size, b.location, b.damaged_at, r.read_enabled,
                l.repository_id, l.linked_at
         FROM repositories r
         JOIN repository_blobs l ON l.repository_id = r.id AND l.deleted_at IS NULL
         JOIN blobs b ON b.id = l.blob_id
         WHERE r.name = $1 AND b.digest = $2",
    )
    .bind(repository.as_str())
    .bind(digest.as_str())
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(FoundBlob {
        blob: Blob::from_row(&row)?,
        is_readable: flag(&row, "read_enabled")?,
        is_damaged: row.try_get::<Option<i64>, _>("damaged_at")?.is_some(),
        repository_id: row.try_get("repository_id")?,
        linked_at: row.try_get("linked_at")?,
    }))
}

/// Those of `digests` that are visible in the repository and not damaged.
pub async fn find_all(
    connection: &mut AnyConnection,
    repository_id: i64,
    digests: &[&Digest],
) -> Result<HashMap<Digest, Blob>, MetadataError> {
    let mut found = HashMap::new();
    for chunk in digests.chunks(LIST_CHUNK) {
        let sql = format!(
            "SELECT b.id, b.digest, b.size, b.location FROM blobs b
             JOIN repository_blobs l
               ON l.blob_id = b.id AND l.repository_id = $1 AND l.deleted_at IS NULL
             WHERE b.damaged_at IS NULL AND b.digest IN ({})",
            placeholders(2, chunk.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(sql)).bind(repository_id);
        for digest in chunk {
            query = query.bind(digest.as_str());
        }
        for row in query.fetch_all(&mut *connection).await? {
            let blob = Blob::from_row(&row)?;
            found.insert(blob.digest.clone(), blob);
        }
    }
    Ok(found)
}

/// Notes that all blobs are at the places that follow from their digests.
pub async fn forget_locations(connection: &mut AnyConnection) -> Result<(), MetadataError> {
    sqlx::query("UPDATE blobs SET location = NULL WHERE location IS NOT NULL")
        .execute(connection)
        .await?;
    Ok(())
}

/// Notes that the bytes of a blob are in the store. If they were there before, and sound, the row
/// keeps the place that it knows.
pub async fn insert(
    connection: &mut AnyConnection,
    digest: &Digest,
    size: u64,
    location: Option<&str>,
    now: i64,
) -> Result<Blob, MetadataError> {
    let row = sqlx::query(
        "INSERT INTO blobs (digest, size, location, created_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (digest) DO UPDATE
         SET location = CASE WHEN blobs.state = 'present' AND blobs.damaged_at IS NULL
                             THEN blobs.location ELSE excluded.location END,
             size = excluded.size,
             state = 'present', marked_at = NULL,
             damaged_at = NULL, stored_at = excluded.created_at
         RETURNING id, digest, size, location",
    )
    .bind(digest.as_str())
    .bind(size_to_sql(size))
    .bind(location)
    .bind(now)
    .fetch_one(connection)
    .await?;
    Blob::from_row(&row)
}

/// Whether the bytes of a blob are to be removed.
pub async fn is_marked(
    connection: &mut AnyConnection,
    digest: &Digest,
) -> Result<bool, MetadataError> {
    let row = sqlx::query("SELECT id FROM blobs WHERE digest = $1 AND state = 'deleting'")
        .bind(digest.as_str())
        .fetch_optional(connection)
        .await?;
    Ok(row.is_some())
}

/// Decides that the bytes of blobs, which are held and unlinked, are to be removed.
pub async fn mark(
    connection: &mut AnyConnection,
    ids: &[i64],
    now: i64,
) -> Result<(), MetadataError> {
    for chunk in ids.chunks(LIST_CHUNK) {
        let sql = format!(
            "UPDATE blobs SET state = 'deleting', marked_at = $1 WHERE id IN ({})",
            placeholders(2, chunk.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(sql)).bind(now);
        for id in chunk {
            query = query.bind(id);
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Takes that decision back, as somebody brings the same bytes; gives the blob's id, if there was
/// such a decision. Waits until bytes that are being removed are gone with their row.
pub async fn unmark(
    connection: &mut AnyConnection,
    digest: &Digest,
) -> Result<Option<i64>, MetadataError> {
    let id = sqlx::query_scalar(
        "UPDATE blobs SET state = 'present', marked_at = NULL
         WHERE digest = $1 AND state = 'deleting' RETURNING id",
    );
    Ok(id.bind(digest.as_str()).fetch_optional(connection).await?)
}

/// Notes that the store may have bytes of which there is no row, so that they are removed. Gives the
/// id of the blob's row, whether it was there or not.
pub async fn insert_marked(
    connection: &mut AnyConnection,
    digest: &Digest,
    size: u64,
    now: i64,
) -> Result<i64, MetadataError> {
    // The update lets RETURNING give the row that was there.
    let id = sqlx::query_scalar(
        "INSERT INTO blobs (digest, size, state, marked_at, created_at)
         VALUES ($1, $2, 'deleting', $3, $3)
         ON CONFLICT (digest) DO UPDATE SET digest = excluded.digest
         RETURNING id",
    );
    let id = id.bind(digest.as_str()).bind(size_to_sql(size)).bind(now);
    Ok(id.fetch_one(connection).await?)
}

/// Forgets blobs, which are held and unlinked, while nobody else does ([`super::Alone::Sweep`]).
pub async fn delete(connection: &mut AnyConnection, ids: &[i64]) -> Result<(), MetadataError> {
    for chunk in ids.chunks(LIST_CHUNK) {
        storage_samples::take_off(connection, chunk).await?;
        let sql = format!("DELETE FROM blobs WHERE id IN ({})", placeholders(1, chunk.len()));
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for id in chunk {
            query = query.bind(id);
        }
        query.execute(&mut *connection).await?;
        storage_samples::lower_ids(connection).await?;
    }
    Ok(())
}

/// Whether the bytes of a blob are in the store, sound, and stay there until the transaction ends.
pub async fn hold(connection: &mut AnyConnection, id: i64) -> Result<bool, MetadataError> {
    let sql = format!(
        "SELECT id FROM blobs WHERE id = $1 AND state = 'present' AND damaged_at IS NULL{}",
        RowLock::Alone.clause(connection)
    );
    let row = sqlx::query(AssertSqlSafe(sql)).bind(id).fetch_optional(connection).await?;
    Ok(row.is_some())
}

/// Makes a blob visible in a repository, again if it was. Manifests that were pushed without it
/// hold on to it from now on.
pub async fn link(
    connection: &mut AnyConnection,
    repository_id: i64,
    blob_id: i64,
    now: i64,
) -> Result<(), MetadataError> {
    sqlx::query(
        "INSERT INTO repository_blobs (repository_id, blob_id, linked_at) VALUES ($1, $2, $3)
         ON CONFLICT (repository_id, blob_id)
         DO UPDATE SET linked_at = excluded.linked_at, deleted_at = NULL",
    )
    .bind(repository_id)
    .bind(blob_id)
    .bind(now)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "UPDATE manifest_references SET blob_id = $2
         WHERE repository_id = $1 AND blob_id IS NULL AND role <> 'manifest'
           AND digest = (SELECT digest FROM blobs WHERE id = $2)",
    )
    .bind(repository_id)
    .bind(blob_id)
    .execute(connection)
    .await?;
    Ok(())
}

/// Lets a link of a blob be as young as a new one; whether it is still there.
pub async fn refresh_link(
    connection: &mut AnyConnection,
    repository_id: i64,
    blob_id: i64,
    now: i64,
) -> Result<bool, MetadataError> {
    let done = sqlx::query(
        "UPDATE repository_blobs SET linked_at = $3
         WHERE repository_id = $1 AND blob_id = $2 AND deleted_at IS NULL",
    )
    .bind(repository_id)
    .bind(blob_id)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// The digest of a manifest of the repository that needs the blob, if there is one.
pub async fn user(
    connection: &mut AnyConnection,
    repository_id: i64,
    blob_id: i64,
) -> Result<Option<Digest>, MetadataError> {
    let row = sqlx::query(
        "SELECT m.digest FROM manifest_references x
         JOIN manifests m ON m.id = x.manifest_id AND m.deleted_at IS NULL
         WHERE x.repository_id = $1 AND x.blob_id = $2 LIMIT 1",
    )
    .bind(repository_id)
    .bind(blob_id)
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(|row| parsed(row, "digest")).transpose()
}

/// Makes a blob invisible in a repository.
pub async fn unlink(
    connection: &mut AnyConnection,
    repository_id: i64,
    blob_id: i64,
    now: i64,
) -> Result<(), MetadataError> {
    sqlx::query(
        "UPDATE repository_blobs SET deleted_at = $3
         WHERE repository_id = $1 AND blob_id = $2 AND deleted_at IS NULL",
    )
    .bind(repository_id)
    .bind(blob_id)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}
