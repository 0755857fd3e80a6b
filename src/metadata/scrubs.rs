use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row as _};
use uuid::Uuid;

use super::MetadataError;
use super::rows::{parsed, size, size_to_sql};

/// What a scrub goes through, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Rows of blobs, and the bytes of each.
    Blobs,
    /// Rows of manifests, which hold their bytes.
    Manifests,
    /// What is in the store, and whether a row knows of it.
    Store,
}

impl Phase {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Blobs => "blobs",
            Self::Manifests => "manifests",
            Self::Store => "store",
        }
    }

    pub fn next(self) -> Option<Self> {
        match self {
            Self::Blobs => Some(Self::Manifests),
            Self::Manifests => Some(Self::Store),
            Self::Store => None,
        }
    }
}

impl std::str::FromStr for Phase {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "blobs" => Ok(Self::Blobs),
            "manifests" => Ok(Self::Manifests),
            "store" => Ok(Self::Store),
            _ => Err(()),
        }
    }
}

/// A look through the whole store, as far as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scrub {
    pub id: i64,
    pub phase: Phase,
    /// The id or key in this phase after which it goes on; empty at the beginning.
    pub place: String,
    /// What it has read.
    pub blobs: u64,
    pub manifests: u64,
    pub bytes: u64,
    pub started_at: i64,
    pub updated_at: i64,
    pub finished_at: Option<i64>,
    /// Until when somebody holds it.
    pub lease_until: i64,
    /// Absent until it is counted, soon after the scrub began.
    pub totals: Option<Totals>,
}

/// What there was to read when a scrub began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    pub blobs: u64,
    pub manifests: u64,
    /// Of the blobs.
    pub bytes: u64,
}

impl Scrub {
    fn from_row(row: &AnyRow) -> Result<Self, MetadataError> {
        Ok(Self {
            id: row.try_get("id")?,
            phase: parsed(row, "phase")?,
            place: row.try_get("place")?,
            blobs: size(row, "blobs")?,
            manifests: size(row, "manifests")?,
            bytes: size(row, "bytes")?,
            started_at: row.try_get("started_at")?,
            updated_at: row.try_get("updated_at")?,
            finished_at: row.try_get("finished_at")?,
            lease_until: row.try_get("lease_until")?,
            totals: match row.try_get::<Option<i64>, _>("total_blobs")? {
                None => None,
                Some(_) => Some(Totals {
                    blobs: size(row, "total_blobs")?,
                    manifests: size(row, "total_manifests")?,
                    bytes: size(row, "total_bytes")?,
                }),
            },
        })
    }
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub kind: String,
    /// A digest, a key in the store, or `REPOSITORY@DIGEST`.
    pub name: String,
    /// In bytes.
    pub size: u64,
    /// What became of it.
    pub outcome: String,
    pub found_at: i64,
}

const COLUMNS: &str = "\
    id, phase, place, blobs, manifests, bytes, started_at, updated_at, finished_at, lease_until,
    total_blobs, total_manifests, total_bytes";

/// The last scrub, finished or not.
pub async fn last(connection: &mut AnyConnection) -> Result<Option<Scrub>, MetadataError> {
    let sql = format!("SELECT {COLUMNS} FROM scrubs ORDER BY id DESC LIMIT 1");
    let row = sqlx::query(AssertSqlSafe(sql)).fetch_optional(connection).await?;
    row.as_ref().map(Scrub::from_row).transpose()
}

/// The last scrub that came to its end.
pub async fn last_finished(connection: &mut AnyConnection) -> Result<Option<Scrub>, MetadataError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM scrubs WHERE finished_at IS NOT NULL ORDER BY id DESC LIMIT 1"
    );
    let row = sqlx::query(AssertSqlSafe(sql)).fetch_optional(connection).await?;
    row.as_ref().map(Scrub::from_row).transpose()
}

/// Counts what there is to read.
pub async fn totals(connection: &mut AnyConnection) -> Result<Totals, MetadataError> {
    let row = sqlx::query(
        "SELECT COUNT(*) AS blobs, CAST(COALESCE(SUM(size), 0) AS BIGINT) AS bytes,
                (SELECT COUNT(*) FROM manifests) AS manifests
         FROM blobs",
    )
    .fetch_one(connection)
    .await?;
    Ok(Totals {
        blobs: size(&row, "blobs")?,
        manifests: size(&row, "manifests")?,
        bytes: size(&row, "bytes")?,
    })
}

pub async fn set_totals(
    connection: &mut AnyConnection,
    id: i64,
    totals: Totals,
) -> Result<(), MetadataError> {
    sqlx::query(
        "UPDATE scrubs SET total_blobs = $2, total_manifests = $3, total_bytes = $4 WHERE id = $1",
    )
    .bind(id)
    .bind(size_to_sql(totals.blobs))
    .bind(size_to_sql(totals.manifests))
    .bind(size_to_sql(totals.bytes))
    .execute(connection)
    .await?;
    Ok(())
}

/// Begins a scrub, and forgets what those before it found, but for the last that came to its end.
pub async fn begin(connection: &mut AnyConnection, now: i64) -> Result<(), MetadataError> {
    sqlx::query(
        "DELETE FROM scrubs WHERE finished_at IS NULL
            OR id < (SELECT MAX(id) FROM scrubs WHERE finished_at IS NOT NULL)",
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT INTO scrubs (phase, place, started_at, updated_at) VALUES ('blobs', '', $1, $1)",
    )
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes the right to go on with a scrub.
pub async fn take_lease(
    connection: &mut AnyConnection,
    id: i64,
    lease: Uuid,
    until: i64,
) -> Result<(), MetadataError> {
    sqlx::query("UPDATE scrubs SET lease = $2, lease_until = $3 WHERE id = $1")
        .bind(id)
        .bind(lease.to_string())
        .bind(until)
        .execute(connection)
        .await?;
    Ok(())
}

/// Holds a lease longer; whether it is still held.
pub async fn renew_lease(
    connection: &mut AnyConnection,
    id: i64,
    lease: Uuid,
    until: i64,
) -> Result<bool, MetadataError> {
    let done = sqlx::query("UPDATE scrubs SET lease_until = $3 WHERE id = $1 AND lease = $2")
        .bind(id)
        .bind(lease.to_string())
        .bind(until)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Lets others go on with a scrub.
pub async fn free_lease(
    connection: &mut AnyConnection,
    id: i64,
    lease: Uuid,
) -> Result<(), MetadataError> {
    sqlx::query("UPDATE scrubs SET lease = NULL, lease_until = 0 WHERE id = $1 AND lease = $2")
        .bind(id)
        .bind(lease.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

/// Keeps how far a scrub came; whether the lease was still held.
pub async fn save(
    connection: &mut AnyConnection,
    scrub: &Scrub,
    lease: Uuid,
) -> Result<bool, MetadataError> {
    let done = sqlx::query(
        "UPDATE scrubs SET phase = $3, place = $4, blobs = $5, manifests = $6, bytes = $7,
                           updated_at = $8, finished_at = $9
         WHERE id = $1 AND lease = $2",
    )
    .bind(scrub.id)
    .bind(lease.to_string())
    .bind(scrub.phase.as_str())
    .bind(&scrub.place)
    .bind(size_to_sql(scrub.blobs))
    .bind(size_to_sql(scrub.manifests))
    .bind(size_to_sql(scrub.bytes))
    .bind(scrub.updated_at)
    .bind(scrub.finished_at)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

pub async fn record(
    connection: &mut AnyConnection,
    scrub_id: i64,
    finding: &Finding,
) -> Result<(), MetadataError> {
    sqlx::query(
        "INSERT INTO scrub_findings (scrub_id, kind, name, size, outcome, found_at)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (scrub_id, kind, name) DO UPDATE SET outcome = excluded.outcome",
    )
    .bind(scrub_id)
    .bind(&finding.kind)
    .bind(&finding.name)
    .bind(size_to_sql(finding.size))
    .bind(&finding.outcome)
    .bind(finding.found_at)
    .execute(connection)
    .await?;
    Ok(())
}

/// How much a scrub found that is not as it should be. What is sound again is no fault.
pub async fn count_faults(
    connection: &mut AnyConnection,
    scrub_id: i64,
) -> Result<u64, MetadataError> {
    let sql = "SELECT count(*) AS faults FROM scrub_findings
               WHERE scrub_id = $1 AND kind <> 'recovered'";
    size(&sqlx::query(sql).bind(scrub_id).fetch_one(connection).await?, "faults")
}

/// Says `to` instead of `from` in what became of something.
pub async fn amend(
    connection: &mut AnyConnection,
    scrub_id: i64,
    kind: &str,
    name: &str,
    from: &str,
    to: &str,
) -> Result<(), MetadataError> {
    sqlx::query(
        "UPDATE scrub_findings SET outcome = replace(outcome, $4, $5)
         WHERE scrub_id = $1 AND kind = $2 AND name = $3",
    )
    .bind(scrub_id)
    .bind(kind)
    .bind(name)
    .bind(from)
    .bind(to)
    .execute(connection)
    .await?;
    Ok(())
}

/// What a scrub found so far, at most `limit`.
pub async fn findings(
    connection: &mut AnyConnection,
    scrub_id: i64,
    limit: i64,
) -> Result<Vec<Finding>, MetadataError> {
    let rows = sqlx::query(
        "SELECT kind, name, size, outcome, found_at FROM scrub_findings
         WHERE scrub_id = $1 ORDER BY kind, name LIMIT $2",
    )
    .bind(scrub_id)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    let finding = |row: &AnyRow| {
        Ok(Finding {
            kind: row.try_get("kind")?,
            name: row.try_get("name")?,
            size: size(row, "size")?,
            outcome: row.try_get("outcome")?,
            found_at: row.try_get("found_at")?,
        })
    };
    rows.iter().map(finding).collect()
}
