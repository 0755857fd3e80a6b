use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::{DiskStore, remove_if_there, sync_folder};
use crate::storage::care::Stored;
use crate::storage::{StorageError, blocking};

impl DiskStore {
    /// Opens a store that is there, and makes nothing: it may be read-only.
    ///
    /// # Errors
    /// [`StorageError`] if there is no such folder.
    pub async fn open_existing(root: PathBuf) -> Result<Self, StorageError> {
        blocking(move || {
            fs::read_dir(&root)?;
            Ok(Self { root: root.into(), folders: Arc::default() })
        })
        .await
    }

    /// As [`BlobStore::list_after`](crate::storage::BlobStore::list_after): the files of a folder at
    /// once.
    pub(in crate::storage) async fn list_after(
        &self,
        key: &str,
    ) -> Result<Vec<Stored>, StorageError> {
        let root = self.root.clone();
        let after = key.to_owned();
        blocking(move || {
            for folder in folders(&root)? {
                // Every key in it would be at or before the place.
                if format!("{folder}/~") <= after {
                    continue;
                }
                let mut found = files(&root, &folder)?;
                found.retain(|stored| stored.key > after);
                if !found.is_empty() {
                    return Ok(found);
                }
            }
            Ok(Vec::new())
        })
        .await
    }

    pub(in crate::storage) async fn list(&self, folder: &str) -> Result<Vec<Stored>, StorageError> {
        let (root, folder) = (self.root.clone(), folder.to_owned());
        blocking(move || {
            let mut found = files(&root, &folder)?;
            for below in sorted(&root.join(&folder))? {
                let below = format!("{folder}/{below}");
                if root.join(&below).is_dir() {
                    found.extend(files(&root, &below)?);
                }
            }
            Ok(found)
        })
        .await
    }

    /// Gives a file a second name; whether it is there.
    pub(in crate::storage) async fn link_file(
        &self,
        key: &str,
        to: &str,
    ) -> Result<bool, StorageError> {
        let (from, to, root) = (self.root.join(key), self.root.join(to), self.root.clone());
        let folders = Arc::clone(&self.folders);
        blocking(move || {
            let folder = to.parent().expect("a file's path has folders");
            folders.make(folder, &root)?;
            match fs::hard_link(&from, &to) {
                Ok(()) => sync_folder(folder)?,
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
                Err(error) => return Err(error.into()),
            }
            Ok(true)
        })
        .await
    }

    pub(in crate::storage) async fn put_file(
        &self,
        key: &str,
        bytes: Bytes,
    ) -> Result<(), StorageError> {
        let (to, root) = (self.root.join(key), self.root.clone());
        let draft = self.upload_path(Uuid::new_v4());
        let folders = Arc::clone(&self.folders);
        blocking(move || {
            let folder = to.parent().expect("a file's path has folders");
            folders.make(folder, &root)?;
            let mut file = File::options().write(true).create_new(true).mode(0o600).open(&draft)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&draft, &to)?;
            Ok(sync_folder(folder)?)
        })
        .await
    }

    pub(in crate::storage) async fn get_file(
        &self,
        key: &str,
    ) -> Result<Option<Bytes>, StorageError> {
        let path = self.root.join(key);
        blocking(move || match fs::read(path) {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        })
        .await
    }

    pub(in crate::storage) async fn size_of_file(
        &self,
        key: &str,
    ) -> Result<Option<u64>, StorageError> {
        let path = self.root.join(key);
        blocking(move || match fs::metadata(path) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        })
        .await
    }

    pub(in crate::storage) async fn remove_file(&self, key: &str) -> Result<(), StorageError> {
        let path = self.root.join(key);
        blocking(move || Ok(remove_if_there(&path)?)).await
    }
}

/// The folders that hold blobs, `blobs/sha256/ab`, in their order.
fn folders(root: &Path) -> Result<Vec<String>, StorageError> {
    let mut folders = Vec::new();
    for algorithm in sorted(&root.join("blobs"))? {
        let algorithm = format!("blobs/{algorithm}");
        for share in sorted(&root.join(&algorithm))? {
            folders.push(format!("{algorithm}/{share}"));
        }
    }
    Ok(folders)
}

/// The files in a folder, in the order of their names.
fn files(root: &Path, folder: &str) -> Result<Vec<Stored>, StorageError> {
    let mut found = Vec::new();
    for name in sorted(&root.join(folder))? {
        let key = format!("{folder}/{name}");
        let metadata = match fs::metadata(root.join(&key)) {
            Ok(metadata) if metadata.is_file() => metadata,
            // Removed meanwhile.
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            _ => continue,
        };
        // Renaming a file to its place changes its ctime alone.
        let (seconds, nanos) = (metadata.mtime(), metadata.mtime_nsec())
            .max((metadata.ctime(), metadata.ctime_nsec()));
        let changed_at = seconds.saturating_mul(1_000_000).saturating_add(nanos / 1000);
        found.push(Stored { key, size: metadata.len(), changed_at });
    }
    Ok(found)
}

/// The names in a folder; none, if it is not there or is a file.
fn sorted(folder: &Path) -> Result<Vec<String>, StorageError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error.into()),
    };
    let name = |entry: std::io::Result<fs::DirEntry>| {
        Ok(entry?.file_name().to_string_lossy().into_owned())
    };
    let mut names = entries.map(name).collect::<Result<Vec<_>, std::io::Error>>()?;
    names.sort_unstable();
    Ok(names)
}
