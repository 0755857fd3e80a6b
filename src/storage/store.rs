use std::fs::File;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use uuid::Uuid;

use super::bucket::{BucketStore, ObjectReader, ObjectWriter};
use super::disk::{DiskStore, FileReader, FileWriter};
use super::{Session, StorageError};
use crate::oci::{Algorithm, Digest, Hasher};
use crate::settings::StorageSettings;

/// Where blobs and upload sessions are. Cheap to clone.
#[derive(Clone)]
pub enum BlobStore {
    Disk(DiskStore),
    Bucket(BucketStore),
}

impl BlobStore {
    /// Opens the store that the settings name.
    ///
    /// # Errors
    /// [`StorageError`] if it cannot be reached or written to.
    pub async fn open(settings: &StorageSettings) -> Result<Self, StorageError> {
        let folder = match settings.url.as_deref() {
            None => settings.data_dir.clone(),
            Some(url) => match url.strip_prefix("file://") {
                Some(path) => PathBuf::from(path),
                None => return Ok(Self::Bucket(BucketStore::open(url, settings).await?)),
            },
        };
        Ok(Self::Disk(DiskStore::open(folder).await?))
    }

    /// Opens a store that is there, to read from it: in a folder nothing is made.
    ///
    /// # Errors
    /// [`StorageError`] if it is not there.
    pub async fn open_existing(settings: &StorageSettings) -> Result<Self, StorageError> {
        match settings.url.as_deref().and_then(|url| url.strip_prefix("file://")) {
            Some(path) => Ok(Self::Disk(DiskStore::open_existing(path.into()).await?)),
            None => Self::open(settings).await,
        }
    }

    /// Whether an upload needs a row before its first byte, because the store itself could not find
    /// what a crash leaves of it.
    pub fn needs_row(&self) -> bool {
        matches!(self, Self::Bucket(_))
    }

    /// Whether the bytes that a session received are there, as far as the store can tell by itself.
    pub async fn has_upload(&self, id: Uuid, received: u64) -> Result<bool, StorageError> {
        match self {
            Self::Disk(store) => store.has_upload(id, received).await,
            Self::Bucket(_) => Ok(true),
        }
    }

    /// Takes a session from whoever wrote to it before and may not know yet that it is lost. In a
    /// bucket nothing is to be done: parts that such a one sends have other tags than the row says.
    ///
    /// # Errors
    /// [`StorageError::UploadLost`] if fewer bytes than `received` are there.
    pub async fn detach_upload(&self, id: Uuid, received: u64) -> Result<(), StorageError> {
        match self {
            Self::Disk(store) => store.detach_upload(id, received).await,
            Self::Bucket(_) => Ok(()),
        }
    }

    /// Goes on with a session where it stands, or starts it.
    ///
    /// # Errors
    /// [`StorageError::UploadLost`] if its bytes are not as far.
    pub async fn open_upload(&self, session: Session) -> Result<UploadWriter, StorageError> {
        Ok(match self {
            Self::Disk(store) => UploadWriter::File(store.open_upload(session).await?),
            Self::Bucket(store) => UploadWriter::Object(store.open_upload(session)?),
        })
    }

    /// Turns a session into the blob `digest`, which is its hash. When this returns, the blob
    /// survives a crash of the machine. Gives where its bytes are, if not at the place that follows
    /// from the digest.
    pub async fn finish_upload(
        &self,
        writer: UploadWriter,
        digest: &Digest,
    ) -> Result<Option<String>, StorageError> {
        match (self, writer) {
            (Self::Disk(store), UploadWriter::File(writer)) => {
                store.finish_upload(writer, digest).await?;
                Ok(None)
            }
            (_, UploadWriter::Object(writer)) => writer.finish().await.map(Some),
            (Self::Bucket(_), UploadWriter::File(_)) => Err(StorageError::UploadLost),
        }
    }

    /// The hash by another algorithm over what was written. The only case in which bytes are read
    /// again: a client named its algorithm after it had sent them.
    pub async fn rehash_upload(
        &self,
        writer: &mut UploadWriter,
        algorithm: Algorithm,
    ) -> Result<Hasher, StorageError> {
        match (self, writer) {
            (Self::Disk(store), UploadWriter::File(writer)) => {
                store.rehash_upload(writer, algorithm).await
            }
            (_, UploadWriter::Object(writer)) => writer.rehash(algorithm).await,
            (Self::Bucket(_), UploadWriter::File(_)) => Err(StorageError::UploadLost),
        }
    }

    /// Removes the bytes of a session that has ended without a blob.
    pub async fn remove_upload(&self, id: Uuid, handle: Option<&str>) -> Result<(), StorageError> {
        match (self, handle) {
            (Self::Disk(store), _) => store.remove_upload(id).await,
            (Self::Bucket(store), Some(handle)) => store.remove_upload(handle).await,
            (Self::Bucket(_), None) => Ok(()),
        }
    }

    /// Removes what a session kept beside its parts in `before` and needs no more in `after`; none,
    /// if it has become a blob.
    pub async fn remove_superseded(
        &self,
        before: Option<&str>,
        after: Option<&str>,
    ) -> Result<(), StorageError> {
        match (self, before) {
            (Self::Bucket(store), Some(before)) => store.remove_superseded(before, after).await,
            _ => Ok(()),
        }
    }

    /// Sessions that kept bytes to which nobody wrote for `age`.
    pub async fn idle_uploads(&self, age: Duration) -> Result<Vec<Uuid>, StorageError> {
        match self {
            Self::Disk(store) => store.idle_uploads(age).await,
            Self::Bucket(store) => store.idle_uploads(age).await,
        }
    }

    /// Removes the bytes of a session of which there is no row.
    pub async fn remove_remains(&self, id: Uuid) -> Result<(), StorageError> {
        match self {
            Self::Disk(store) => store.remove_upload(id).await,
            Self::Bucket(store) => store.remove_remains(id).await,
        }
    }

    /// Opens a blob of `size` bytes for reading.
    ///
    /// # Errors
    /// [`StorageError::BlobMissing`] if it is not there, or if it has another size.
    pub async fn read(
        &self,
        digest: &Digest,
        size: u64,
        location: Option<&str>,
    ) -> Result<BlobReader, StorageError> {
        Ok(match self {
            Self::Disk(store) => BlobReader::File(store.read(digest, size).await?),
            Self::Bucket(store) => BlobReader::Object(store.read(digest, size, location)),
        })
    }

    /// How the bytes of blobs are removed.
    pub fn removal(&self) -> Removal<'_> {
        match self {
            Self::Disk(store) => Removal::InPlace(store),
            Self::Bucket(store) => Removal::ByKey(store),
        }
    }

    /// A link from which a client may get a blob by itself for a while; none if the server is to
    /// send it.
    pub async fn link(
        &self,
        digest: &Digest,
        location: Option<&str>,
    ) -> Result<Option<String>, StorageError> {
        match self {
            Self::Disk(_) => Ok(None),
            Self::Bucket(store) => store.link(digest, location).await,
        }
    }

    /// # Errors
    /// [`StorageError`] if the store cannot be used now.
    pub async fn ping(&self) -> Result<(), StorageError> {
        match self {
            Self::Disk(store) => store.ping().await,
            Self::Bucket(store) => store.ping().await,
        }
    }
}

/// How a store lets the bytes of blobs be removed.
pub enum Removal<'a> {
    /// A blob that comes again comes to the same place, so that it must be sure that nobody brings it
    /// while it is removed.
    InPlace(&'a DiskStore),
    /// No place is used twice, so that what no row names can be removed at any time.
    ByKey(&'a BucketStore),
}

/// Writes and hashes the bytes of an upload session, in order.
#[allow(clippy::large_enum_variant, reason = "it is moved a few times a batch")]
pub enum UploadWriter {
    File(FileWriter),
    Object(ObjectWriter),
}

impl UploadWriter {
    /// Bytes of the session so far.
    pub fn written(&self) -> u64 {
        match self {
            Self::File(writer) => writer.written(),
            Self::Object(writer) => writer.written(),
        }
    }

    /// The hash over the bytes of the session so far.
    pub fn hasher(&self) -> &Hasher {
        match self {
            Self::File(writer) => writer.hasher(),
            Self::Object(writer) => writer.hasher(),
        }
    }

    /// Adds bytes; hashing and writing go on at once.
    pub async fn write(self, batch: Vec<Bytes>) -> Result<Self, StorageError> {
        Ok(match self {
            Self::File(writer) => Self::File(writer.write(batch).await?),
            Self::Object(writer) => Self::Object(writer.write(batch).await?),
        })
    }

    /// Whether other uploads wait for memory that this one holds.
    pub fn is_in_the_way(&self) -> bool {
        match self {
            Self::File(_) => false,
            Self::Object(writer) => writer.is_in_the_way(),
        }
    }

    /// Gives that memory to them, at the price of a slower upload.
    pub async fn make_room(self) -> Result<Self, StorageError> {
        Ok(match self {
            Self::File(_) => self,
            Self::Object(writer) => Self::Object(writer.make_room().await?),
        })
    }

    /// Brings to the disk what was written, so that [`BlobStore::finish_upload`] has less to do.
    pub async fn sync(&mut self) -> Result<(), StorageError> {
        match self {
            Self::File(writer) => writer.sync().await,
            Self::Object(_) => Ok(()),
        }
    }

    /// Waits until nothing is under way to the store, so that what is there can be removed.
    pub async fn settle(&mut self) -> Result<(), StorageError> {
        match self {
            Self::File(_) => Ok(()),
            Self::Object(writer) => writer.sent().await,
        }
    }

    /// What the session's row is to say from now on, in the middle of the upload, so that what is
    /// in the store can be found after a crash.
    pub fn news(&mut self) -> Option<String> {
        match self {
            Self::File(_) => None,
            Self::Object(writer) => writer.news(),
        }
    }

    /// Where the bytes are going to be when they become a blob, if neither the digest nor what the
    /// session's row says of the session tells it.
    pub fn destination(&self) -> Option<&str> {
        match self {
            Self::File(_) => None,
            Self::Object(writer) => writer.destination(),
        }
    }

    /// Makes what was written survive a crash, and gives what the session's row is to say of it, so
    /// that any replica can go on from there.
    pub async fn keep(self) -> Result<Option<String>, StorageError> {
        match self {
            Self::File(mut writer) => writer.sync().await.map(|()| None),
            Self::Object(writer) => writer.keep().await.map(Some),
        }
    }
}

/// A blob that is being read.
pub enum BlobReader {
    /// It stays readable when the blob is deleted meanwhile.
    File(FileReader),
    Object(ObjectReader),
}

impl BlobReader {
    /// In bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::File(reader) => reader.size(),
            Self::Object(reader) => reader.size(),
        }
    }

    /// Another handle on the same blob.
    pub fn try_clone(&self) -> Result<Self, StorageError> {
        Ok(match self {
            Self::File(reader) => Self::File(reader.try_clone()?),
            Self::Object(reader) => Self::Object(reader.clone()),
        })
    }

    /// All of the blob, if it is in memory.
    pub fn content(&self) -> Option<&Bytes> {
        match self {
            Self::File(FileReader::Content(content)) => Some(content),
            Self::File(FileReader::File { .. }) | Self::Object(_) => None,
        }
    }

    /// The file that holds the blob, if one does.
    ///
    /// # Errors
    /// The reader as it was, if not.
    pub fn into_file(self) -> Result<File, Self> {
        match self {
            Self::File(FileReader::File { file, .. }) => Ok(file),
            other => Err(other),
        }
    }

    /// All of a small blob at once.
    pub async fn read_all(self) -> Result<Bytes, StorageError> {
        match self {
            Self::File(reader) => reader.read_all().await,
            Self::Object(reader) => reader.read_all().await,
        }
    }

    /// The bytes in `range`, which lies within the blob and is not empty. Ends with an error if they
    /// turn out to be fewer.
    ///
    /// # Errors
    /// [`StorageError`] if not even the first byte can be had.
    pub async fn stream(
        self,
        range: Range<u64>,
    ) -> Result<impl Stream<Item = Result<Bytes, StorageError>> + Send, StorageError> {
        Ok(match self {
            Self::File(reader) => reader.stream(range).await?.left_stream(),
            Self::Object(reader) => reader.stream(range).await?.right_stream(),
        })
    }
}
