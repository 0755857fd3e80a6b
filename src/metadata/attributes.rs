use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row as _};

use super::MetadataError;
use crate::oci::Tag;

/// What may be done with a repository, a manifest or a tag. Everything may, until somebody locks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    pub delete_enabled: bool,
    /// Where this is off, deletion is too.
    pub write_enabled: bool,
    pub read_enabled: bool,
    pub list_enabled: bool,
}

impl Attributes {
    pub(super) fn from_row(row: &AnyRow) -> Result<Self, MetadataError> {
        Ok(Self {
            delete_enabled: flag(row, "delete_enabled")?,
            write_enabled: flag(row, "write_enabled")?,
            read_enabled: flag(row, "read_enabled")?,
            list_enabled: flag(row, "list_enabled")?,
        })
    }
}

/// The attributes to set; the others stay as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttributeChanges {
    pub delete_enabled: Option<bool>,
    pub write_enabled: Option<bool>,
    pub read_enabled: Option<bool>,
    pub list_enabled: Option<bool>,
}

impl AttributeChanges {
    /// In the order of the columns.
    fn to_sql(self) -> [Option<i64>; 4] {
        [self.delete_enabled, self.write_enabled, self.read_enabled, self.list_enabled]
            .map(|flag| flag.map(i64::from))
    }
}

/// What has attributes, by internal id.
#[derive(Clone, Copy, Debug)]
pub enum AttributesOf<'a> {
    Repository(i64),
    Manifest(i64),
    /// Of the repository with this id.
    Tag(i64, &'a Tag),
}

pub async fn set(
    connection: &mut AnyConnection,
    of: AttributesOf<'_>,
    changes: AttributeChanges,
) -> Result<(), MetadataError> {
    let (table, id, tag) = match of {
        AttributesOf::Repository(id) => ("repositories", id, None),
        AttributesOf::Manifest(id) => ("manifests", id, None),
        AttributesOf::Tag(repository_id, tag) => ("tags", repository_id, Some(tag)),
    };
    let key = if tag.is_some() { "repository_id = $5 AND name = $6" } else { "id = $5" };
    let sql = format!(
        "UPDATE {table}
         SET delete_enabled = COALESCE($1, delete_enabled),
             write_enabled = COALESCE($2, write_enabled),
             read_enabled = COALESCE($3, read_enabled),
             list_enabled = COALESCE($4, list_enabled)
         WHERE {key}"
    );
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for flag in changes.to_sql() {
        query = query.bind(flag);
    }
    query = query.bind(id);
    if let Some(tag) = tag {
        query = query.bind(tag.as_str());
    }
    query.execute(connection).await?;
    Ok(())
}

pub(super) fn flag(row: &AnyRow, column: &'static str) -> Result<bool, MetadataError> {
    Ok(row.try_get::<i64, _>(column)? != 0)
}
