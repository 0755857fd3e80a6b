//! How often content was pulled, and when last.
//!
//! The rows stand apart from those of the content, which pushes hold: adding to them waits for nobody
//! but another server that adds, and nobody waits for it.

use std::collections::HashMap;
use std::hash::Hash;

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row as _};

use super::MetadataError;
use super::rows::{LIST_CHUNK, parsed, placeholders, size, size_to_sql};
use crate::oci::Tag;

/// Pulls of one thing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pulls {
    pub count: u64,
    /// Absent if there was none.
    pub last_at: Option<i64>,
}

impl Pulls {
    fn from_row(row: &AnyRow) -> Result<Self, MetadataError> {
        let last_at = Some(row.try_get("last_pulled_at")?);
        Ok(Self { count: size(row, "pulls")?, last_at })
    }

    /// These and those.
    pub fn add(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        self.last_at = self.last_at.max(other.last_at);
    }
}

/// Rows that one statement adds. SQLite looks for each placeholder among all.
const ROWS: usize = 100;

/// What happens to a row that is there.
const ADD: &str = "\
    pulls = old.pulls + excluded.pulls,
    last_pulled_at = CASE WHEN excluded.last_pulled_at > old.last_pulled_at
                          THEN excluded.last_pulled_at ELSE old.last_pulled_at END";

/// Adds pulls of repositories, which are in the order of their ids, so that two servers do not block
/// each other. Those that are gone are left out.
pub async fn add_to_repositories(
    connection: &mut AnyConnection,
    pulls: &[(i64, Pulls)],
) -> Result<(), MetadataError> {
    add_by_id(connection, "repository_pulls", "repository_id", "repositories", pulls).await
}

/// As [`add_to_repositories`], of manifests.
pub async fn add_to_manifests(
    connection: &mut AnyConnection,
    pulls: &[(i64, Pulls)],
) -> Result<(), MetadataError> {
    add_by_id(connection, "manifest_pulls", "manifest_id", "manifests", pulls).await
}

async fn add_by_id(
    connection: &mut AnyConnection,
    table: &str,
    id: &str,
    owners: &str,
    pulls: &[(i64, Pulls)],
) -> Result<(), MetadataError> {
    for chunk in pulls.chunks(ROWS) {
        let rows = values(chunk.len(), &["BIGINT"; 3]);
        let add = ADD.replace("old.", &format!("{table}."));
        let sql = format!(
            "INSERT INTO {table} ({id}, pulls, last_pulled_at)
             SELECT v.column1, v.column2, v.column3 FROM (VALUES {rows}) AS v
             WHERE EXISTS (SELECT 1 FROM {owners} o WHERE o.id = v.column1)
             ORDER BY v.column1
             ON CONFLICT ({id}) DO UPDATE SET {add}"
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for (id, Pulls { count, last_at }) in chunk {
            query = query.bind(id).bind(size_to_sql(*count)).bind(last_at.unwrap_or_default());
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Adds pulls by tags, which are in the order of repository and name. Those that are gone are left out.
pub async fn add_to_tags(
    connection: &mut AnyConnection,
    pulls: &[((i64, Tag), Pulls)],
) -> Result<(), MetadataError> {
    for chunk in pulls.chunks(ROWS) {
        let rows = values(chunk.len(), &["BIGINT", "TEXT", "BIGINT", "BIGINT"]);
        let add = ADD.replace("old.", "tag_pulls.");
        let sql = format!(
            "INSERT INTO tag_pulls (repository_id, name, pulls, last_pulled_at)
             SELECT v.column1, v.column2, v.column3, v.column4 FROM (VALUES {rows}) AS v
             WHERE EXISTS (SELECT 1 FROM tags t
                           WHERE t.repository_id = v.column1 AND t.name = v.column2)
             ORDER BY v.column1, v.column2
             ON CONFLICT (repository_id, name) DO UPDATE SET {add}"
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for ((repository_id, tag), Pulls { count, last_at }) in chunk {
            query = query
                .bind(repository_id)
                .bind(tag.as_str())
                .bind(size_to_sql(*count))
                .bind(last_at.unwrap_or_default());
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Rows of placeholders whose types the database is told, as nothing else says them.
fn values(rows: usize, types: &[&str]) -> String {
    let mut number = 0;
    let mut row = || {
        let values = types.iter().map(|kind| {
            number += 1;
            format!("CAST(${number} AS {kind})")
        });
        format!("({})", values.collect::<Vec<_>>().join(", "))
    };
    (0..rows).map(|_| row()).collect::<Vec<_>>().join(", ")
}

/// Pulls of each of the repositories `ids`; those without any are left out.
pub async fn of_repositories(
    connection: &mut AnyConnection,
    ids: &[i64],
) -> Result<HashMap<i64, Pulls>, MetadataError> {
    by_id(connection, "repository_pulls", "repository_id", ids).await
}

/// Pulls of each of the manifests `ids`; those without any are left out.
pub async fn of_manifests(
    connection: &mut AnyConnection,
    ids: &[i64],
) -> Result<HashMap<i64, Pulls>, MetadataError> {
    by_id(connection, "manifest_pulls", "manifest_id", ids).await
}

async fn by_id(
    connection: &mut AnyConnection,
    table: &str,
    id: &'static str,
    ids: &[i64],
) -> Result<HashMap<i64, Pulls>, MetadataError> {
    let mut found = HashMap::new();
    for chunk in ids.chunks(LIST_CHUNK) {
        let list = placeholders(1, chunk.len());
        let sql = format!("SELECT {id}, pulls, last_pulled_at FROM {table} WHERE {id} IN ({list})");
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for id in chunk {
            query = query.bind(id);
        }
        collect(&mut found, &query.fetch_all(&mut *connection).await?, |row| Ok(row.try_get(id)?))?;
    }
    Ok(found)
}

/// Pulls by each of the tags; those without any are left out.
pub async fn of_tags(
    connection: &mut AnyConnection,
    repository_id: i64,
    tags: &[&Tag],
) -> Result<HashMap<Tag, Pulls>, MetadataError> {
    let mut found = HashMap::new();
    for chunk in tags.chunks(LIST_CHUNK) {
        let sql = format!(
            "SELECT name, pulls, last_pulled_at FROM tag_pulls
             WHERE repository_id = $1 AND name IN ({})",
            placeholders(2, chunk.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(sql)).bind(repository_id);
        for tag in chunk {
            query = query.bind(tag.as_str());
        }
        let rows = query.fetch_all(&mut *connection).await?;
        collect(&mut found, &rows, |row| parsed(row, "name"))?;
    }
    Ok(found)
}

fn collect<K: Eq + Hash>(
    found: &mut HashMap<K, Pulls>,
    rows: &[AnyRow],
    key: impl Fn(&AnyRow) -> Result<K, MetadataError>,
) -> Result<(), MetadataError> {
    for row in rows {
        found.insert(key(row)?, Pulls::from_row(row)?);
    }
    Ok(())
}

/// Forgets pulls of manifests that go for good. One that another server adds at this very moment may
/// stay behind; PostgreSQL, where there can be another, gives no id twice.
pub async fn forget_manifests(
    connection: &mut AnyConnection,
    ids: &[i64],
) -> Result<(), MetadataError> {
    for chunk in ids.chunks(LIST_CHUNK) {
        let list = placeholders(1, chunk.len());
        let sql = format!("DELETE FROM manifest_pulls WHERE manifest_id IN ({list})");
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for id in chunk {
            query = query.bind(id);
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}
