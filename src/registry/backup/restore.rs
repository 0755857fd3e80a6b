//! A registry made of a backup, on whichever database and store.

use std::collections::HashSet;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::blobs::{AT_ONCE, Columns, Share, Wanted};
use super::{Backup, BackupError, TableRows, list, rows};
use crate::metadata::export::{self, TABLES, Value};
use crate::metadata::{Database, now};
use crate::oci::Digest;
use crate::registry::Registry;
use crate::registry::copy::{self, Copied, To, Watch};
use crate::registry::scrub::{ScrubReport, Scrubber};
use crate::settings::Settings;
use crate::storage::BlobStore;

/// Where a registry is to be.
pub struct Target<'a> {
    pub database_url: &'a str,
    pub settings: &'a Settings,
    pub store: &'a BlobStore,
}

/// What was restored, and what a look through all of it found.
#[derive(Debug)]
pub struct Restored {
    pub backup: Backup,
    pub rows: u64,
    pub copied_blobs: u64,
    pub copied_bytes: u64,
    pub report: ScrubReport,
}

/// Makes a registry of the backup `id`, or of the newest one, and reads all of it back.
///
/// Blobs first, rows second, in one transaction: what breaks off leaves the database empty and can be
/// begun anew. Blobs that are in the store already are not copied again.
///
/// # Errors
/// [`BackupError::NotEmpty`] if there is a registry already.
pub async fn restore(
    source: &BlobStore,
    id: Option<&str>,
    target: Target<'_>,
) -> Result<Restored, BackupError> {
    let known = list(source).await?;
    let id = match id {
        Some(id) if known.iter().any(|known| known == id) => id.to_owned(),
        Some(id) => return Err(BackupError::Unknown { id: id.to_owned(), known }),
        None => known.last().cloned().ok_or_else(|| BackupError::NoBackup("that place".into()))?,
    };
    let backup = Backup::read(source, &id).await?;
    let empty = open_empty(target.database_url, backup.schema).await?;
    let store = target.store;
    let blobs = restore_blobs(source, store, &backup).await?;
    let rows = restore_rows(&empty, source, &backup, &blobs).await?;
    empty.close().await;

    let database =
        Database::open(target.database_url, target.settings.metadata.max_connections).await?;
    let report = Scrubber {
        registry: Registry::new(database.clone(), store.clone(), target.settings),
        copies: Vec::new(),
        bytes_per_second: None,
        grace: std::time::Duration::MAX,
        hands_over: false,
    };
    let report = report.run(true).await?;
    database.close().await;
    Ok(Restored {
        backup,
        rows,
        copied_blobs: blobs.copied,
        copied_bytes: blobs.copied_bytes,
        report,
    })
}

async fn open_empty(url: &str, schema: i64) -> Result<Database, BackupError> {
    let database = Database::open_at(url, schema).await?;
    if let Some(table) = export::filled(&mut *database.read().await?).await? {
        return Err(BackupError::NotEmpty(table));
    }
    let found = database.schema_version().await?;
    if found != schema {
        return Err(BackupError::Schema { found, expected: schema });
    }
    Ok(database)
}

#[derive(Default)]
struct RestoredBlobs {
    copied: u64,
    copied_bytes: u64,
    /// What the backup has no sound bytes of.
    lacking: HashSet<Digest>,
    /// What the store has already, where the row of the backup says.
    in_place: HashSet<Digest>,
}

enum Came {
    Copied,
    InPlace,
    Lacking,
}

async fn restore_blobs(
    source: &BlobStore,
    store: &BlobStore,
    backup: &Backup,
) -> Result<RestoredBlobs, BackupError> {
    let mut restored = RestoredBlobs::default();
    let Some(table) = backup.table("blobs") else { return Ok(restored) };
    let columns = Columns::of(table)?;
    let mut share = Share::default();
    let is_empty = store.list_after("").await?.is_empty();
    for file in &table.files {
        let mut missing = Vec::new();
        for row in rows::read_file(source, file).await? {
            let wanted = columns.read(&row)?;
            if wanted.is_present && share.size(store, &wanted.digest).await? != Some(wanted.size) {
                missing.push(wanted);
            }
        }
        let mut copies = stream::iter(missing)
            .map(|wanted| copy_one(source, store, is_empty, wanted))
            .buffer_unordered(AT_ONCE);
        while let Some((Wanted { digest, size, .. }, came)) = copies.try_next().await? {
            match came {
                Came::Copied => {
                    restored.copied += 1;
                    restored.copied_bytes += size;
                }
                Came::InPlace => drop(restored.in_place.insert(digest)),
                Came::Lacking => {
                    tracing::error!(%digest, "the backup has no sound bytes of a blob");
                    restored.lacking.insert(digest);
                }
            }
        }
        tracing::info!(copied = restored.copied, bytes = restored.copied_bytes, "blobs");
    }
    Ok(restored)
}

async fn copy_one(
    source: &BlobStore,
    store: &BlobStore,
    store_is_empty: bool,
    wanted: Wanted,
) -> Result<(Wanted, Came), BackupError> {
    let Wanted { digest, size, location, .. } = &wanted;
    if let (Some(key), false, BlobStore::Bucket(_)) = (location, store_is_empty, store)
        && store.size_of_file(key).await? == Some(*size)
    {
        return Ok((wanted, Came::InPlace));
    }
    let from = copy::Source { store: source, digest, size: *size, location: None };
    let copied = copy::copy(from, store, To::Digest, Watch::default()).await?;
    let came = if matches!(copied, Copied::Whole(_)) { Came::Copied } else { Came::Lacking };
    Ok((wanted, came))
}

async fn restore_rows(
    database: &Database,
    source: &BlobStore,
    backup: &Backup,
    blobs: &RestoredBlobs,
) -> Result<u64, BackupError> {
    let mut transaction = database.begin().await?;
    let mut count = 0;
    for table in TABLES {
        let Some(written) = backup.table(table.name) else { continue };
        let columns = (table.name == "blobs").then(|| Columns::of(written)).transpose()?;
        // A failure to read is kept aside, as the insertion knows failures of rows alone.
        let mut failed = None;
        let rows = rows_of(source, written, columns, blobs);
        let mut rows = std::pin::pin!(rows);
        let rows = stream::poll_fn(|context| {
            rows.as_mut().poll_next_unpin(context).map(|next| match next? {
                Ok(row) => Some(Ok(row)),
                Err(error) => {
                    failed = Some(error);
                    None
                }
            })
        });
        let inserted = export::insert(&mut transaction, table, &written.columns, rows).await?;
        if let Some(error) = failed {
            return Err(error);
        }
        if inserted != written.rows {
            let reason = format!("{inserted} rows instead of {}", written.rows);
            return Err(BackupError::Damaged { file: written.name.clone(), reason });
        }
        count += inserted;
    }
    export::continue_ids(&mut transaction).await?;
    transaction.commit().await?;
    Ok(count)
}

/// Rows as they are to be here: copied blobs lie at the place that follows from their digest, and those that
/// the backup lacks are known to be damaged, but no others.
fn rows_of<'a>(
    source: &'a BlobStore,
    table: &'a TableRows,
    columns: Option<Columns>,
    blobs: &'a RestoredBlobs,
) -> impl futures_util::Stream<Item = Result<Vec<Value>, BackupError>> + 'a {
    rows::read(source, table).map(move |row| {
        let mut row = row?;
        if let Some(columns) = &columns {
            let wanted = columns.read(&row)?;
            if !blobs.in_place.contains(&wanted.digest) {
                row[columns.location] = Value::Null;
            }
            row[columns.damaged_at] = match blobs.lacking.contains(&wanted.digest) {
                true => Value::Integer(now()),
                false => Value::Null,
            };
        }
        Ok(row)
    })
}
