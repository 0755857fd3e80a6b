//! All rows of a database in a form that both engines share, for backups and for moves from one
//! engine to the other. Rows are read in one [`snapshot`](super::Database::snapshot) and written in
//! one transaction, so neither the source nor the target is ever seen half.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sqlx::any::{AnyRow, AnyTypeInfoKind};
use sqlx::{AnyConnection, AssertSqlSafe, Row as _, ValueRef as _};

use super::MetadataError;

/// A table, and how its rows are ordered when they are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    pub name: &'static str,
    /// Columns that together are unique.
    order: &'static str,
    /// Whether the rows speak of work under way in one store, and mean nothing beside another.
    pub is_passing: bool,
}

const fn table(name: &'static str, order: &'static str) -> Table {
    Table { name, order, is_passing: false }
}

const fn passing(name: &'static str, order: &'static str) -> Table {
    Table { name, order, is_passing: true }
}

/// Every table, each after those that its rows refer to. A test compares it with the migrations.
pub const TABLES: &[Table] = &[
    table("repositories", "id"),
    table("blobs", "digest"),
    table("repository_blobs", "repository_id, blob_id"),
    table("manifests", "id"),
    table("manifest_references", "manifest_id, position"),
    table("manifest_annotations", "manifest_id, name"),
    table("tags", "repository_id, name"),
    table("repository_pulls", "repository_id"),
    table("tag_pulls", "repository_id, name"),
    table("manifest_pulls", "manifest_id"),
    table("tag_history", "id"),
    table("deleted_tags", "repository_id, deleted_at, name"),
    passing("uploads", "id"),
    table("gc_queue", "kind, repository_id, target_id"),
    passing("gc_objects", "location"),
    passing("gc_rounds", "id"),
    table("storage_samples", "at"),
    passing("storage_totals", "id"),
    table("identities", "id"),
    table("credentials", "id"),
    table("scope_maps", "id"),
    table("scope_map_rules", "scope_map_id, pattern"),
    table("role_assignments", "id"),
    table("signing_keys", "id"),
    table("trusted_issuers", "id"),
    table("federation_rules", "id"),
    table("federated_sign_ins", "id"),
    table("refresh_tokens", "id"),
    table("audit_events", "id"),
    passing("scrubs", "id"),
    passing("scrub_findings", "scrub_id, kind, name"),
];

/// The type of a column; there are no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Integer,
    Text,
    Bytes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub kind: Kind,
}

/// A value of a row. As JSON: null, a number, text, or `{"base64": "…"}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Null,
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
}

impl Value {
    fn from_row(row: &AnyRow, index: usize) -> Result<Self, MetadataError> {
        let raw = row.try_get_raw(index)?;
        if raw.is_null() {
            return Ok(Self::Null);
        }
        Ok(match raw.type_info().kind() {
            AnyTypeInfoKind::Text => Self::Text(row.try_get(index)?),
            AnyTypeInfoKind::Blob => Self::Bytes(row.try_get(index)?),
            _ => Self::Integer(row.try_get(index)?),
        })
    }

    /// About how many bytes it takes.
    pub fn size(&self) -> usize {
        match self {
            Self::Null | Self::Integer(_) => 8,
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Null,
    Integer(i64),
    Text(String),
    Bytes { base64: String },
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Integer(number) => serializer.serialize_i64(*number),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Bytes(bytes) => {
                Written::Bytes { base64: STANDARD.encode(bytes) }.serialize(serializer)
            }
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Written::deserialize(deserializer)? {
            Written::Null => Self::Null,
            Written::Integer(number) => Self::Integer(number),
            Written::Text(text) => Self::Text(text),
            Written::Bytes { base64 } => {
                Self::Bytes(STANDARD.decode(base64).map_err(serde::de::Error::custom)?)
            }
        })
    }
}

/// The columns of a table, as the database has them.
pub async fn columns(
    connection: &mut AnyConnection,
    table: &Table,
) -> Result<Vec<Column>, MetadataError> {
    let sql = match connection.backend_name() {
        "PostgreSQL" => {
            "SELECT CAST(column_name AS TEXT) AS name, CAST(data_type AS TEXT) AS kind
             FROM information_schema.columns
             WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position"
        }
        _ => "SELECT name, lower(type) AS kind FROM pragma_table_info($1) ORDER BY cid",
    };
    let rows = sqlx::query(sql).bind(table.name).fetch_all(connection).await?;
    let column = |row: &AnyRow| {
        let kind: String = row.try_get("kind")?;
        let kind = match &*kind {
            "integer" | "bigint" | "smallint" => Kind::Integer,
            "text" => Kind::Text,
            "blob" | "bytea" => Kind::Bytes,
            _ => return Err(MetadataError::Damaged { column: "type of a column", value: kind }),
        };
        Ok(Column { name: row.try_get("name")?, kind })
    };
    rows.iter().map(column).collect()
}

/// The rows of a table, in its order, as they come from the database.
pub fn rows<'c>(
    connection: &'c mut AnyConnection,
    table: &Table,
    columns: &[Column],
) -> BoxStream<'c, Result<Vec<Value>, MetadataError>> {
    let sql = format!("SELECT {} FROM {} ORDER BY {}", names(columns), table.name, table.order);
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch(connection);
    rows.map(|row| {
        let row = row?;
        (0..row.len()).map(|index| Value::from_row(&row, index)).collect()
    })
    .boxed()
}

/// The name of a table that has rows, if any has. An older schema may lack tables.
pub async fn filled(connection: &mut AnyConnection) -> Result<Option<&'static str>, MetadataError> {
    for table in TABLES.iter().filter(|table| !table.is_passing) {
        if columns(connection, table).await?.is_empty() {
            continue;
        }
        let sql = format!("SELECT 1 AS one FROM {} LIMIT 1", table.name);
        let row = sqlx::query(AssertSqlSafe(sql)).fetch_optional(&mut *connection).await?;
        if row.is_some() {
            return Ok(Some(table.name));
        }
    }
    Ok(None)
}

/// Bytes and values of one statement at most. SQLite looks for each placeholder among all.
const BATCH_BYTES: usize = 1 << 20;
const BATCH_VALUES: usize = 500;

/// Adds rows to a table, whose values are of `names`, in this order. Gives how many they were.
pub async fn insert(
    connection: &mut AnyConnection,
    table: &Table,
    names: &[String],
    mut rows: impl futures_util::Stream<Item = Result<Vec<Value>, MetadataError>> + Unpin,
) -> Result<u64, MetadataError> {
    let known = columns(connection, table).await?;
    let find = |name: &String| known.iter().find(|column| column.name == *name).cloned();
    let columns: Option<Vec<Column>> = names.iter().map(find).collect();
    let columns = columns.ok_or_else(|| MetadataError::Damaged {
        column: "columns of a table",
        value: format!("{} ({})", table.name, names.join(", ")),
    })?;
    let (mut batch, mut bytes, mut count) = (Vec::new(), 0, 0);
    while let Some(row) = rows.try_next().await? {
        if row.len() != columns.len() {
            let value = format!("{row:?}");
            return Err(MetadataError::Damaged { column: "row of a table", value });
        }
        bytes += row.iter().map(Value::size).sum::<usize>();
        batch.push(row);
        count += 1;
        if bytes >= BATCH_BYTES || (batch.len() + 1) * columns.len() > BATCH_VALUES {
            insert_batch(connection, table, &columns, std::mem::take(&mut batch)).await?;
            bytes = 0;
        }
    }
    if !batch.is_empty() {
        insert_batch(connection, table, &columns, batch).await?;
    }
    Ok(count)
}

async fn insert_batch(
    connection: &mut AnyConnection,
    table: &Table,
    columns: &[Column],
    rows: Vec<Vec<Value>>,
) -> Result<(), MetadataError> {
    let width = columns.len();
    let places = (0..rows.len())
        .map(|row| format!("({})", super::rows::placeholders(row * width + 1, width)));
    let places: Vec<String> = places.collect();
    let sql =
        format!("INSERT INTO {} ({}) VALUES {}", table.name, names(columns), places.join(", "));
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for (value, column) in rows.into_iter().flat_map(|row| row.into_iter().zip(columns)) {
        query = match (value, column.kind) {
            (Value::Integer(number), _) => query.bind(number),
            (Value::Text(text), _) => query.bind(text),
            (Value::Bytes(bytes), _) => query.bind(bytes),
            (Value::Null, Kind::Integer) => query.bind(None::<i64>),
            (Value::Null, Kind::Text) => query.bind(None::<String>),
            (Value::Null, Kind::Bytes) => query.bind(None::<Vec<u8>>),
        };
    }
    query.execute(connection).await?;
    Ok(())
}

/// Lets ids that the database gives from now on follow those that were inserted. To be called in the
/// transaction of the inserts.
pub async fn continue_ids(connection: &mut AnyConnection) -> Result<(), MetadataError> {
    if connection.backend_name() != "PostgreSQL" {
        return Ok(()); // SQLite takes the highest id and one.
    }
    let tables = sqlx::query(
        "SELECT CAST(table_name AS TEXT) AS name FROM information_schema.columns
         WHERE table_schema = current_schema() AND column_name = 'id' AND is_identity = 'YES'",
    )
    .fetch_all(&mut *connection)
    .await?;
    for row in tables {
        let name: String = row.try_get("name")?;
        let sql = format!(
            "SELECT setval(pg_get_serial_sequence('{name}', 'id'),
                           COALESCE((SELECT max(id) FROM {name}), 0) + 1, false)"
        );
        sqlx::query(AssertSqlSafe(sql)).execute(&mut *connection).await?;
    }
    Ok(())
}

fn names(columns: &[Column]) -> String {
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_being_written() {
        let row = vec![
            Value::Null,
            Value::Integer(i64::MAX),
            Value::Text("null \"é\"\n".into()),
            Value::Bytes(vec![0, 255, 10]),
        ];
        let written = serde_json::to_string(&row).unwrap();
        assert_eq!(written, r#"[null,9223372036854775807,"null \"é\"\n",{"base64":"AP8K"}]"#);
        assert_eq!(serde_json::from_str::<Vec<Value>>(&written).unwrap(), row);
    }
}
