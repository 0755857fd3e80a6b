//! Blobs and upload sessions as files.

mod care;
mod folders;
mod reader;
mod write_behind;
mod writer;

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

pub use folders::make_folder;
use folders::{DurableFolders, sync_folder};
pub use reader::FileReader;
pub use writer::FileWriter;

use super::care::blob_key;
use super::{Session, StorageError, blocking};
use crate::oci::{Algorithm, Digest, Hasher};

/// Bits of a file's mode: its group or all others may write to it, its owner may read and write it.
const OTHERS_WRITE: u32 = 0o022;
const OWNER_USES: u32 = 0o600;

/// Blobs and upload sessions as files: `blobs/sha256/ab/<hex>` and `uploads/<id>`, on one file
/// system, so that finishing an upload is a rename. Cheap to clone.
#[derive(Clone)]
pub struct DiskStore {
    root: Arc<Path>,
    folders: Arc<DurableFolders>,
}

impl DiskStore {
    /// Opens the store at `root`, whose folders are made if they are missing.
    ///
    /// # Errors
    /// [`StorageError`] if they cannot be made or written.
    pub async fn open(root: PathBuf) -> Result<Self, StorageError> {
        blocking(move || {
            for folder in [&root, &root.join("uploads"), &root.join("blobs")] {
                make_folder(folder)?;
            }
            Ok(Self { root: root.into(), folders: Arc::default() })
        })
        .await
    }

    /// Goes on with a session, or starts it. Bytes beyond those received, which a request left that
    /// did not end well, are cut off.
    ///
    /// # Errors
    /// [`StorageError::UploadLost`] if fewer bytes are there.
    pub async fn open_upload(&self, session: Session) -> Result<FileWriter, StorageError> {
        let Session { id, hasher, received, .. } = session;
        let path = self.upload_path(id);
        let file = blocking(move || {
            if received == 0 {
                return Ok(File::options().write(true).create(true).truncate(true).open(path)?);
            }
            let mut file = match File::options().write(true).open(path) {
                Ok(file) => file,
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    return Err(StorageError::UploadLost);
                }
                Err(error) => return Err(error.into()),
            };
            let length = file.metadata()?.len();
            if length < received {
                return Err(StorageError::UploadLost);
            }
            if length > received {
                file.set_len(received)?;
            }
            file.seek(SeekFrom::Start(received))?;
            Ok(file)
        })
        .await?;
        Ok(FileWriter::new(id, file, received, hasher))
    }

    /// Whether the bytes that a session received are there.
    pub async fn has_upload(&self, id: Uuid, received: u64) -> Result<bool, StorageError> {
        let path = self.upload_path(id);
        blocking(move || match fs::metadata(path) {
            Ok(metadata) => Ok(metadata.len() >= received),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(received == 0),
            Err(error) => Err(error.into()),
        })
        .await
    }

    /// Gives a session a file of its own with its first `received` bytes. Whoever wrote to it
    /// before and does not know that it is lost goes on writing to the old one.
    ///
    /// # Errors
    /// [`StorageError::UploadLost`] if fewer bytes are there.
    pub async fn detach_upload(&self, id: Uuid, received: u64) -> Result<(), StorageError> {
        let path = self.upload_path(id);
        if received == 0 {
            return self.remove_upload(id).await;
        }
        // Named as a session, so that what a crash leaves of it is found.
        let copy_path = self.upload_path(Uuid::new_v4());
        let folder = self.root.join("uploads");
        blocking(move || {
            let mut old = match File::open(&path) {
                Ok(file) => file.take(received),
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    return Err(StorageError::UploadLost);
                }
                Err(error) => return Err(error.into()),
            };
            let copied = copy_durably(&mut old, &copy_path).and_then(|length| {
                if length < received {
                    return Err(StorageError::UploadLost);
                }
                Ok(fs::rename(&copy_path, &path)?)
            });
            if copied.is_err() {
                remove_if_there(&copy_path)?;
            }
            copied?;
            Ok(sync_folder(&folder)?)
        })
        .await
    }

    /// Makes a file the bytes of a session by giving it a second name, durably; gives its size.
    /// None if it is on another file system, or somebody else than the owner of this store could
    /// change it or keep us from reading it: then it has to be copied.
    pub async fn link_upload(&self, id: Uuid, file: &Path) -> Result<Option<u64>, StorageError> {
        let (from, to) = (file.to_owned(), self.upload_path(id));
        let folder = self.root.join("uploads");
        blocking(move || {
            let found = fs::symlink_metadata(&from)?;
            let store = fs::metadata(&folder)?;
            let is_ours = found.is_file()
                && (found.dev(), found.uid()) == (store.dev(), store.uid())
                && found.mode() & OTHERS_WRITE == 0
                && found.mode() & OWNER_USES == OWNER_USES;
            if !is_ours {
                return Ok(None);
            }
            match fs::hard_link(&from, &to) {
                Ok(()) => {}
                // The system allows no second name for it, or no more of them.
                Err(error) if error.kind() != ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error.into()),
            }
            // Whoever wrote it may not have waited for the disk.
            let linked = File::open(&to)?;
            linked.sync_all()?;
            Ok(Some(linked.metadata()?.len()))
        })
        .await
    }

    /// Turns a session into the blob `digest`, which is its hash. When this returns, the blob
    /// survives a crash of the machine.
    pub async fn finish_upload(
        &self,
        mut writer: FileWriter,
        digest: &Digest,
    ) -> Result<(), StorageError> {
        let rest = writer.rest().await?;
        let from = self.upload_path(writer.id());
        let to = self.blob_path(digest);
        let blobs = self.root.join("blobs");
        let folders = Arc::clone(&self.folders);
        blocking(move || {
            rest.sync()?;
            let folder = to.parent().expect("a blob's path has folders");
            folders.make(folder, &blobs)?;
            fs::rename(&from, &to)?;
            sync_folder(folder)?;
            Ok(())
        })
        .await
    }

    /// The hash, by another algorithm, over the bytes of a session. The only case
    /// in which bytes are read again: a client named its algorithm after it had sent them.
    pub async fn rehash_upload(
        &self,
        writer: &mut FileWriter,
        algorithm: Algorithm,
    ) -> Result<Hasher, StorageError> {
        writer.flush().await?;
        let (path, received) = (self.upload_path(writer.id()), writer.written());
        blocking(move || {
            let mut hasher = Hasher::new(algorithm);
            if received == 0 {
                return Ok(hasher);
            }
            let mut file = File::open(path)?.take(received);
            let mut buffer = vec![0; 256 << 10];
            loop {
                match file.read(&mut buffer)? {
                    0 if file.limit() > 0 => return Err(StorageError::UploadLost),
                    0 => return Ok(hasher),
                    length => hasher.update(&buffer[..length]),
                }
            }
        })
        .await
    }

    /// Sessions whose bytes nobody wrote to for `age`.
    pub async fn idle_uploads(&self, age: Duration) -> Result<Vec<Uuid>, StorageError> {
        let folder = self.root.join("uploads");
        blocking(move || {
            let mut idle = Vec::new();
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                let Ok(id) = entry.file_name().to_string_lossy().parse() else { continue };
                let modified = entry.metadata().and_then(|metadata| metadata.modified());
                if modified.is_ok_and(|at| at.elapsed().is_ok_and(|elapsed| elapsed >= age)) {
                    idle.push(id);
                }
            }
            Ok(idle)
        })
        .await
    }

    /// Removes a session's bytes, if there are any.
    pub async fn remove_upload(&self, id: Uuid) -> Result<(), StorageError> {
        let path = self.upload_path(id);
        blocking(move || Ok(remove_if_there(&path)?)).await
    }

    /// As [`DiskStore::remove_upload`], of many.
    pub async fn remove_uploads(&self, ids: &[Uuid]) -> Result<(), StorageError> {
        let paths: Vec<_> = ids.iter().map(|id| self.upload_path(*id)).collect();
        blocking(move || Ok(paths.iter().try_for_each(|path| remove_if_there(path))?)).await
    }

    /// Opens a blob of `size` bytes for reading.
    ///
    /// # Errors
    /// [`StorageError::BlobMissing`] if there is no such file, or if it has another size.
    pub async fn read(&self, digest: &Digest, size: u64) -> Result<FileReader, StorageError> {
        let path = self.blob_path(digest);
        let digest = digest.clone();
        blocking(move || {
            let file = match File::open(path) {
                Ok(file) => file,
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    return Err(StorageError::BlobMissing(digest));
                }
                Err(error) => return Err(error.into()),
            };
            if file.metadata()?.len() != size {
                return Err(StorageError::BlobMissing(digest));
            }
            Ok(FileReader::new(file, size)?)
        })
        .await
    }

    /// Whether the bytes of a blob are there.
    pub async fn has_blob(&self, digest: &Digest, size: u64) -> Result<bool, StorageError> {
        Ok(self.size_of(digest).await? == Some(size))
    }

    /// How many bytes there are of a blob; none if there is no such file.
    pub async fn size_of(&self, digest: &Digest) -> Result<Option<u64>, StorageError> {
        let path = self.blob_path(digest);
        blocking(move || match fs::metadata(path) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        })
        .await
    }

    /// Takes the bytes of blobs away from their places, as far as they are there, at once however
    /// large they are; gives under which names [`DiskStore::remove_uploads`] removes them. After a
    /// crash they are found among the uploads.
    pub async fn set_blobs_aside(&self, digests: &[Digest]) -> Result<Vec<Uuid>, StorageError> {
        let moves: Vec<_> = digests
            .iter()
            .map(|digest| {
                let id = Uuid::new_v4();
                (self.blob_path(digest), self.upload_path(id), id)
            })
            .collect();
        blocking(move || {
            let mut aside = Vec::new();
            for (from, to, id) in moves {
                match fs::rename(from, to) {
                    Ok(()) => aside.push(id),
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Ok(aside)
        })
        .await
    }

    /// # Errors
    /// [`StorageError`] if the store's folder cannot be written to.
    pub async fn ping(&self) -> Result<(), StorageError> {
        let probe = self.root.join("uploads").join(".probe");
        blocking(move || {
            fs::write(&probe, b"")?;
            // Another server on the same folder may have removed it.
            Ok(remove_if_there(&probe)?)
        })
        .await
    }

    fn upload_path(&self, id: Uuid) -> PathBuf {
        self.root.join("uploads").join(id.to_string())
    }

    fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.root.join(blob_key(digest))
    }
}

/// Gives the bytes copied.
fn copy_durably(from: &mut impl io::Read, to: &Path) -> Result<u64, StorageError> {
    let mut copy = File::create(to)?;
    let length = io::copy(from, &mut copy)?;
    copy.sync_all()?;
    Ok(length)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
