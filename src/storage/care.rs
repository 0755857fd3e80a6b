//! What scrubs and backups ask of a store, beside pushes and pulls: what is in it, and files of
//! their own.

use bytes::Bytes;
use uuid::Uuid;

use super::{BlobStore, Session, StorageError, UploadWriter};
use crate::oci::{Algorithm, Digest};

/// Something that lies where blobs are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Below the store's root, such as `blobs/sha256/ab/abcd…`.
    pub key: String,
    /// In bytes.
    pub size: u64,
    /// When it was last changed, in microseconds since 1970.
    pub changed_at: i64,
}

/// What a key names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The content of a digest, by its place.
    Digest(Digest),
    /// A blob that was uploaded in this session, and is found by its row alone.
    Upload(Uuid),
    /// Nothing of ours.
    Other,
}

impl Place {
    /// The digest, if the key tells it.
    pub fn digest(&self) -> Option<&Digest> {
        match self {
            Self::Digest(digest) => Some(digest),
            _ => None,
        }
    }
}

impl Stored {
    pub fn place(&self) -> Place {
        let parts: Vec<&str> = self.key.split('/').collect();
        match parts[..] {
            ["blobs", "uploaded", id] => id.parse().map_or(Place::Other, Place::Upload),
            ["blobs", algorithm, start, hex] if hex.starts_with(start) => {
                Digest::parse(&format!("{algorithm}:{hex}")).map_or(Place::Other, Place::Digest)
            }
            _ => Place::Other,
        }
    }
}

/// The key of a digest's content, where it follows from the digest.
pub fn blob_key(digest: &Digest) -> String {
    let hex = digest.hex();
    format!("blobs/{}/{}/{hex}", digest.algorithm().as_str(), &hex[..2])
}

/// The keys of content by digest, in 256 shares for each algorithm: those below these prefixes.
pub fn shares() -> impl Iterator<Item = String> {
    [Algorithm::Sha256, Algorithm::Sha512].into_iter().flat_map(|algorithm| {
        (0..=255_u8).map(move |start| format!("blobs/{}/{start:02x}", algorithm.as_str()))
    })
}

/// Where what is found now instead of the content of a digest is kept.
fn quarantine_key(digest: &Digest) -> String {
    let now = chrono::Utc::now().timestamp_micros();
    format!("quarantine/{}/{}.{now}", digest.algorithm().as_str(), digest.hex())
}

impl BlobStore {
    /// What lies where blobs are kept, in the order of the keys, from the first after `key` on: as
    /// much as is got at once. Nothing, if there is no more.
    pub async fn list_after(&self, key: &str) -> Result<Vec<Stored>, StorageError> {
        match self {
            Self::Disk(store) => store.list_after(key).await,
            Self::Bucket(store) => store.list_after(key).await,
        }
    }

    /// Everything directly or further below a folder such as `blobs/sha256/ab`.
    pub async fn list(&self, folder: &str) -> Result<Vec<Stored>, StorageError> {
        match self {
            Self::Disk(store) => store.list(folder).await,
            Self::Bucket(store) => store.list(folder).await,
        }
    }

    /// The size of what stands in the place of a blob, in bytes; none, if nothing does.
    pub async fn size_of(
        &self,
        digest: &Digest,
        location: Option<&str>,
    ) -> Result<Option<u64>, StorageError> {
        match location {
            Some(key) => self.size_of_file(key).await,
            None => self.size_of_file(&blob_key(digest)).await,
        }
    }

    /// The size of a file or object, in bytes; none, if it is not there.
    pub async fn size_of_file(&self, key: &str) -> Result<Option<u64>, StorageError> {
        match self {
            Self::Disk(store) => store.size_of_file(key).await,
            Self::Bucket(store) => store.size_of_file(key).await,
        }
    }

    /// Begins to write content whose digest is known to the place that follows from it: for stores that
    /// hold no registry yet, and for backups. To be finished as an upload.
    pub async fn open_at_digest(
        &self,
        session: Session,
        digest: &Digest,
    ) -> Result<UploadWriter, StorageError> {
        Ok(match (self, self.open_upload(session).await?) {
            (Self::Bucket(_), UploadWriter::Object(writer)) => {
                UploadWriter::Object(writer.at(blob_key(digest)))
            }
            (_, writer) => writer,
        })
    }

    /// Keeps what now stands in the place of a blob for inspection, and gives its key. The place
    /// keeps it too, until something takes its place; none, if there is nothing.
    pub async fn quarantine(
        &self,
        digest: &Digest,
        location: Option<&str>,
    ) -> Result<Option<String>, StorageError> {
        let place = location.map_or_else(|| blob_key(digest), str::to_owned);
        let aside = quarantine_key(digest);
        let is_there = match self {
            Self::Disk(store) => store.link_file(&place, &aside).await?,
            Self::Bucket(store) => store.copy(&place, &aside).await?,
        };
        Ok(is_there.then_some(aside))
    }

    /// Keeps bytes for inspection that were found instead of the content of a digest, and gives their
    /// key.
    pub async fn quarantine_bytes(
        &self,
        digest: &Digest,
        bytes: Bytes,
    ) -> Result<String, StorageError> {
        let aside = quarantine_key(digest);
        self.put_file(&aside, bytes).await?;
        Ok(aside)
    }

    /// Writes a small file, durably and at once. Only this user may read it on disk.
    pub async fn put_file(&self, key: &str, bytes: Bytes) -> Result<(), StorageError> {
        match self {
            Self::Disk(store) => store.put_file(key, bytes).await,
            Self::Bucket(store) => store.put(key, &[bytes]).await,
        }
    }

    /// A small file; none, if it is not there.
    pub async fn get_file(&self, key: &str) -> Result<Option<Bytes>, StorageError> {
        match self {
            Self::Disk(store) => store.get_file(key).await,
            Self::Bucket(store) => store.get_file(key).await,
        }
    }

    /// Removes a file or object, if it is there.
    pub async fn remove_file(&self, key: &str) -> Result<(), StorageError> {
        match self {
            Self::Disk(store) => store.remove_file(key).await,
            Self::Bucket(store) => store.remove(key).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_say_what_they_name() {
        let place = |key: &str| Stored { key: key.to_owned(), size: 0, changed_at: 0 }.place();
        let digest = Digest::parse(&format!("sha256:{}", "ab".repeat(32))).unwrap();
        assert_eq!(place(&blob_key(&digest)), Place::Digest(digest.clone()));
        let id = Uuid::new_v4();
        assert_eq!(place(&format!("blobs/uploaded/{id}")), Place::Upload(id));
        for other in ["blobs/sha256/ab/short", "blobs/sha256/x", "blobs/uploaded/x", "x"] {
            assert_eq!(place(other), Place::Other, "{other}");
        }
        let wrong_folder = blob_key(&digest).replace("/ab/", "/cd/");
        assert_eq!(place(&wrong_folder), Place::Other);
        assert!(shares().any(|share| blob_key(&digest).starts_with(&share)));
    }
}
