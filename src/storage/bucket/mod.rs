//! Blobs and upload sessions as objects of a bucket.
//!
//! | key, below the prefix | holds |
//! |---|---|
//! | `blobs/uploaded/<id>` | a blob |
//! | `blobs/sha256/ab/<hex>` | a blob whose row names no key |
//! | `uploads/<id>/<n>` | bytes at the end of a session that do not fill a part yet |
//!
//! Objects are written once and never changed, so whoever reads one may do it in several requests. No
//! key is used a second time: a request to remove an object that arrives late, after its answer was
//! given up, can do no harm.

mod care;
mod connect;
mod handle;
mod profile;
mod reader;
mod room;
mod writer;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::Method;
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{Error, ObjectStore, ObjectStoreExt as _, PutPayload};
use uuid::Uuid;

use connect::{Bucket, Cloud};
use handle::{Handle, Tail};
pub use reader::ObjectReader;
use room::Room;
pub use writer::ObjectWriter;

use super::care::blob_key;
use super::{Session, StorageError};
use crate::oci::Digest;
use crate::settings::StorageSettings;

/// What the store needs of a service. Each cloud's client has all three.
pub trait Service: ObjectStore + MultipartStore + Signer {}

impl<T: ObjectStore + MultipartStore + Signer> Service for T {}

/// A bucket, or what is below a prefix of it. Cheap to clone.
#[derive(Clone)]
pub struct BucketStore {
    cloud: Cloud,
    service: Arc<dyn Service>,
    prefix: Path,
    room: Room,
    /// How long a link that a client is sent to holds, if clients are sent to the bucket.
    redirect: Option<Duration>,
}

impl BucketStore {
    /// Opens the bucket that the settings name, and asks it for an answer.
    ///
    /// # Errors
    /// [`StorageError`] if the settings do not fit together or the bucket does not answer.
    pub async fn open(url: &str, settings: &StorageSettings) -> Result<Self, StorageError> {
        let Bucket { cloud, service, prefix } = connect::connect(url, settings)?;
        let expiry = Duration::from_secs(settings.redirect_expiry_seconds.into());
        let store = Self {
            cloud,
            service,
            prefix,
            room: Room::new(settings.upload_memory_bytes),
            redirect: settings.redirect.then_some(expiry),
        };
        store.ping().await?;
        Ok(store)
    }

    /// Goes on with a session, or starts it.
    ///
    /// # Errors
    /// [`StorageError::UploadLost`] if the store does not have its bytes.
    pub fn open_upload(&self, session: Session) -> Result<ObjectWriter, StorageError> {
        let handle = match &session.handle {
            Some(handle) => Handle::parse(handle)?,
            None => Handle::default(),
        };
        if handle.size() != session.received {
            return Err(StorageError::UploadLost);
        }
        Ok(ObjectWriter::new(self.clone(), session, handle))
    }

    async fn get_tail(&self, tail: &Tail) -> Result<Bytes, StorageError> {
        let bytes = match self.service.get(&self.path(&tail.key)).await {
            Ok(answer) => answer.bytes().await?,
            Err(error) if is_missing(&error) => return Err(StorageError::UploadLost),
            Err(error) => return Err(error.into()),
        };
        if bytes.len() as u64 == tail.size { Ok(bytes) } else { Err(StorageError::UploadLost) }
    }

    /// Removes what a session keeps: its parts and the bytes that fill none. The object that was made of
    /// the parts goes too.
    pub async fn remove_upload(&self, handle: &str) -> Result<(), StorageError> {
        let handle = Handle::parse(handle)?;
        if let Some(multipart) = &handle.multipart {
            if self.cloud == Cloud::Azure {
                self.overwrite_blocks(&multipart.key).await?;
                return self.remove_tail(&handle).await;
            }
            let path = self.path(&multipart.key);
            match self.service.abort_multipart(&path, &multipart.id).await {
                Ok(()) => {}
                // It was completed, but no row came of it; or it was removed before.
                Err(error) if is_missing(&error) => self.remove(&multipart.key).await?,
                Err(error) => return Err(error.into()),
            }
        }
        self.remove_tail(&handle).await
    }

    /// Removes the blocks of an upload, or what was made of them. Azure has no word for that and keeps
    /// them for a week, unless the blob is written anew. The key is the session's own.
    async fn overwrite_blocks(&self, key: &str) -> Result<(), StorageError> {
        self.put(key, &[]).await?;
        self.remove(key).await
    }

    /// Removes the bytes that a session kept in `before` and does not need in `after`, where it
    /// stands now or has ended.
    pub async fn remove_superseded(
        &self,
        before: &str,
        after: Option<&str>,
    ) -> Result<(), StorageError> {
        let before = Handle::parse(before)?;
        let after = after.map(Handle::parse).transpose()?.unwrap_or_default();
        if before.tail == after.tail { Ok(()) } else { self.remove_tail(&before).await }
    }

    async fn remove_tail(&self, handle: &Handle) -> Result<(), StorageError> {
        match &handle.tail {
            Some(tail) => self.remove(&tail.key).await,
            None => Ok(()),
        }
    }

    /// Removes all bytes of a session that fill no part, whatever its row says of them.
    pub async fn remove_remains(&self, id: Uuid) -> Result<(), StorageError> {
        let found = self.service.list(Some(&self.path(&format!("uploads/{id}"))));
        let paths = found.map_ok(|object| object.location).boxed();
        self.service.delete_stream(paths).try_collect::<Vec<_>>().await?;
        Ok(())
    }

    /// Sessions with bytes that fill no part, to which nobody wrote for `age`.
    pub async fn idle_uploads(&self, age: Duration) -> Result<Vec<Uuid>, StorageError> {
        let folder = self.path("uploads");
        let mut found = self.service.list(Some(&folder));
        let mut last_use: HashMap<Uuid, i64> = HashMap::new();
        while let Some(object) = found.try_next().await? {
            let mut below = object.location.prefix_match(&folder).into_iter().flatten();
            let id = below.next().and_then(|part| part.as_ref().parse().ok());
            let Some(id) = id else { continue };
            let at = object.last_modified.timestamp();
            last_use.entry(id).and_modify(|last| *last = at.max(*last)).or_insert(at);
        }
        let age = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
        let oldest = chrono::Utc::now().timestamp().saturating_sub(age);
        Ok(last_use.into_iter().filter(|(_, at)| *at <= oldest).map(|(id, _)| id).collect())
    }

    /// The object of a blob of `size` bytes. Whether it is there shows when it is read.
    pub fn read(&self, digest: &Digest, size: u64, location: Option<&str>) -> ObjectReader {
        let path = self.blob_path(digest, location);
        ObjectReader::new(Arc::clone(&self.service), path, digest.clone(), size)
    }

    /// Removes objects, as far as they are there.
    pub async fn remove_objects(&self, keys: &[&str]) -> Result<(), StorageError> {
        let paths: Vec<_> = keys.iter().map(|key| Ok(self.path(key))).collect();
        let mut removed = self.service.delete_stream(stream::iter(paths).boxed());
        let mut failed = None;
        while let Some(answer) = removed.next().await {
            // The others are removed nevertheless.
            if let Err(error) = answer
                && !is_missing(&error)
            {
                failed = Some(error);
            }
        }
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// A link from which a client can get a blob by itself, if clients are sent there.
    pub async fn link(
        &self,
        digest: &Digest,
        location: Option<&str>,
    ) -> Result<Option<String>, StorageError> {
        let Some(expiry) = self.redirect else { return Ok(None) };
        let path = self.blob_path(digest, location);
        Ok(Some(self.service.signed_url(Method::GET, &path, expiry).await?.into()))
    }

    /// # Errors
    /// [`StorageError`] if the bucket is not there or does not answer.
    pub async fn ping(&self) -> Result<(), StorageError> {
        // Nothing is below this key; a bucket that is not there is an error nevertheless.
        self.service.list(Some(&self.path("uploads/none"))).try_next().await?;
        Ok(())
    }

    pub(in crate::storage) async fn put(
        &self,
        key: &str,
        bytes: &[Bytes],
    ) -> Result<(), StorageError> {
        let payload: PutPayload = bytes.iter().cloned().collect();
        self.service.put(&self.path(key), payload).await?;
        Ok(())
    }

    /// Removes an object, if it is there.
    pub(in crate::storage) async fn remove(&self, key: &str) -> Result<(), StorageError> {
        self.remove_objects(&[key]).await
    }

    fn blob_path(&self, digest: &Digest, location: Option<&str>) -> Path {
        self.path(&Self::key(digest, location))
    }

    /// The key of a blob's object.
    pub fn key(digest: &Digest, location: Option<&str>) -> String {
        location.map_or_else(|| blob_key(digest), str::to_owned)
    }

    /// Our keys need no escaping.
    fn path(&self, key: &str) -> Path {
        key.split('/').fold(self.prefix.clone(), Path::join)
    }
}

/// The objects of a bucket that something else than Orlop fills, and the prefix of their keys.
///
/// # Errors
/// [`StorageError`] if the settings do not fit together. Whether the bucket is there shows when it is
/// read.
pub fn objects(
    url: &str,
    settings: &StorageSettings,
) -> Result<(Arc<dyn ObjectStore>, Path), StorageError> {
    let Bucket { service, prefix, .. } = connect::connect(url, settings)?;
    Ok((service, prefix))
}

/// Where objects of blobs are made.
const UPLOADED: &str = "blobs/uploaded/";

/// Whether the store says that there is no such object or upload. That the whole bucket is gone is
/// another matter: it may come back.
fn is_missing(error: &Error) -> bool {
    let is_bucket =
        |text: String| text.contains("NoSuchBucket") || text.contains("ContainerNotFound");
    match error {
        Error::NotFound { source, .. } => !is_bucket(source.to_string()),
        // The client of Google's service tells no more of an upload that it cannot complete.
        Error::Generic { store: "GCS", source } => {
            let text = source.to_string();
            text.contains("complete multipart request")
                && text.contains("404 Not Found")
                && !is_bucket(text)
        }
        _ => false,
    }
}
