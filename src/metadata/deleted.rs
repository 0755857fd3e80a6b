//! What was deleted and can be restored until it is purged.
//!
//! Manifests and links of blobs keep their rows and carry `deleted_at`; a tag moves to a table of
//! its own, as its name may be given again meanwhile.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row as _};

use super::locking::RowLock;
use super::manifest_records::{self, ManifestRecord};
use super::name_range::{Span, spans};
use super::repositories::RepositoryKey;
use super::rows::{LIST_CHUNK, parsed, placeholders, size_to_sql};
use super::{MetadataError, NameRange, Place, pulls};
use crate::oci::{Digest, RepositoryName, Tag};

/// Rows that one statement removes for good, so that no transaction is long.
const BATCH: i64 = 500;

#[derive(Clone, Debug)]
pub struct DeletedRepository {
    pub name: RepositoryName,
    pub created_at: i64,
    pub deleted_at: i64,
}

#[derive(Clone, Debug)]
pub struct DeletedTag {
    pub name: Tag,
    /// What it named.
    pub digest: Digest,
    pub deleted_at: i64,
}

impl DeletedTag {
    fn from_row(row: &AnyRow) -> Result<Self, MetadataError> {
        Ok(Self {
            name: parsed(row, "name")?,
            digest: parsed(row, "digest")?,
            deleted_at: row.try_get("deleted_at")?,
        })
    }
}

/// Keeps a tag that is about to be deleted or overwritten.
pub async fn record_tag(
    connection: &mut AnyConnection,
    repository_id: i64,
    tag: &Tag,
    digest: &Digest,
    now: i64,
) -> Result<(), MetadataError> {
    sqlx::query(
        "INSERT INTO deleted_tags (repository_id, deleted_at, name, digest)
         VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
    )
    .bind(repository_id)
    .bind(now)
    .bind(tag.as_str())
    .bind(digest.as_str())
    .execute(connection)
    .await?;
    Ok(())
}

/// Forgets that a tag was deleted, as it was restored.
pub async fn forget_tag(
    connection: &mut AnyConnection,
    repository_id: i64,
    tag: &Tag,
    digest: &Digest,
) -> Result<(), MetadataError> {
    sqlx::query("DELETE FROM deleted_tags WHERE repository_id = $1 AND name = $2 AND digest = $3")
        .bind(repository_id)
        .bind(tag.as_str())
        .bind(digest.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

/// Whether a tag that named the digest was deleted since `since`.
pub async fn has_tag(
    connection: &mut AnyConnection,
    repository_id: i64,
    tag: &Tag,
    digest: &Digest,
    since: i64,
) -> Result<bool, MetadataError> {
    let found = sqlx::query(
        "SELECT name FROM deleted_tags
         WHERE repository_id = $1 AND deleted_at > $2 AND name = $3 AND digest = $4 LIMIT 1",
    )
    .bind(repository_id)
    .bind(since)
    .bind(tag.as_str())
    .bind(digest.as_str())
    .fetch_optional(connection)
    .await?;
    Ok(found.is_some())
}

/// Tags deleted after `place`, the oldest first, at most `limit`.
pub async fn tags(
    connection: &mut AnyConnection,
    repository_id: i64,
    place: &Place,
    limit: i64,
) -> Result<Vec<DeletedTag>, MetadataError> {
    let rows = sqlx::query(
        "SELECT name, digest, deleted_at FROM deleted_tags
         WHERE repository_id = $1 AND (deleted_at, name) > ($2, $3)
         ORDER BY deleted_at, name LIMIT $4",
    )
    .bind(repository_id)
    .bind(place.changed_at)
    .bind(&place.name)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter().map(DeletedTag::from_row).collect()
}

/// Manifests deleted after `place`, the oldest first, at most `limit`.
pub async fn manifests(
    connection: &mut AnyConnection,
    repository_id: i64,
    place: &Place,
    limit: i64,
) -> Result<Vec<ManifestRecord>, MetadataError> {
    let sql = format!(
        "SELECT {} FROM manifests
         WHERE repository_id = $1 AND deleted_at IS NOT NULL AND (deleted_at, digest) > ($2, $3)
         ORDER BY deleted_at, digest LIMIT $4",
        manifest_records::COLUMNS
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(repository_id)
        .bind(place.changed_at)
        .bind(&place.name)
        .bind(limit)
        .fetch_all(connection)
        .await?;
    rows.iter().map(ManifestRecord::from_row).collect()
}

/// Tags deleted before `place` but after `since`, the newest first, at most `limit`.
pub async fn latest_tags(
    connection: &mut AnyConnection,
    repository_id: i64,
    since: i64,
    place: &Place,
    limit: i64,
) -> Result<Vec<DeletedTag>, MetadataError> {
    let rows = sqlx::query(
        "SELECT name, digest, deleted_at FROM deleted_tags
         WHERE repository_id = $1 AND (deleted_at, name) < ($2, $3) AND deleted_at > $5
         ORDER BY deleted_at DESC, name DESC LIMIT $4",
    )
    .bind(repository_id)
    .bind(place.changed_at)
    .bind(&place.name)
    .bind(limit)
    .bind(since)
    .fetch_all(connection)
    .await?;
    rows.iter().map(DeletedTag::from_row).collect()
}

/// Manifests deleted before `place` but after `since`, the newest first, at most `limit`.
pub async fn latest_manifests(
    connection: &mut AnyConnection,
    repository_id: i64,
    since: i64,
    place: &Place,
    limit: i64,
) -> Result<Vec<ManifestRecord>, MetadataError> {
    let sql = format!(
        "SELECT {} FROM manifests
         WHERE repository_id = $1 AND deleted_at IS NOT NULL AND (deleted_at, digest) < ($2, $3)
           AND deleted_at > $5
         ORDER BY deleted_at DESC, digest DESC LIMIT $4",
        manifest_records::COLUMNS
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(repository_id)
        .bind(place.changed_at)
        .bind(&place.name)
        .bind(limit)
        .bind(since)
        .fetch_all(connection)
        .await?;
    rows.iter().map(ManifestRecord::from_row).collect()
}

/// Repositories within any of `ranges` that were deleted since `since`, in ASCII order, at most
/// `limit`, from the first after `last`.
pub async fn repositories(
    connection: &mut AnyConnection,
    ranges: &[NameRange],
    last: Option<&str>,
    since: i64,
    limit: i64,
) -> Result<Vec<DeletedRepository>, MetadataError> {
    let sql = "SELECT name, created_at, deleted_at FROM repositories
         WHERE name >= $1 AND name < $2 AND deleted_at IS NOT NULL AND deleted_at > $3
         ORDER BY name LIMIT $4";
    let mut rows = Vec::new();
    for Span { from, to } in spans(ranges, last) {
        let wanted = limit - size_to_sql(rows.len() as u64);
        if wanted <= 0 {
            break;
        }
        let query = sqlx::query(sql).bind(from).bind(to).bind(since).bind(wanted);
        rows.append(&mut query.fetch_all(&mut *connection).await?);
    }
    rows.iter()
        .map(|row| {
            Ok(DeletedRepository {
                name: parsed(row, "name")?,
                created_at: row.try_get("created_at")?,
                deleted_at: row.try_get("deleted_at")?,
            })
        })
        .collect()
}

/// A repository, whether it is deleted or not.
pub async fn find_repository(
    connection: &mut AnyConnection,
    name: &RepositoryName,
) -> Result<Option<i64>, MetadataError> {
    let id = sqlx::query_scalar("SELECT id FROM repositories WHERE name = $1");
    Ok(id.bind(name.as_str()).fetch_optional(connection).await?)
}

/// A manifest or a tag that may not be deleted.
pub enum Locked {
    Manifest(Digest),
    Tag(Tag),
}

/// Something in the repository whose own lock forbids to delete it.
pub async fn locked_item(
    connection: &mut AnyConnection,
    repository_id: i64,
) -> Result<Option<Locked>, MetadataError> {
    let row = sqlx::query(
        "SELECT digest FROM manifests
         WHERE repository_id = $1 AND deleted_at IS NULL
           AND (delete_enabled = 0 OR write_enabled = 0) LIMIT 1",
    )
    .bind(repository_id)
    .fetch_optional(&mut *connection)
    .await?;
    if let Some(row) = row {
        return Ok(Some(Locked::Manifest(parsed(&row, "digest")?)));
    }
    let row = sqlx::query(
        "SELECT name FROM tags
         WHERE repository_id = $1 AND (delete_enabled = 0 OR write_enabled = 0) LIMIT 1",
    )
    .bind(repository_id)
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(|row| Ok(Locked::Tag(parsed(row, "name")?))).transpose()
}

/// What a repository lost when it was deleted, in ASCII order.
#[derive(Clone, Debug, Default)]
pub struct DeletedContent {
    pub manifests: Vec<Digest>,
    pub tags: Vec<Tag>,
}

/// Deletes a repository with its tags, manifests and links of blobs.
pub async fn delete_repository(
    connection: &mut AnyConnection,
    repository: RepositoryKey,
    now: i64,
) -> Result<DeletedContent, MetadataError> {
    sqlx::query(
        "INSERT INTO deleted_tags (repository_id, deleted_at, name, digest)
         SELECT t.repository_id, $2, t.name, m.digest
         FROM tags t JOIN manifests m ON m.id = t.manifest_id WHERE t.repository_id = $1
         ON CONFLICT DO NOTHING",
    )
    .bind(repository.id)
    .bind(now)
    .execute(&mut *connection)
    .await?;
    let tags = sqlx::query("DELETE FROM tags WHERE repository_id = $1 RETURNING name")
        .bind(repository.id)
        .fetch_all(&mut *connection)
        .await?;
    let manifests = sqlx::query(
        "UPDATE manifests SET deleted_at = $2 WHERE repository_id = $1 AND deleted_at IS NULL
         RETURNING digest",
    )
    .bind(repository.id)
    .bind(now)
    .fetch_all(&mut *connection)
    .await?;
    sqlx::query(
        "UPDATE repository_blobs SET deleted_at = $2
         WHERE repository_id = $1 AND deleted_at IS NULL",
    )
    .bind(repository.id)
    .bind(now)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "UPDATE repositories
         SET deleted_at = $2, updated_at = $2, manifest_count = 0, tag_count = 0 WHERE id = $1",
    )
    .bind(repository.id)
    .bind(now)
    .execute(connection)
    .await?;
    let mut content = DeletedContent {
        manifests: manifests.iter().map(|row| parsed(row, "digest")).collect::<Result<_, _>>()?,
        tags: tags.iter().map(|row| parsed(row, "name")).collect::<Result<_, _>>()?,
    };
    // RETURNING has no order.
    content.manifests.sort_unstable();
    content.tags.sort_unstable();
    Ok(content)
}

/// Makes a deleted manifest visible again, with the blobs that it is made of.
pub async fn restore_manifest(
    connection: &mut AnyConnection,
    repository_id: i64,
    manifest_id: i64,
    now: i64,
) -> Result<(), MetadataError> {
    sqlx::query("UPDATE manifests SET deleted_at = NULL, updated_at = $2 WHERE id = $1")
        .bind(manifest_id)
        .bind(now)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "UPDATE repository_blobs SET deleted_at = NULL
         WHERE repository_id = $1 AND deleted_at IS NOT NULL
           AND blob_id IN (SELECT blob_id FROM manifest_references WHERE manifest_id = $2)",
    )
    .bind(repository_id)
    .bind(manifest_id)
    .execute(connection)
    .await?;
    Ok(())
}

/// Holds manifests that were deleted at `until` or before, a batch.
pub async fn hold_expired_manifests(
    connection: &mut AnyConnection,
    until: i64,
) -> Result<Vec<i64>, MetadataError> {
    let sql = format!(
        "SELECT id FROM manifests WHERE deleted_at IS NOT NULL AND deleted_at <= $1
         ORDER BY deleted_at LIMIT $2{}",
        RowLock::Alone.clause(connection)
    );
    let ids = sqlx::query_scalar(AssertSqlSafe(sql)).bind(until).bind(BATCH);
    Ok(ids.fetch_all(connection).await?)
}

/// Removes manifests, which are held, for good.
pub async fn remove_manifests(
    connection: &mut AnyConnection,
    ids: &[i64],
) -> Result<(), MetadataError> {
    pulls::forget_manifests(connection, ids).await?;
    for chunk in ids.chunks(LIST_CHUNK) {
        let sql = format!("DELETE FROM manifests WHERE id IN ({})", placeholders(1, chunk.len()));
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for id in chunk {
            query = query.bind(id);
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Removes a batch of links of blobs for good that were deleted at `until` or before; gives the
/// blobs.
pub async fn remove_expired_links(
    connection: &mut AnyConnection,
    until: i64,
) -> Result<Vec<i64>, MetadataError> {
    // Asks once more, outside of the list, when the row was deleted: meanwhile it may have come back.
    let ids = sqlx::query_scalar(
        "DELETE FROM repository_blobs WHERE (repository_id, blob_id) IN (
             SELECT l.repository_id, l.blob_id FROM repository_blobs l
             WHERE l.deleted_at IS NOT NULL AND l.deleted_at <= $1
               AND NOT EXISTS (
                   SELECT 1 FROM manifest_references x
                   WHERE x.repository_id = l.repository_id AND x.blob_id = l.blob_id)
             LIMIT $2)
         AND deleted_at <= $1
         RETURNING blob_id",
    );
    Ok(ids.bind(until).bind(BATCH).fetch_all(connection).await?)
}

/// What else is removed for good, in this order, after manifests and links of blobs: each holds on to
/// what follows.
#[derive(Clone, Copy, Debug)]
pub enum Remains {
    /// Counts by tags that are deleted and not given again.
    Pulls,
    Tags,
    /// Of repositories that are deleted and empty.
    History,
    Repositories,
}

impl Remains {
    pub const ALL: [Self; 4] = [Self::Pulls, Self::Tags, Self::History, Self::Repositories];

    /// Each asks once more, outside of the list, when the row was deleted: meanwhile it may have
    /// come back.
    fn sql(self) -> &'static str {
        match self {
            Self::Pulls => {
                "DELETE FROM tag_pulls WHERE (repository_id, name) IN (
                     SELECT p.repository_id, p.name FROM deleted_tags d
                     JOIN tag_pulls p ON p.repository_id = d.repository_id AND p.name = d.name
                     WHERE d.deleted_at <= $1
                       AND NOT EXISTS (SELECT 1 FROM tags t
                                       WHERE t.repository_id = d.repository_id AND t.name = d.name)
                     LIMIT $2)"
            }
            Self::Tags => {
                "DELETE FROM deleted_tags WHERE (repository_id, deleted_at, name) IN (
                     SELECT repository_id, deleted_at, name FROM deleted_tags
                     WHERE deleted_at <= $1 LIMIT $2)"
            }
            Self::History => {
                "DELETE FROM tag_history WHERE id IN (
                     SELECT h.id FROM repositories r JOIN tag_history h ON h.repository_id = r.id
                     WHERE r.deleted_at IS NOT NULL AND r.deleted_at <= $1 LIMIT $2)"
            }
            Self::Repositories => {
                "DELETE FROM repositories WHERE id IN (
                     SELECT r.id FROM repositories r
                     WHERE r.deleted_at IS NOT NULL AND r.deleted_at <= $1
                       AND NOT EXISTS (SELECT 1 FROM manifests x WHERE x.repository_id = r.id)
                       AND NOT EXISTS (SELECT 1 FROM deleted_tags x WHERE x.repository_id = r.id)
                       AND NOT EXISTS (
                           SELECT 1 FROM repository_blobs x WHERE x.repository_id = r.id)
                     LIMIT $2)
                 AND deleted_at <= $1"
            }
        }
    }
}

/// Removes for good what was deleted at `until` or before, a batch at a time; whether there may be
/// more.
pub async fn purge(
    connection: &mut AnyConnection,
    remains: Remains,
    until: i64,
) -> Result<bool, MetadataError> {
    let done = sqlx::query(remains.sql()).bind(until).bind(BATCH).execute(connection).await?;
    Ok(is_full(usize::try_from(done.rows_affected()).unwrap_or(usize::MAX)))
}

/// Whether a batch of this size may not have been the last.
pub fn is_full(batch: usize) -> bool {
    batch as u64 >= BATCH.unsigned_abs()
}
