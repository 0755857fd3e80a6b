use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use super::rows::parsed;
use super::{Attributes, MetadataError};
use crate::oci::{Digest, Tag};

/// A tag as decisions refer to it.
#[derive(Clone, Debug)]
pub struct TagKey {
    pub name: Tag,
    pub manifest_id: i64,
    /// What it names.
    pub digest: Digest,
    pub attributes: Attributes,
}

impl TagKey {
    fn from_row(row: &AnyRow) -> Result<Self, MetadataError> {
        Ok(Self {
            name: parsed(row, "name")?,
            manifest_id: row.try_get("manifest_id")?,
            digest: parsed(row, "digest")?,
            attributes: Attributes::from_row(row)?,
        })
    }
}

pub async fn find(
    connection: &mut AnyConnection,
    repository_id: i64,
    tag: &Tag,
) -> Result<Option<TagKey>, MetadataError> {
    let row = sqlx::query(
        "SELECT t.name, t.manifest_id, m.digest,
                t.delete_enabled, t.write_enabled, t.read_enabled, t.list_enabled
         FROM tags t JOIN manifests m ON m.id = t.manifest_id
         WHERE t.repository_id = $1 AND t.name = $2",
    )
    .bind(repository_id)
    .bind(tag.as_str())
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(TagKey::from_row).transpose()
}

/// All tags of a manifest.
pub async fn of_manifest(
    connection: &mut AnyConnection,
    manifest_id: i64,
) -> Result<Vec<TagKey>, MetadataError> {
    let rows = sqlx::query(
        "SELECT t.name, t.manifest_id, m.digest,
                t.delete_enabled, t.write_enabled, t.read_enabled, t.list_enabled
         FROM tags t JOIN manifests m ON m.id = t.manifest_id
         WHERE t.manifest_id = $1 ORDER BY t.name",
    )
    .bind(manifest_id)
    .fetch_all(connection)
    .await?;
    rows.iter().map(TagKey::from_row).collect()
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

/// Removes a tag. [`super::deleted::record_tag`] keeps what is needed to restore it.
pub async fn delete(
    connection: &mut AnyConnection,
    repository_id: i64,
    tag: &Tag,
) -> Result<(), MetadataError> {
    sqlx::query("DELETE FROM tags WHERE repository_id = $1 AND name = $2")
        .bind(repository_id)
        .bind(tag.as_str())
        .execute(connection)
        .await?;
    Ok(())
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
