//! Rounds of the collector of garbage: how far those are that run, and what the last ones did.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};
use uuid::Uuid;

use super::MetadataError;
use super::attributes::flag;
use super::rows::{parsed, size, size_to_sql};

/// Rounds that are kept, of those that did something.
const KEPT: i64 = 20;

/// How long one is kept that did not come to its end, in microseconds.
const BROKEN_OFF_KEPT: i64 = 24 * 3_600_000_000;

/// A round, as far as it has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GcRound {
    pub id: Uuid,
    pub started_at: i64,
    /// When it last said how far it is.
    pub updated_at: i64,
    pub finished_at: Option<i64>,
    /// Whether some of it could not be done.
    pub has_failed: bool,
    /// Things that it has looked at, and that there are to look at, as far as is known.
    pub reviewed: u64,
    pub due: u64,
    /// What it has removed: manifests, blobs from repositories, blobs from the store.
    pub manifests: u64,
    pub links: u64,
    pub blobs: u64,
    /// Of the blobs from the store.
    pub bytes: u64,
}

impl GcRound {
    fn from_row(row: &AnyRow) -> Result<Self, MetadataError> {
        Ok(Self {
            id: parsed(row, "id")?,
            started_at: row.try_get("started_at")?,
            updated_at: row.try_get("updated_at")?,
            finished_at: row.try_get("finished_at")?,
            has_failed: flag(row, "has_failed")?,
            reviewed: size(row, "reviewed")?,
            due: size(row, "due")?,
            manifests: size(row, "manifests")?,
            links: size(row, "links")?,
            blobs: size(row, "blobs")?,
            bytes: size(row, "bytes")?,
        })
    }

    pub fn has_removed(&self) -> bool {
        self.manifests + self.links + self.blobs > 0
    }
}

/// Keeps how far a round is.
pub async fn save(connection: &mut AnyConnection, round: &GcRound) -> Result<(), MetadataError> {
    sqlx::query(
        "INSERT INTO gc_rounds
           (id, started_at, updated_at, finished_at, has_failed, reviewed, due,
            manifests, links, blobs, bytes)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         ON CONFLICT (id) DO UPDATE
         SET updated_at = excluded.updated_at, finished_at = excluded.finished_at,
             has_failed = excluded.has_failed, reviewed = excluded.reviewed, due = excluded.due,
             manifests = excluded.manifests, links = excluded.links, blobs = excluded.blobs,
             bytes = excluded.bytes",
    )
    .bind(round.id.to_string())
    .bind(round.started_at)
    .bind(round.updated_at)
    .bind(round.finished_at)
    .bind(i64::from(round.has_failed))
    .bind(size_to_sql(round.reviewed))
    .bind(size_to_sql(round.due))
    .bind(size_to_sql(round.manifests))
    .bind(size_to_sql(round.links))
    .bind(size_to_sql(round.blobs))
    .bind(size_to_sql(round.bytes))
    .execute(connection)
    .await?;
    Ok(())
}

/// Forgets rounds that nobody asks for after this one: those that found nothing to do, that broke off
/// long ago, and old ones.
pub async fn forget_others(
    connection: &mut AnyConnection,
    round: &GcRound,
) -> Result<(), MetadataError> {
    sqlx::query(
        "DELETE FROM gc_rounds WHERE id <> $1 AND (
             (finished_at IS NOT NULL AND has_failed = 0 AND manifests + links + blobs = 0)
             OR (finished_at IS NULL AND updated_at < $3)
             OR started_at < (SELECT MIN(started_at) FROM (
                 SELECT started_at FROM gc_rounds ORDER BY started_at DESC LIMIT $2) AS newest))",
    )
    .bind(round.id.to_string())
    .bind(KEPT)
    .bind(round.updated_at - BROKEN_OFF_KEPT)
    .execute(connection)
    .await?;
    Ok(())
}

/// All that are kept, the newest first.
pub async fn list(connection: &mut AnyConnection) -> Result<Vec<GcRound>, MetadataError> {
    let rows = sqlx::query(
        "SELECT id, started_at, updated_at, finished_at, has_failed, reviewed, due,
                manifests, links, blobs, bytes
         FROM gc_rounds ORDER BY started_at DESC",
    )
    .fetch_all(connection)
    .await?;
    rows.iter().map(GcRound::from_row).collect()
}
