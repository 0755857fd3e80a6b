use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row as _};
use uuid::Uuid;

use super::MetadataError;
use super::locking::RowLock;
use super::rows::{parsed, parsed_or_null, size, size_to_sql};
use crate::oci::{Algorithm, Digest, Hasher, RepositoryName};

/// An upload session: how far it came, so that any request can go on from there.
#[derive(Clone)]
pub struct Upload {
    pub id: Uuid,
    pub repository: RepositoryName,
    /// Over the bytes received so far.
    pub hasher: Hasher,
    /// Bytes received and kept.
    pub received: u64,
    /// What the store noted of where they are.
    pub storage_handle: Option<String>,
}

impl Upload {
    fn from_row(row: &AnyRow) -> Result<Self, MetadataError> {
        let algorithm: String = row.try_get("algorithm")?;
        let algorithm = Algorithm::parse(&algorithm)
            .map_err(|_| MetadataError::Damaged { column: "algorithm", value: algorithm })?;
        let state: Vec<u8> = row.try_get("hash_state")?;
        let hasher = Hasher::restore(algorithm, &state).map_err(|_| MetadataError::Damaged {
            column: "hash_state",
            value: hex::encode(state),
        })?;
        Ok(Self {
            id: parsed(row, "id")?,
            repository: parsed(row, "repository")?,
            hasher,
            received: size(row, "received")?,
            storage_handle: row.try_get("storage_handle")?,
        })
    }
}

pub async fn insert(
    connection: &mut AnyConnection,
    upload: &Upload,
    actor: &str,
    now: i64,
    expires_at: i64,
) -> Result<(), MetadataError> {
    sqlx::query(
        "INSERT INTO uploads
           (id, repository, actor, algorithm, received, hash_state, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(upload.id.to_string())
    .bind(upload.repository.as_str())
    .bind(actor)
    .bind(upload.hasher.algorithm().as_str())
    .bind(size_to_sql(upload.received))
    .bind(upload.hasher.save())
    .bind(now)
    .bind(expires_at)
    .execute(connection)
    .await?;
    Ok(())
}

/// The session of that id, if it belongs to the repository and has not expired.
pub async fn find(
    connection: &mut AnyConnection,
    repository: &RepositoryName,
    id: Uuid,
    now: i64,
) -> Result<Option<Upload>, MetadataError> {
    let row = sqlx::query(
        "SELECT id, repository, algorithm, received, hash_state, storage_handle
         FROM uploads
         WHERE id = $1 AND repository = $2 AND expires_at > $3",
    )
    .bind(id.to_string())
    .bind(repository.as_str())
    .bind(now)
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(Upload::from_row).transpose()
}

/// A session that nobody else takes or gives back until the transaction ends.
pub struct HeldUpload {
    pub upload: Upload,
    /// Until when the request that writes to it holds it, if there is one.
    pub leased_until: Option<i64>,
    /// Where a request put the bytes that did not make a blob of them in the end.
    pub placed: Option<Placed>,
    pub expires_at: i64,
}

/// Where the bytes of a session were being put to become a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    pub digest: Digest,
    /// The key of an object, if the session's storage handle does not name it.
    pub location: Option<String>,
}

impl Placed {
    fn from_row(row: &AnyRow) -> Result<Option<Self>, MetadataError> {
        let Some(digest) = parsed_or_null(row, "placed_digest")? else { return Ok(None) };
        Ok(Some(Self { digest, location: row.try_get("placed_location")? }))
    }
}

/// As [`find`], and held.
pub async fn hold(
    connection: &mut AnyConnection,
    repository: &RepositoryName,
    id: Uuid,
    now: i64,
) -> Result<Option<HeldUpload>, MetadataError> {
    let sql = format!(
        "SELECT id, repository, algorithm, received, hash_state, storage_handle, lease, lease_until,
                expires_at, placed_digest, placed_location
         FROM uploads
         WHERE id = $1 AND repository = $2 AND expires_at > $3{}",
        RowLock::Alone.clause(connection)
    );
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(id.to_string())
        .bind(repository.as_str())
        .bind(now)
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let lease: Option<String> = row.try_get("lease")?;
    let lease_until = row.try_get("lease_until")?;
    Ok(Some(HeldUpload {
        upload: Upload::from_row(&row)?,
        leased_until: lease.map(|_| lease_until),
        expires_at: row.try_get("expires_at")?,
        placed: Placed::from_row(&row)?,
    }))
}

// A lease of none below is that of the only process on the database, whose rows name no holder.

/// Takes the right to write to a session that is held, until `until`. Where bytes were put before is
/// forgotten.
pub async fn take_lease(
    connection: &mut AnyConnection,
    id: Uuid,
    lease: Uuid,
    until: i64,
) -> Result<(), MetadataError> {
    sqlx::query(
        "UPDATE uploads
         SET lease = $2, lease_until = $3, placed_digest = NULL, placed_location = NULL,
             arrived = NULL, expected = NULL
         WHERE id = $1",
    )
    .bind(id.to_string())
    .bind(lease.to_string())
    .bind(until)
    .execute(connection)
    .await?;
    Ok(())
}

/// Forgets where bytes of a session were put before.
pub async fn forget_placed(connection: &mut AnyConnection, id: Uuid) -> Result<(), MetadataError> {
    sqlx::query("UPDATE uploads SET placed_digest = NULL, placed_location = NULL WHERE id = $1")
        .bind(id.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

/// What the request that holds a session has received, for those who look; it counts when it ends.
#[derive(Clone, Copy, Debug, Default)]
pub struct Arrival {
    /// Bytes of the session with those of the request so far.
    pub arrived: u64,
    /// With all of the request, if the client said how many it sends.
    pub expected: Option<u64>,
}

/// Holds a lease longer; whether it is still held.
pub async fn renew_lease(
    connection: &mut AnyConnection,
    id: Uuid,
    lease: Option<Uuid>,
    until: i64,
    expires_at: i64,
    arrival: Arrival,
) -> Result<bool, MetadataError> {
    let done = sqlx::query(
        "UPDATE uploads SET lease_until = $3, expires_at = $4, arrived = $5, expected = $6
         WHERE id = $1 AND lease IS NOT DISTINCT FROM $2 AND expires_at > 0",
    )
    .bind(id.to_string())
    .bind(lease.map(|lease| lease.to_string()))
    .bind(until)
    .bind(expires_at)
    .bind(size_to_sql(arrival.arrived))
    .bind(arrival.expected.map(size_to_sql))
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// As [`renew_lease`], and notes where the bytes are about to be put.
pub async fn place(
    connection: &mut AnyConnection,
    id: Uuid,
    lease: Option<Uuid>,
    until: i64,
    expires_at: i64,
    placed: &Placed,
) -> Result<bool, MetadataError> {
    let done = sqlx::query(
        "UPDATE uploads
         SET lease_until = $3, expires_at = $4, placed_digest = $5, placed_location = $6
         WHERE id = $1 AND lease IS NOT DISTINCT FROM $2 AND expires_at > 0",
    )
    .bind(id.to_string())
    .bind(lease.map(|lease| lease.to_string()))
    .bind(until)
    .bind(expires_at)
    .bind(placed.digest.as_str())
    .bind(&placed.location)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Keeps how far a session came and gives the lease back; whether it was still held.
pub async fn save(
    connection: &mut AnyConnection,
    upload: &Upload,
    lease: Option<Uuid>,
    expires_at: i64,
) -> Result<bool, MetadataError> {
    let done = sqlx::query(
        "UPDATE uploads
         SET received = $3, algorithm = $4, hash_state = $5, storage_handle = $6, expires_at = $7,
             lease = NULL, lease_until = 0, arrived = NULL, expected = NULL
         WHERE id = $1 AND lease IS NOT DISTINCT FROM $2 AND expires_at > 0",
    )
    .bind(upload.id.to_string())
    .bind(lease.map(|lease| lease.to_string()))
    .bind(size_to_sql(upload.received))
    .bind(upload.hasher.algorithm().as_str())
    .bind(upload.hasher.save())
    .bind(&upload.storage_handle)
    .bind(expires_at)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Gives a lease back; the session stands where it stood. Whether it was still held.
pub async fn free_lease(
    connection: &mut AnyConnection,
    id: Uuid,
    lease: Option<Uuid>,
    expires_at: i64,
) -> Result<bool, MetadataError> {
    let done = sqlx::query(
        "UPDATE uploads SET expires_at = $3, lease = NULL, lease_until = 0,
                            arrived = NULL, expected = NULL
         WHERE id = $1 AND lease IS NOT DISTINCT FROM $2 AND expires_at > 0",
    )
    .bind(id.to_string())
    .bind(lease.map(|lease| lease.to_string()))
    .bind(expires_at)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Keeps what the store noted, while a lease is held; whether it still is.
pub async fn set_storage_handle(
    connection: &mut AnyConnection,
    id: Uuid,
    lease: Option<Uuid>,
    storage_handle: &str,
) -> Result<bool, MetadataError> {
    let done = sqlx::query("UPDATE uploads SET storage_handle = $3 WHERE id = $1 AND lease IS NOT DISTINCT FROM $2 AND expires_at > 0")
        .bind(id.to_string())
        .bind(lease.map(|lease| lease.to_string()))
        .bind(storage_handle)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// A session that is over. Its row stays until its bytes are removed, as the row alone knows where
/// they are.
pub struct EndedUpload {
    pub id: Uuid,
    pub storage_handle: Option<String>,
    pub placed: Option<Placed>,
}

impl EndedUpload {
    fn from_row(row: &AnyRow) -> Result<Self, MetadataError> {
        Ok(Self {
            id: parsed(row, "id")?,
            storage_handle: row.try_get("storage_handle")?,
            placed: Placed::from_row(row)?,
        })
    }
}

/// Ends a session whose lease is held; none, if it was not.
pub async fn end_leased(
    connection: &mut AnyConnection,
    id: Uuid,
    lease: Option<Uuid>,
) -> Result<Option<EndedUpload>, MetadataError> {
    let row = sqlx::query(
        "UPDATE uploads SET expires_at = 0, lease = NULL, lease_until = 0
         WHERE id = $1 AND lease IS NOT DISTINCT FROM $2 AND expires_at > 0
         RETURNING id, storage_handle, placed_digest, placed_location",
    )
    .bind(id.to_string())
    .bind(lease.map(|lease| lease.to_string()))
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(EndedUpload::from_row).transpose()
}

/// Ends and forgets a session whose lease is held; none, if it was not.
pub async fn delete_leased(
    connection: &mut AnyConnection,
    id: Uuid,
    lease: Option<Uuid>,
) -> Result<Option<EndedUpload>, MetadataError> {
    let row = sqlx::query(
        "DELETE FROM uploads WHERE id = $1 AND lease IS NOT DISTINCT FROM $2 AND expires_at > 0
         RETURNING id, storage_handle, placed_digest, placed_location",
    )
    .bind(id.to_string())
    .bind(lease.map(|lease| lease.to_string()))
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(EndedUpload::from_row).transpose()
}

/// Sessions that ended or expired and that nobody writes to, at most `limit`. From now on nobody
/// makes a blob of one: a request that slept for long, and still has its lease, loses it.
pub async fn end_expired(
    connection: &mut AnyConnection,
    now: i64,
    limit: i64,
) -> Result<Vec<EndedUpload>, MetadataError> {
    let rows = sqlx::query(
        "UPDATE uploads SET expires_at = 0, lease = NULL, lease_until = 0
         WHERE id IN (
             SELECT id FROM uploads
             WHERE expires_at <= $1 AND lease_until <= $1 ORDER BY expires_at LIMIT $2)
           AND expires_at <= $1 AND lease_until <= $1
         RETURNING id, storage_handle, placed_digest, placed_location",
    )
    .bind(now)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter().map(EndedUpload::from_row).collect()
}

/// Whether there are sessions for [`end_expired`].
pub async fn has_expired(connection: &mut AnyConnection, now: i64) -> Result<bool, MetadataError> {
    let found =
        sqlx::query("SELECT id FROM uploads WHERE expires_at <= $1 AND lease_until <= $1 LIMIT 1");
    Ok(found.bind(now).fetch_optional(connection).await?.is_some())
}

/// Frees every lease: at the start of the only process on this database nobody holds one.
pub async fn free_leases(connection: &mut AnyConnection) -> Result<(), MetadataError> {
    sqlx::query(
        "UPDATE uploads SET lease = NULL, lease_until = 0, arrived = NULL, expected = NULL
         WHERE lease IS NOT NULL OR lease_until > 0",
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Sessions that have received bytes or were becoming a blob, with how many they have received.
pub async fn begun(
    connection: &mut AnyConnection,
) -> Result<Vec<(EndedUpload, u64)>, MetadataError> {
    let rows = sqlx::query(
        "SELECT id, received, storage_handle, placed_digest, placed_location
         FROM uploads WHERE received > 0 OR placed_digest IS NOT NULL",
    )
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok((EndedUpload::from_row(row)?, size(row, "received")?))).collect()
}

/// Ends a session, whoever holds it.
pub async fn delete(connection: &mut AnyConnection, id: Uuid) -> Result<(), MetadataError> {
    sqlx::query("DELETE FROM uploads WHERE id = $1")
        .bind(id.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

/// Whether there is a session of that id, expired or not.
pub async fn exists(connection: &mut AnyConnection, id: Uuid) -> Result<bool, MetadataError> {
    let found: Option<i64> = sqlx::query_scalar("SELECT 1 FROM uploads WHERE id = $1")
        .bind(id.to_string())
        .fetch_optional(connection)
        .await?;
    Ok(found.is_some())
}

/// Removes all sessions, whoever writes to them.
pub async fn delete_all(connection: &mut AnyConnection) -> Result<(), MetadataError> {
    sqlx::query("DELETE FROM uploads").execute(connection).await?;
    Ok(())
}
