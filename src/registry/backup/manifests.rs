use bytes::Bytes;

use super::{Backup, BackupError, RowFile, TableRows, rows};
use crate::metadata::export::Value;
use crate::oci::Digest;
use crate::storage::BlobStore;

/// The manifests of a backup, for a registry that lost the bytes of some.
#[derive(Default)]
pub struct ManifestRows {
    /// None, if the backup has no manifests.
    table: Option<TableRows>,
}

impl ManifestRows {
    pub async fn open(store: &BlobStore, id: &str) -> Result<Self, BackupError> {
        let backup = Backup::read(store, id).await?;
        Ok(Self { table: backup.tables.into_iter().find(|table| table.name == "manifests") })
    }

    pub fn files(&self) -> &[RowFile] {
        self.table.as_ref().map_or(&[], |table| &table.files)
    }

    /// The digests and bytes of the manifests in one file, as the database had them: nobody checked
    /// them.
    pub async fn read(
        &self,
        store: &BlobStore,
        file: &RowFile,
    ) -> Result<Vec<(Digest, Bytes)>, BackupError> {
        let column = |name: &str| {
            self.table.iter().flat_map(|table| &table.columns).position(|column| column == name)
        };
        let (Some(digest), Some(content)) = (column("digest"), column("content")) else {
            let reason = "no manifests with bytes".to_owned();
            return Err(BackupError::Damaged { file: file.key.clone(), reason });
        };
        let rows = rows::read_file(store, file).await?;
        let manifests = rows.into_iter().filter_map(|mut row| {
            let Some(Value::Text(digest)) = row.get(digest) else { return None };
            let digest = digest.parse().ok()?;
            match row.get_mut(content)? {
                Value::Bytes(bytes) => Some((digest, Bytes::from(std::mem::take(bytes)))),
                _ => None,
            }
        });
        Ok(manifests.collect())
    }
}
