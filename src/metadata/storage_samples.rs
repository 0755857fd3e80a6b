//! What was stored at the hours of the past.
//!
//! A sample does not read all blobs: what the last one counted is settled in a row of its own, from
//! which removed blobs are taken off, and only blobs that came later are counted anew.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row as _};

use super::MetadataError;
use super::rows::{placeholders, size, size_to_sql};

/// Microseconds of an hour, and of a day.
pub const HOUR: i64 = 3_600_000_000;
pub const DAY: i64 = 24 * HOUR;

/// How long each hour is kept, and how long the first one of each day.
const KEEP_HOURS: i64 = 14 * DAY;
const KEEP_DAYS: i64 = 3 * 366 * DAY;

/// After this time a transaction that was given an id has ended, one way or the other.
const SETTLED_AFTER: i64 = HOUR / 12;

/// After this time everything is counted from nothing, in case that a server of an older version
/// removed blobs and did not take them off.
const COUNT_ANEW_AFTER: i64 = 7 * DAY;

/// What was stored at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Beginning of the hour.
    pub at: i64,
    /// Bytes of all blobs.
    pub size: u64,
    pub blobs: u64,
    pub manifests: u64,
    pub tags: u64,
    pub repositories: u64,
}

impl Sample {
    fn from_row(row: &AnyRow) -> Result<Self, MetadataError> {
        Ok(Self {
            at: row.try_get("at")?,
            size: size(row, "size")?,
            blobs: size(row, "blobs")?,
            manifests: size(row, "manifests")?,
            tags: size(row, "tags")?,
            repositories: size(row, "repositories")?,
        })
    }
}

/// Samples since `since`, the oldest first.
pub async fn since(
    connection: &mut AnyConnection,
    since: i64,
) -> Result<Vec<Sample>, MetadataError> {
    let rows = sqlx::query(
        "SELECT at, size, blobs, manifests, tags, repositories FROM storage_samples
         WHERE at >= $1 ORDER BY at",
    )
    .bind(since)
    .fetch_all(connection)
    .await?;
    rows.iter().map(Sample::from_row).collect()
}

/// Whether there is a sample of the hour of `now`.
pub async fn has(connection: &mut AnyConnection, now: i64) -> Result<bool, MetadataError> {
    let found = sqlx::query("SELECT 1 AS one FROM storage_samples WHERE at = $1");
    Ok(found.bind(hour(now)).fetch_optional(connection).await?.is_some())
}

fn hour(now: i64) -> i64 {
    now - now.rem_euclid(HOUR)
}

/// Adds a sample, and drops those that are too old. To be called by one server at a time, and by none
/// while blobs are removed.
pub async fn add(connection: &mut AnyConnection, now: i64) -> Result<(), MetadataError> {
    let (blobs, size) = count_blobs(connection, now).await?;
    sqlx::query(
        "INSERT INTO storage_samples (at, size, blobs, manifests, tags, repositories)
         SELECT CAST($1 AS BIGINT), CAST($2 AS BIGINT), CAST($3 AS BIGINT),
                CAST(COALESCE(SUM(manifest_count), 0) AS BIGINT),
                CAST(COALESCE(SUM(tag_count), 0) AS BIGINT), COUNT(*)
         FROM repositories WHERE deleted_at IS NULL
         ON CONFLICT (at) DO NOTHING",
    )
    .bind(hour(now))
    .bind(size_to_sql(size))
    .bind(size_to_sql(blobs))
    .execute(&mut *connection)
    .await?;
    thin_out(connection, now).await
}

async fn thin_out(connection: &mut AnyConnection, now: i64) -> Result<(), MetadataError> {
    sqlx::query(
        "DELETE FROM storage_samples
         WHERE at < $1 OR (at < $2 AND EXISTS (
             SELECT 1 FROM storage_samples e
             WHERE e.at < storage_samples.at AND e.at >= storage_samples.at - storage_samples.at % $3))",
    )
    .bind(now - KEEP_DAYS)
    .bind(now - KEEP_HOURS)
    .bind(DAY)
    .execute(connection)
    .await?;
    Ok(())
}

/// What is counted already.
#[derive(Clone, Copy, Default)]
struct Totals {
    counted_at: i64,
    settled_id: i64,
    blobs: u64,
    size: u64,
    seen_id: i64,
    seen_at: i64,
}

/// The number of all blobs, and their bytes.
async fn count_blobs(
    connection: &mut AnyConnection,
    now: i64,
) -> Result<(u64, u64), MetadataError> {
    let mut totals = match totals(connection).await? {
        Some(totals) if now - totals.counted_at < COUNT_ANEW_AFTER => totals,
        _ => Totals { counted_at: now, ..Totals::default() },
    };
    if totals.seen_id > totals.settled_id && now - totals.seen_at >= SETTLED_AFTER {
        let (blobs, size, _) = count(connection, totals.settled_id, totals.seen_id).await?;
        totals.blobs += blobs;
        totals.size += size;
        totals.settled_id = totals.seen_id;
    }
    let (blobs, size, last) = count(connection, totals.settled_id, i64::MAX).await?;
    if totals.seen_id == totals.settled_id {
        totals.seen_id = last.unwrap_or(totals.settled_id);
        totals.seen_at = now;
    }
    save(connection, &totals).await?;
    Ok((totals.blobs + blobs, totals.size + size))
}

async fn totals(connection: &mut AnyConnection) -> Result<Option<Totals>, MetadataError> {
    let row = sqlx::query(
        "SELECT counted_at, settled_id, blobs, size, seen_id, seen_at FROM storage_totals",
    )
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Totals {
        counted_at: row.try_get("counted_at")?,
        settled_id: row.try_get("settled_id")?,
        blobs: size(&row, "blobs")?,
        size: size(&row, "size")?,
        seen_id: row.try_get("seen_id")?,
        seen_at: row.try_get("seen_at")?,
    }))
}

/// Blobs whose id is above `after` and not above `until`: their number, their bytes, the last id.
async fn count(
    connection: &mut AnyConnection,
    after: i64,
    until: i64,
) -> Result<(u64, u64, Option<i64>), MetadataError> {
    let row = sqlx::query(
        "SELECT COUNT(*) AS blobs, CAST(COALESCE(SUM(size), 0) AS BIGINT) AS size, MAX(id) AS last
         FROM blobs WHERE id > $1 AND id <= $2",
    )
    .bind(after)
    .bind(until)
    .fetch_one(connection)
    .await?;
    Ok((size(&row, "blobs")?, size(&row, "size")?, row.try_get("last")?))
}

async fn save(connection: &mut AnyConnection, totals: &Totals) -> Result<(), MetadataError> {
    sqlx::query(
        "INSERT INTO storage_totals (id, counted_at, settled_id, blobs, size, seen_id, seen_at)
         VALUES (1, $1, $2, $3, $4, $5, $6)
         ON CONFLICT (id) DO UPDATE
         SET counted_at = excluded.counted_at, settled_id = excluded.settled_id,
             blobs = excluded.blobs, size = excluded.size,
             seen_id = excluded.seen_id, seen_at = excluded.seen_at",
    )
    .bind(totals.counted_at)
    .bind(totals.settled_id)
    .bind(size_to_sql(totals.blobs))
    .bind(size_to_sql(totals.size))
    .bind(totals.seen_id)
    .bind(totals.seen_at)
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes blobs off that are about to be removed, in the same transaction.
pub(super) async fn take_off(
    connection: &mut AnyConnection,
    ids: &[i64],
) -> Result<(), MetadataError> {
    let gone = format!(
        "FROM blobs b WHERE b.id <= storage_totals.settled_id AND b.id IN ({})",
        placeholders(1, ids.len())
    );
    let sql = format!(
        "UPDATE storage_totals
         SET blobs = blobs - (SELECT COUNT(*) {gone}),
             size = size - (SELECT CAST(COALESCE(SUM(b.size), 0) AS BIGINT) {gone})"
    );
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for id in ids {
        query = query.bind(id);
    }
    query.execute(connection).await?;
    Ok(())
}

/// Notes that blobs were removed: SQLite gives the ids above the highest one once more.
pub(super) async fn lower_ids(connection: &mut AnyConnection) -> Result<(), MetadataError> {
    const LAST: &str = "(SELECT COALESCE(MAX(id), 0) FROM blobs)";
    let sql = format!(
        "UPDATE storage_totals
         SET settled_id = CASE WHEN settled_id > {LAST} THEN {LAST} ELSE settled_id END,
             seen_id = CASE WHEN seen_id > {LAST} THEN {LAST} ELSE seen_id END
         WHERE seen_id > {LAST}"
    );
    sqlx::query(AssertSqlSafe(sql)).execute(connection).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::{Database, blobs};
    use crate::oci::{Algorithm, Hasher};

    async fn database() -> (tempfile::TempDir, Database) {
        let folder = tempfile::tempdir().unwrap();
        let url = Database::sqlite_url(&folder.path().join("orlop.db"));
        (folder, Database::open(&url, 2).await.unwrap())
    }

    async fn add_blob(connection: &mut AnyConnection, n: u64) -> i64 {
        let digest = Hasher::digest(Algorithm::Sha256, &n.to_be_bytes());
        blobs::insert(connection, &digest, n, None, 0).await.unwrap().id
    }

    async fn sample(connection: &mut AnyConnection, at: i64) -> (u64, u64) {
        add(connection, at).await.unwrap();
        let sample = since(connection, hour(at)).await.unwrap()[0];
        (sample.blobs, sample.size)
    }

    #[tokio::test]
    async fn a_sample_counts_on_from_the_last_and_removed_blobs_are_taken_off() {
        let (_folder, database) = database().await;
        let mut transaction = database.begin().await.unwrap();
        let connection: &mut AnyConnection = &mut transaction;
        assert_eq!(sample(connection, 0).await, (0, 0));
        let mut ids = Vec::new();
        for n in 1..=10 {
            ids.push(add_blob(connection, n).await);
        }
        assert_eq!(sample(connection, HOUR).await, (10, 55));
        // Of those that are settled, and of those that are not.
        blobs::delete(connection, &ids[..2]).await.unwrap();
        assert_eq!(sample(connection, 2 * HOUR).await, (8, 52));
        ids.push(add_blob(connection, 100).await);
        blobs::delete(connection, &[ids[2], ids[10]]).await.unwrap();
        assert_eq!(sample(connection, 3 * HOUR).await, (7, 49));
        let counted = totals(connection).await.unwrap().unwrap();
        assert_eq!((counted.blobs, counted.settled_id), (7, ids[9]));
        // SQLite gives this id once more.
        blobs::delete(connection, &[ids[9]]).await.unwrap();
        assert_eq!(add_blob(connection, 200).await, ids[9]);
        assert_eq!(sample(connection, 4 * HOUR).await, (7, 239));
        // Whatever was counted, after a week it is counted anew.
        sqlx::query("UPDATE storage_totals SET blobs = 1000")
            .execute(&mut *connection)
            .await
            .unwrap();
        assert_eq!(sample(connection, 8 * DAY).await, (7, 239));
    }

    #[tokio::test]
    async fn of_long_ago_one_sample_a_day_is_kept() {
        let (_folder, database) = database().await;
        let mut transaction = database.begin().await.unwrap();
        let connection: &mut AnyConnection = &mut transaction;
        // The first day begins late.
        for n in 5..40 * 24 {
            add(connection, n * HOUR).await.unwrap();
        }
        let kept: Vec<_> = since(connection, 0).await.unwrap().iter().map(|s| s.at).collect();
        let days = kept.iter().take_while(|at| **at < 25 * DAY).count();
        assert_eq!(kept[..2], [5 * HOUR, DAY]);
        assert_eq!((days, kept.len()), (25, 25 + 2 + 14 * 24));
        add(connection, 2000 * DAY).await.unwrap();
        assert_eq!(since(connection, 0).await.unwrap().len(), 1);
    }
}
