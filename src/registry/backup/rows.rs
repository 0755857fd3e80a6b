//! Rows as files: one row a line, each a JSON array.

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};

use super::{BackupError, RowFile, TableRows};
use crate::metadata::export::{self, Column, TABLES, Table, Value};
use crate::metadata::{Database, MetadataError};
use crate::storage::BlobStore;

/// Bytes of a file, about: one is in memory at a time.
const FILE_BYTES: usize = 8 << 20;

/// Writes all rows as they are now; gives the version of the tables with them.
pub async fn write(
    database: &Database,
    target: &BlobStore,
    id: &str,
) -> Result<(i64, Vec<TableRows>), BackupError> {
    let mut snapshot = database.snapshot().await?;
    let schema = Database::schema_version_in(&mut snapshot).await?;
    let mut tables = Vec::new();
    for table in TABLES.iter().filter(|table| !table.is_passing) {
        let columns = export::columns(&mut snapshot, table).await?;
        let rows = export::rows(&mut snapshot, table, &columns);
        tables.push(write_table(target, id, table, &columns, rows).await?);
    }
    Ok((schema, tables))
}

async fn write_table(
    target: &BlobStore,
    id: &str,
    table: &Table,
    columns: &[Column],
    mut rows: impl Stream<Item = Result<Vec<Value>, MetadataError>> + Unpin,
) -> Result<TableRows, BackupError> {
    let columns = columns.iter().map(|column| column.name.clone()).collect();
    let mut written =
        TableRows { name: table.name.to_owned(), columns, rows: 0, files: Vec::new() };
    let mut text = Vec::new();
    loop {
        let row = rows.try_next().await?;
        if text.len() >= FILE_BYTES || (row.is_none() && !text.is_empty()) {
            let key = format!("backups/{id}/{}-{:05}.jsonl", table.name, written.files.len() + 1);
            let bytes = Bytes::from(std::mem::take(&mut text));
            written.files.push(RowFile::write(target, key, bytes).await?);
        }
        let Some(row) = row else { return Ok(written) };
        serde_json::to_writer(&mut text, &row).expect("rows are text and numbers");
        text.push(b'\n');
        written.rows += 1;
    }
}

/// The rows of one file.
pub async fn read_file(target: &BlobStore, file: &RowFile) -> Result<Vec<Vec<Value>>, BackupError> {
    let bytes = file.read(target).await?;
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let rows = lines.map(|line| {
        serde_json::from_slice(line).map_err(|error| BackupError::Damaged {
            file: file.key.clone(),
            reason: error.to_string(),
        })
    });
    rows.collect()
}

/// The rows of a table, file by file.
pub fn read<'a>(
    target: &'a BlobStore,
    table: &'a TableRows,
) -> impl Stream<Item = Result<Vec<Value>, BackupError>> + 'a {
    stream::iter(&table.files)
        .then(move |file| read_file(target, file))
        .map_ok(|rows| stream::iter(rows.into_iter().map(Ok)))
        .try_flatten()
}
