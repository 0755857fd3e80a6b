use sqlx::{AnyConnection, Row as _};

use super::MetadataError;
use super::rows::{parsed, parsed_or_null};
use crate::oci::{Digest, Tag};

/// One move of a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagMove {
    /// Its place in the order of all moves.
    pub number: i64,
    /// What the tag named from then on; nothing if it was deleted.
    pub digest: Option<Digest>,
    /// The name of who did it.
    pub actor: String,
    pub created_at: i64,
}

/// Adds a move to a tag's history.
pub async fn record(
    connection: &mut AnyConnection,
    repository_id: i64,
    tag: &Tag,
    digest: Option<&Digest>,
    actor: &str,
    now: i64,
) -> Result<(), MetadataError> {
    sqlx::query(
        "INSERT INTO tag_history (repository_id, name, digest, actor, created_at)
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(repository_id)
    .bind(tag.as_str())
    .bind(digest.map(Digest::as_str))
    .bind(actor)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// Adds to the history of each tag of a repository that it is deleted.
pub async fn record_end_of_all(
    connection: &mut AnyConnection,
    repository_id: i64,
    actor: &str,
    now: i64,
) -> Result<(), MetadataError> {
    sqlx::query(
        "INSERT INTO tag_history (repository_id, name, digest, actor, created_at)
         SELECT repository_id, name, NULL, $2, $3 FROM tags WHERE repository_id = $1",
    )
    .bind(repository_id)
    .bind(actor)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// The moves of a tag before the one numbered `before`, the newest first, at most `limit`.
pub async fn list(
    connection: &mut AnyConnection,
    repository_id: i64,
    tag: &Tag,
    before: i64,
    limit: i64,
) -> Result<Vec<TagMove>, MetadataError> {
    let rows = sqlx::query(
        "SELECT id, digest, actor, created_at FROM tag_history
         WHERE repository_id = $1 AND name = $2 AND id < $3 ORDER BY id DESC LIMIT $4",
    )
    .bind(repository_id)
    .bind(tag.as_str())
    .bind(before)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(TagMove {
                number: row.try_get("id")?,
                digest: parsed_or_null(row, "digest")?,
                actor: row.try_get("actor")?,
                created_at: row.try_get("created_at")?,
            })
        })
        .collect()
}

/// Whether the tag ever named the digest.
pub async fn has_named(
    connection: &mut AnyConnection,
    repository_id: i64,
    tag: &Tag,
    digest: &Digest,
) -> Result<bool, MetadataError> {
    let found = sqlx::query(
        "SELECT id FROM tag_history
         WHERE repository_id = $1 AND name = $2 AND digest = $3 LIMIT 1",
    )
    .bind(repository_id)
    .bind(tag.as_str())
    .bind(digest.as_str())
    .fetch_optional(connection)
    .await?;
    Ok(found.is_some())
}

/// The last digest that the tag named, other than `digest`.
pub async fn last_other(
    connection: &mut AnyConnection,
    repository_id: i64,
    tag: &Tag,
    digest: Option<&Digest>,
) -> Result<Option<Digest>, MetadataError> {
    let row = sqlx::query(
        "SELECT digest FROM tag_history
         WHERE repository_id = $1 AND name = $2 AND digest <> $3 ORDER BY id DESC LIMIT 1",
    )
    .bind(repository_id)
    .bind(tag.as_str())
    .bind(digest.map_or("", Digest::as_str))
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(|row| parsed(row, "digest")).transpose()
}
