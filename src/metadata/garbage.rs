//! The queue of what may have become garbage. Whatever may make some notes it here in its own
//! transaction; [`super::garbage_reviews`] tells what of it is.

use sqlx::{AnyConnection, AssertSqlSafe, Row as _};

use super::MetadataError;
use super::rows::{placeholders, size};

/// What may be garbage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A blob in a repository.
    Link,
    Manifest,
    /// A blob with its bytes.
    Blob,
}

impl Kind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Manifest => "manifest",
            Self::Blob => "blob",
        }
    }
}

/// The repository under which blobs stand in the queue, as they belong to none.
pub const NO_REPOSITORY: i64 = 0;

/// What happens to an entry that is there: the later look counts, as all that was to be seen at the
/// earlier one can be seen then too.
const LATER: &str = "ON CONFLICT (kind, repository_id, target_id) DO UPDATE
     SET review_at = CASE WHEN excluded.review_at > gc_queue.review_at
                          THEN excluded.review_at ELSE gc_queue.review_at END";

/// Notes that a thing is to be looked at.
pub async fn enqueue(
    connection: &mut AnyConnection,
    kind: Kind,
    repository_id: i64,
    target_id: i64,
    review_at: i64,
) -> Result<(), MetadataError> {
    enqueue_all(connection, kind, repository_id, &[target_id], review_at).await
}

pub async fn enqueue_all(
    connection: &mut AnyConnection,
    kind: Kind,
    repository_id: i64,
    target_ids: &[i64],
    review_at: i64,
) -> Result<(), MetadataError> {
    let mut ids = target_ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    for chunk in ids.chunks(super::rows::LIST_CHUNK) {
        let rows: Vec<_> = (0..chunk.len()).map(|n| format!("($1, $2, ${}, $3)", n + 4)).collect();
        let sql = format!(
            "INSERT INTO gc_queue (kind, repository_id, target_id, review_at) VALUES {} {LATER}",
            rows.join(", ")
        );
        let mut query =
            sqlx::query(AssertSqlSafe(sql)).bind(kind.as_str()).bind(repository_id).bind(review_at);
        for id in chunk {
            query = query.bind(id);
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Notes a manifest that may have no name: at `referrer_at` if it refers to a subject, else at
/// `untagged_at`; not at all where that is none.
pub async fn enqueue_manifest(
    connection: &mut AnyConnection,
    id: i64,
    referrer_at: Option<i64>,
    untagged_at: Option<i64>,
) -> Result<(), MetadataError> {
    let sql = format!(
        "INSERT INTO gc_queue (kind, repository_id, target_id, review_at)
         SELECT 'manifest', m.repository_id, m.id, m.review_at FROM (
             SELECT repository_id, id,
                    CASE WHEN subject_digest IS NULL THEN CAST($2 AS BIGINT)
                         ELSE CAST($3 AS BIGINT) END AS review_at
             FROM manifests WHERE id = $1) AS m
         WHERE m.review_at IS NOT NULL
         {LATER}"
    );
    sqlx::query(AssertSqlSafe(sql))
        .bind(id)
        .bind(untagged_at)
        .bind(referrer_at)
        .execute(connection)
        .await?;
    Ok(())
}

/// When to look at what belongs to a manifest that goes for good; not at all where that is none.
#[derive(Clone, Copy, Debug)]
pub struct Around {
    /// Of its blobs.
    pub links: i64,
    /// That refer to it.
    pub referrers: Option<i64>,
    /// That it lists.
    pub children: Option<i64>,
}

/// Notes what belongs to manifests that are about to go for good.
pub async fn enqueue_around_manifests(
    connection: &mut AnyConnection,
    manifest_ids: &[i64],
    around: Around,
) -> Result<(), MetadataError> {
    for chunk in manifest_ids.chunks(super::rows::LIST_CHUNK) {
        let ids = placeholders(2, chunk.len());
        let links = format!(
            "INSERT INTO gc_queue (kind, repository_id, target_id, review_at)
             SELECT DISTINCT 'link', x.repository_id, x.blob_id, CAST($1 AS BIGINT)
             FROM manifest_references x WHERE x.manifest_id IN ({ids}) AND x.blob_id IS NOT NULL
             {LATER}"
        );
        let referrers = format!(
            "INSERT INTO gc_queue (kind, repository_id, target_id, review_at)
             SELECT 'manifest', r.repository_id, r.id, CAST($1 AS BIGINT)
             FROM manifests m
             JOIN manifests r ON r.repository_id = m.repository_id AND r.subject_digest = m.digest
             WHERE m.id IN ({ids}) AND r.deleted_at IS NULL
             {LATER}"
        );
        let children = format!(
            "INSERT INTO gc_queue (kind, repository_id, target_id, review_at)
             SELECT DISTINCT 'manifest', x.repository_id, c.id, CAST($1 AS BIGINT)
             FROM manifest_references x
             JOIN manifests c ON c.repository_id = x.repository_id AND c.digest = x.digest
             WHERE x.manifest_id IN ({ids}) AND x.role = 'manifest' AND c.deleted_at IS NULL
             {LATER}"
        );
        let statements = [
            (links, Some(around.links)),
            (referrers, around.referrers),
            (children, around.children),
        ];
        for (sql, review_at) in statements {
            let Some(review_at) = review_at else { continue };
            let mut query = sqlx::query(AssertSqlSafe(sql)).bind(review_at);
            for id in chunk {
                query = query.bind(id);
            }
            query.execute(&mut *connection).await?;
        }
    }
    Ok(())
}

/// Notes all manifests without a tag that nothing lists and that refer to nothing, unless they are
/// noted. The only look at everything: for what lost its tags while nobody asked for it.
pub async fn enqueue_untagged(
    connection: &mut AnyConnection,
    review_at: i64,
) -> Result<(), MetadataError> {
    sqlx::query(
        "INSERT INTO gc_queue (kind, repository_id, target_id, review_at)
         SELECT 'manifest', m.repository_id, m.id, CAST($1 AS BIGINT) FROM manifests m
         WHERE m.deleted_at IS NULL AND m.subject_digest IS NULL
           AND NOT EXISTS (SELECT 1 FROM tags t WHERE t.manifest_id = m.id)
           AND NOT EXISTS (
               SELECT 1 FROM manifest_references x
               WHERE x.repository_id = m.repository_id AND x.digest = m.digest
                 AND x.role = 'manifest')
         ON CONFLICT (kind, repository_id, target_id) DO NOTHING",
    )
    .bind(review_at)
    .execute(connection)
    .await?;
    Ok(())
}

/// A repository of which links or manifests are to be looked at; [`NO_REPOSITORY`] for blobs.
pub async fn due_repository(
    connection: &mut AnyConnection,
    kind: Kind,
    now: i64,
) -> Result<Option<i64>, MetadataError> {
    let id = sqlx::query_scalar(
        "SELECT repository_id FROM gc_queue WHERE kind = $1 AND review_at <= $2
         ORDER BY review_at LIMIT 1",
    );
    Ok(id.bind(kind.as_str()).bind(now).fetch_optional(connection).await?)
}

/// What is to be looked at in a repository, at most `limit`.
pub async fn due(
    connection: &mut AnyConnection,
    kind: Kind,
    repository_id: i64,
    now: i64,
    limit: i64,
) -> Result<Vec<i64>, MetadataError> {
    let ids = sqlx::query_scalar(
        "SELECT target_id FROM gc_queue WHERE kind = $1 AND repository_id = $2 AND review_at <= $3
         ORDER BY target_id LIMIT $4",
    );
    let ids = ids.bind(kind.as_str()).bind(repository_id).bind(now).bind(limit);
    Ok(ids.fetch_all(connection).await?)
}

/// Takes things that were looked at off the queue, unless there is something new about them.
pub async fn dequeue(
    connection: &mut AnyConnection,
    kind: Kind,
    repository_id: i64,
    target_ids: &[i64],
    now: i64,
) -> Result<(), MetadataError> {
    for chunk in target_ids.chunks(super::rows::LIST_CHUNK) {
        let sql = format!(
            "DELETE FROM gc_queue WHERE kind = $1 AND repository_id = $2 AND review_at <= $3
               AND target_id IN ({})",
            placeholders(4, chunk.len())
        );
        let mut query =
            sqlx::query(AssertSqlSafe(sql)).bind(kind.as_str()).bind(repository_id).bind(now);
        for id in chunk {
            query = query.bind(id);
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Things that are to be looked at or removed now.
pub async fn count_due(connection: &mut AnyConnection, now: i64) -> Result<u64, MetadataError> {
    let row = sqlx::query(
        "SELECT (SELECT COUNT(*) FROM gc_queue
                 WHERE kind IN ('manifest', 'link', 'blob') AND review_at <= $1)
              + (SELECT COUNT(*) FROM gc_objects WHERE remove_at <= $1) AS entries",
    )
    .bind(now)
    .fetch_one(connection)
    .await?;
    size(&row, "entries")
}

/// Entries that wait, whenever their time is.
pub async fn waiting(connection: &mut AnyConnection) -> Result<i64, MetadataError> {
    let row = sqlx::query(
        "SELECT (SELECT COUNT(*) FROM gc_queue) + (SELECT COUNT(*) FROM gc_objects) AS entries",
    )
    .fetch_one(connection)
    .await?;
    Ok(row.try_get("entries")?)
}
