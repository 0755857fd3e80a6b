//! What stands in the target beside blobs: which backups there are, and what belongs to each.

use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::DateTime;
use serde::{Deserialize, Serialize};

use super::BackupError;
use crate::oci::{Algorithm, Digest, Hasher};
use crate::storage::BlobStore;

/// Of the files in a backup. It changes when an older program could not read them.
pub const FORMAT: u32 = 1;

const DESCRIPTION: &str = "backup.json";

/// A whole backup. Times are microseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    pub format: u32,
    pub id: String,
    /// The version of the program.
    pub orlop: String,
    /// The version of the tables.
    pub schema: i64,
    pub started_at: i64,
    /// The moment that it shows.
    pub taken_at: i64,
    pub finished_at: i64,
    pub tables: Vec<TableRows>,
    /// All blobs that belong to it, and those of them that were not in the target before.
    pub blobs: u64,
    pub blob_bytes: u64,
    pub copied_blobs: u64,
    pub copied_bytes: u64,
    /// Digests of blobs that the backup lacks, as the store has no sound bytes of them.
    pub damaged: Vec<Digest>,
}

/// The rows of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableRows {
    pub name: String,
    pub columns: Vec<String>,
    pub rows: u64,
    pub files: Vec<RowFile>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowFile {
    /// Below the root of the target.
    pub key: String,
    pub bytes: u64,
    pub digest: Digest,
}

impl RowFile {
    /// Writes a file of rows.
    pub async fn write(target: &BlobStore, key: String, bytes: Bytes) -> Result<Self, BackupError> {
        let digest = Hasher::digest(Algorithm::Sha256, &bytes);
        let size = bytes.len() as u64;
        target.put_file(&key, bytes).await?;
        Ok(Self { key, bytes: size, digest })
    }

    /// # Errors
    /// [`BackupError::Damaged`] if it is not as it was written.
    pub async fn read(&self, target: &BlobStore) -> Result<Bytes, BackupError> {
        let damaged =
            |reason: &str| BackupError::Damaged { file: self.key.clone(), reason: reason.into() };
        let bytes = target.get_file(&self.key).await?;
        let bytes = bytes.ok_or_else(|| damaged("it is not there"))?;
        if Hasher::digest(self.digest.algorithm(), &bytes) == self.digest {
            Ok(bytes)
        } else {
            Err(damaged("its digest is another"))
        }
    }
}

impl Backup {
    /// Makes the backup whole.
    pub async fn write(&self, target: &BlobStore) -> Result<(), BackupError> {
        let json = serde_json::to_vec_pretty(self).expect("text and numbers serialize");
        Ok(target.put_file(&key_of(&self.id), json.into()).await?)
    }

    pub async fn read(target: &BlobStore, id: &str) -> Result<Self, BackupError> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let file = key_of(id);
        let damaged = |reason: String| BackupError::Damaged { file: file.clone(), reason };
        let bytes = target.get_file(&file).await?;
        let bytes = bytes.ok_or_else(|| damaged("it is not there".into()))?;
        let head: Head =
            serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        if head.format != FORMAT {
            return Err(BackupError::Format(head.format));
        }
        serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))
    }

    /// The rows of a table, if the backup has it.
    pub fn table(&self, name: &str) -> Option<&TableRows> {
        self.tables.iter().find(|table| table.name == name)
    }
}

/// The backup that begins now: ids are in the order of time.
pub fn id_of(now: i64) -> String {
    let time = DateTime::from_timestamp_micros(now).unwrap_or_default();
    time.format("%Y%m%dT%H%M%S%.3fZ").to_string().replace('.', "-")
}

fn key_of(id: &str) -> String {
    format!("backups/{id}/{DESCRIPTION}")
}

/// The ids of the backups that are whole, and of those that are not, with when those were last
/// changed.
pub async fn ids(target: &BlobStore) -> Result<(Vec<String>, BTreeMap<String, i64>), BackupError> {
    let mut whole = Vec::new();
    let mut partial: BTreeMap<String, i64> = BTreeMap::new();
    for file in target.list("backups").await? {
        let mut parts = file.key.split('/').skip(1);
        let (Some(id), Some(name)) = (parts.next(), parts.next()) else { continue };
        if name == DESCRIPTION {
            whole.push(id.to_owned());
        }
        let changed = partial.entry(id.to_owned()).or_default();
        *changed = file.changed_at.max(*changed);
    }
    whole.sort_unstable();
    partial.retain(|id, _| whole.binary_search(id).is_err());
    Ok((whole, partial))
}

/// Removes the files of a backup, what makes it whole first.
pub async fn remove_files(target: &BlobStore, id: &str) -> Result<(), BackupError> {
    target.remove_file(&key_of(id)).await?;
    for file in target.list(&format!("backups/{id}")).await? {
        target.remove_file(&file.key).await?;
    }
    Ok(())
}
