use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::MetadataError;

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
    pub(super) fn to_sql(self) -> [Option<i64>; 4] {
        [self.delete_enabled, self.write_enabled, self.read_enabled, self.list_enabled]
            .map(|flag| flag.map(i64::from))
    }
}

pub(super) fn flag(row: &AnyRow, column: &'static str) -> Result<bool, MetadataError> {
    Ok(row.try_get::<i64, _>(column)? != 0)
}
