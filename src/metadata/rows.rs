//! What the queries of all aggregates share: typed columns and lists in SQL.

use std::str::FromStr;

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::MetadataError;

/// Values of an `IN` list in one statement; SQLite takes 32,766 and PostgreSQL 65,535.
pub(super) const LIST_CHUNK: usize = 500;

/// The column as one of the protocol's values.
pub(super) fn parsed<T: FromStr>(row: &AnyRow, column: &'static str) -> Result<T, MetadataError> {
    let value: String = row.try_get(column)?;
    value.parse().map_err(|_| MetadataError::Damaged { column, value })
}

/// The column as one of the protocol's values, if it is not NULL.
pub(super) fn parsed_or_null<T: FromStr>(
    row: &AnyRow,
    column: &'static str,
) -> Result<Option<T>, MetadataError> {
    let Some(value) = row.try_get::<Option<String>, _>(column)? else { return Ok(None) };
    value.parse().map(Some).map_err(|_| MetadataError::Damaged { column, value })
}

/// The column as a size in bytes.
pub(super) fn size(row: &AnyRow, column: &'static str) -> Result<u64, MetadataError> {
    let value: i64 = row.try_get(column)?;
    u64::try_from(value).map_err(|_| MetadataError::Damaged { column, value: value.to_string() })
}

/// As [`size`], if it is not NULL.
pub(super) fn size_or_null(
    row: &AnyRow,
    column: &'static str,
) -> Result<Option<u64>, MetadataError> {
    match row.try_get::<Option<i64>, _>(column)? {
        None => Ok(None),
        Some(_) => size(row, column).map(Some),
    }
}

/// A size as the database keeps it. Sizes above 2^63 are cut to it; no store holds such content.
pub(super) fn size_to_sql(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// Placeholders `$first, $first+1, …` for a list of `count` values.
pub(super) fn placeholders(first: usize, count: usize) -> String {
    let names: Vec<_> = (first..first + count).map(|n| format!("${n}")).collect();
    names.join(", ")
}

/// The pattern of texts that hold `part`, for `LIKE … ESCAPE '!'`.
pub(super) fn like(part: &str) -> String {
    format!("%{}%", like_itself(part))
}

/// The pattern of nothing but the text.
pub(super) fn like_itself(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(character);
    }
    pattern
}
