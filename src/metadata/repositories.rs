use sqlx::AnyConnection;
use sqlx::AssertSqlSafe;

use super::MetadataError;
use super::rows::parsed;
use crate::oci::{Digest, RepositoryName};

/// A set of repository names that one index range covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameRange {
    All,
    /// Names that begin with this text.
    Prefix(String),
    Exact(String),
}

/// The internal id of a repository.
pub async fn find(
    connection: &mut AnyConnection,
    name: &RepositoryName,
) -> Result<Option<i64>, MetadataError> {
    let id = sqlx::query_scalar("SELECT id FROM repositories WHERE name = $1")
        .bind(name.as_str())
        .fetch_optional(connection)
        .await?;
    Ok(id)
}

/// The internal id of a repository, which is made if it is missing.
pub async fn find_or_create(
    connection: &mut AnyConnection,
    name: &RepositoryName,
    now: i64,
) -> Result<i64, MetadataError> {
    if let Some(id) = find(connection, name).await? {
        return Ok(id);
    }
    // The update lets RETURNING give the row that another connection made meanwhile.
    let id = sqlx::query_scalar(
        "INSERT INTO repositories (name, created_at, updated_at) VALUES ($1, $2, $2)
         ON CONFLICT (name) DO UPDATE SET updated_at = excluded.updated_at
         RETURNING id",
    )
    .bind(name.as_str())
    .bind(now)
    .fetch_one(connection)
    .await?;
    Ok(id)
}

/// Notes that the content changed, and by how many manifests and tags.
pub async fn touch(
    connection: &mut AnyConnection,
    id: i64,
    manifests: i64,
    tags: i64,
    now: i64,
) -> Result<(), MetadataError> {
    sqlx::query(
        "UPDATE repositories
         SET updated_at = $2, manifest_count = manifest_count + $3, tag_count = tag_count + $4
         WHERE id = $1",
    )
    .bind(id)
    .bind(now)
    .bind(manifests)
    .bind(tags)
    .execute(connection)
    .await?;
    Ok(())
}

/// Names within any of `ranges` in ASCII order, at most `limit`, from the first after `last`.
pub async fn list(
    connection: &mut AnyConnection,
    ranges: &[NameRange],
    last: Option<&str>,
    limit: i64,
) -> Result<Vec<RepositoryName>, MetadataError> {
    let (conditions, values) = conditions(ranges);
    if conditions.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT name FROM repositories
         WHERE name > $1 AND list_enabled = 1 AND ({conditions}) ORDER BY name LIMIT $2"
    );
    let mut query = sqlx::query(AssertSqlSafe(sql)).bind(last.unwrap_or_default()).bind(limit);
    for value in values {
        query = query.bind(value);
    }
    let rows = query.fetch_all(connection).await?;
    rows.iter().map(|row| parsed(row, "name")).collect()
}

/// The ranges as SQL over `name`, with values from `$3` on.
fn conditions(ranges: &[NameRange]) -> (String, Vec<String>) {
    let mut values = Vec::new();
    let mut bind = |value: &str| {
        values.push(value.to_owned());
        values.len() + 2
    };
    let conditions: Vec<_> = ranges
        .iter()
        .map(|range| match range {
            NameRange::All => "1 = 1".to_owned(),
            NameRange::Exact(name) => format!("name = ${}", bind(name)),
            // No name holds a character above `~`.
            NameRange::Prefix(prefix) => {
                let from = bind(prefix);
                format!("(name >= ${from} AND name < ${})", bind(&format!("{prefix}~")))
            }
        })
        .collect();
    (conditions.join(" OR "), values)
}

/// The names of repositories where this blob is visible, at most `limit`.
pub async fn with_blob(
    connection: &mut AnyConnection,
    digest: &Digest,
    limit: i64,
) -> Result<Vec<RepositoryName>, MetadataError> {
    let rows = sqlx::query(
        "SELECT r.name FROM blobs b
         JOIN repository_blobs l ON l.blob_id = b.id AND l.deleted_at IS NULL
         JOIN repositories r ON r.id = l.repository_id
         WHERE b.digest = $1 LIMIT $2",
    )
    .bind(digest.as_str())
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| parsed(row, "name")).collect()
}
