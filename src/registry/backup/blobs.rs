//! The blobs of a backup: which it needs, and which of them are to be copied.

use std::collections::HashMap;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::{BackupError, TableRows, rows};
use crate::metadata::blobs::Blob;
use crate::metadata::export::Value;
use crate::metadata::{Database, MetadataError, stored_blobs};
use crate::oci::Digest;
use crate::registry::copy::{self, Copied, To, Watch};
use crate::storage::BlobStore;
use crate::storage::care::blob_key;

/// Blobs copied at once.
pub(super) const AT_ONCE: usize = 6;

/// A blob as a row of the backup says it.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub digest: Digest,
    pub size: u64,
    pub location: Option<String>,
    /// Whether it is not about to be deleted.
    pub is_present: bool,
    /// Whether the store's bytes were known not to be what they should.
    pub is_damaged: bool,
}

/// The columns of a blob's row that are looked at.
pub(super) struct Columns {
    digest: usize,
    size: usize,
    pub location: usize,
    state: usize,
    pub damaged_at: usize,
}

impl Columns {
    pub fn of(table: &TableRows) -> Result<Self, BackupError> {
        let find = |name: &str| {
            table.columns.iter().position(|column| column == name).ok_or_else(|| {
                BackupError::Damaged { file: "backup.json".into(), reason: format!("no {name}") }
            })
        };
        Ok(Self {
            digest: find("digest")?,
            size: find("size")?,
            location: find("location")?,
            state: find("state")?,
            damaged_at: find("damaged_at")?,
        })
    }

    pub fn read(&self, row: &[Value]) -> Result<Wanted, BackupError> {
        let text = |column: usize| match row.get(column) {
            Some(Value::Text(text)) => Some(text.clone()),
            _ => None,
        };
        let damaged = || MetadataError::Damaged { column: "blobs", value: format!("{row:?}") };
        let size = match row.get(self.size) {
            Some(Value::Integer(size)) => u64::try_from(*size).map_err(|_| damaged())?,
            _ => return Err(damaged().into()),
        };
        Ok(Wanted {
            digest: text(self.digest).and_then(|text| text.parse().ok()).ok_or_else(damaged)?,
            size,
            location: text(self.location),
            is_present: text(self.state).as_deref() == Some("present"),
            is_damaged: row.get(self.damaged_at) != Some(&Value::Null),
        })
    }
}

/// What a store has of the 256th part of all digests that a digest is in. Rows come in the order of
/// their digests, so each part is listed once.
#[derive(Default)]
pub(super) struct Share {
    folder: String,
    sizes: HashMap<String, u64>,
}

impl Share {
    /// The size of the blob in the store; none, if it is not there.
    pub async fn size(
        &mut self,
        store: &BlobStore,
        digest: &Digest,
    ) -> Result<Option<u64>, BackupError> {
        let key = blob_key(digest);
        let folder = key.rsplit_once('/').map_or("", |(folder, _)| folder);
        if folder != self.folder {
            let found = store.list(folder).await?;
            self.sizes = found.into_iter().map(|stored| (stored.key, stored.size)).collect();
            self.folder = folder.to_owned();
        }
        Ok(self.sizes.get(&key).copied())
    }
}

/// Counts what is copied.
#[derive(Default)]
pub(super) struct BlobCopies {
    pub blobs: u64,
    pub blob_bytes: u64,
    pub copied_blobs: u64,
    pub copied_bytes: u64,
    pub damaged: Vec<Digest>,
}

enum Outcome {
    Copied(u64),
    Damaged(Digest),
    /// No row names it any more.
    Vanished,
}

impl BlobCopies {
    /// Copies all blobs that the rows name and the target lacks. Gives how many have vanished since
    /// the rows were read.
    pub async fn copy_all(
        &mut self,
        database: &Database,
        store: &BlobStore,
        target: &BlobStore,
        tables: &[TableRows],
    ) -> Result<u64, BackupError> {
        let Some(table) = tables.iter().find(|table| table.name == "blobs") else { return Ok(0) };
        let columns = Columns::of(table)?;
        let mut share = Share::default();
        let mut vanished = 0;
        (self.blobs, self.blob_bytes) = (0, 0);
        self.damaged.clear();
        for file in &table.files {
            let mut missing = Vec::new();
            for row in rows::read_file(target, file).await? {
                let wanted = columns.read(&row)?;
                if !wanted.is_present {
                    continue;
                }
                self.blobs += 1;
                self.blob_bytes += wanted.size;
                if share.size(target, &wanted.digest).await? == Some(wanted.size) {
                    // An earlier backup copied it, when it was sound.
                } else if wanted.is_damaged {
                    self.damaged.push(wanted.digest);
                } else {
                    missing.push(wanted);
                }
            }
            let mut copies = stream::iter(missing)
                .map(|wanted| copy_one(database, store, target, wanted))
                .buffer_unordered(AT_ONCE);
            while let Some(outcome) = copies.try_next().await? {
                match outcome {
                    Outcome::Copied(size) => {
                        self.copied_blobs += 1;
                        self.copied_bytes += size;
                    }
                    Outcome::Damaged(digest) => {
                        tracing::error!(%digest, "the store has no sound bytes of a blob");
                        self.damaged.push(digest);
                    }
                    Outcome::Vanished => vanished += 1,
                }
            }
            tracing::info!(of = self.blobs, copied = self.copied_blobs, "blobs");
        }
        Ok(vanished)
    }
}

async fn copy_one(
    database: &Database,
    store: &BlobStore,
    target: &BlobStore,
    wanted: Wanted,
) -> Result<Outcome, BackupError> {
    let Wanted { digest, size, mut location, .. } = wanted;
    loop {
        let source = copy::Source { store, digest: &digest, size, location: location.as_deref() };
        if let Copied::Whole(_) = copy::copy(source, target, To::Digest, Watch::default()).await? {
            return Ok(Outcome::Copied(size));
        }
        let mut connection = database.read().await?;
        let found = stored_blobs::of_digest(&mut connection, &digest).await?;
        match found {
            None => return Ok(Outcome::Vanished),
            // It was healed, or collected and pushed again, under another name.
            Some(stored) if stored.blob.location != location => {
                let Blob { location: now_at, .. } = stored.blob;
                location = now_at;
            }
            Some(_) => return Ok(Outcome::Damaged(digest)),
        }
    }
}
