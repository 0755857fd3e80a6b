use sqlx::AnyConnection;
use sqlx::Row as _;

use super::MetadataError;
use super::rows::{parsed, parsed_or_null};
use crate::oci::{Digest, Tag};

/// The digest that a tag names.
pub async fn find(
    connection: &mut AnyConnection,
    repository_id: i64,
    tag: &Tag,
) -> Result<Option<Digest>, MetadataError> {
    let row = sqlx::query(
        "SELECT m.digest FROM tags t JOIN manifests m ON m.id = t.manifest_id
         WHERE t.repository_id = $1 AND t.name = $2",
    )
    .bind(repository_id)
    .bind(tag.as_str())
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(|row| parsed(row, "digest")).transpose()
}

/// Makes a tag name a manifest, whether it was there or not.
pub async fn set(
    connection: &mut AnyConnection,
    repository_id: i64,
    tag: &Tag,
    manifest_id: i64,
    now: i64,
) -> Result<(), MetadataError> {
    sqlx::query(
        "INSERT INTO tags (repository_id, name, manifest_id, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $4)
         ON CONFLICT (repository_id, name)
         DO UPDATE SET manifest_id = excluded.manifest_id, updated_at = excluded.updated_at",
    )
    .bind(repository_id)
    .bind(tag.as_str())
    .bind(manifest_id)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// Removes a tag; whether it was there.
pub async fn delete(
    connection: &mut AnyConnection,
    repository_id: i64,
    tag: &Tag,
) -> Result<bool, MetadataError> {
    let done = sqlx::query("DELETE FROM tags WHERE repository_id = $1 AND name = $2")
        .bind(repository_id)
        .bind(tag.as_str())
        .execute(connection)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Removes all tags of a manifest, and gives their names.
pub async fn delete_of_manifest(
    connection: &mut AnyConnection,
    manifest_id: i64,
) -> Result<Vec<Tag>, MetadataError> {
    let rows = sqlx::query("DELETE FROM tags WHERE manifest_id = $1 RETURNING name")
        .bind(manifest_id)
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| parsed(row, "name")).collect()
}

/// Names in ASCII order, at most `limit`, from the first after `last`.
pub async fn list(
    connection: &mut AnyConnection,
    repository_id: i64,
    last: Option<&str>,
    limit: i64,
) -> Result<Vec<Tag>, MetadataError> {
    let rows = sqlx::query(
        "SELECT name FROM tags WHERE repository_id = $1 AND name > $2 AND list_enabled = 1
         ORDER BY name LIMIT $3",
    )
    .bind(repository_id)
    .bind(last.unwrap_or_default())
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| parsed(row, "name")).collect()
}

/// One move of a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagMove {
    /// What it named from then on; nothing if it was deleted.
    pub digest: Option<Digest>,
    /// The name of who did it.
    pub actor: String,
    pub created_at: i64,
}

/// Adds a move to a tag's history.
pub async fn record_move(
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

/// The moves of a tag, the newest first, at most `limit`.
pub async fn history(
    connection: &mut AnyConnection,
    repository_id: i64,
    tag: &Tag,
    limit: i64,
) -> Result<Vec<TagMove>, MetadataError> {
    let rows = sqlx::query(
        "SELECT digest, actor, created_at FROM tag_history
         WHERE repository_id = $1 AND name = $2 ORDER BY id DESC LIMIT $3",
    )
    .bind(repository_id)
    .bind(tag.as_str())
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(TagMove {
                digest: parsed_or_null(row, "digest")?,
                actor: row.try_get("actor")?,
                created_at: row.try_get("created_at")?,
            })
        })
        .collect()
}
