use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::{ObjectMeta, ObjectStore as _, ObjectStoreExt as _};

use super::{BucketStore, is_missing};
use crate::storage::StorageError;
use crate::storage::care::Stored;

/// Objects of one answer of S3.
const PAGE: usize = 1000;

impl BucketStore {
    pub(in crate::storage) async fn list_after(
        &self,
        key: &str,
    ) -> Result<Vec<Stored>, StorageError> {
        let folder = self.path("blobs");
        let found = match key {
            "" => self.service.list(Some(&folder)),
            key => self.service.list_with_offset(Some(&folder), &self.path(key)),
        };
        let objects: Vec<_> = found.take(PAGE).try_collect().await?;
        Ok(objects.into_iter().map(|object| self.stored(object)).collect())
    }

    pub(in crate::storage) async fn list(&self, folder: &str) -> Result<Vec<Stored>, StorageError> {
        let found = self.service.list(Some(&self.path(folder)));
        let objects: Vec<_> = found.try_collect().await?;
        Ok(objects.into_iter().map(|object| self.stored(object)).collect())
    }

    fn stored(&self, object: ObjectMeta) -> Stored {
        let key = object.location.as_ref();
        let prefix = self.prefix.as_ref();
        let key = key.strip_prefix(prefix).unwrap_or(key).trim_start_matches('/').to_owned();
        let changed_at = object.last_modified.timestamp_micros();
        Stored { key, size: object.size, changed_at }
    }

    /// Copies an object within the bucket; whether it is there.
    pub(in crate::storage) async fn copy(&self, key: &str, to: &str) -> Result<bool, StorageError> {
        match self.service.copy(&self.path(key), &self.path(to)).await {
            Ok(()) => Ok(true),
            Err(error) if is_missing(&error) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    pub(in crate::storage) async fn size_of_file(
        &self,
        key: &str,
    ) -> Result<Option<u64>, StorageError> {
        match self.service.head(&self.path(key)).await {
            Ok(object) => Ok(Some(object.size)),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(in crate::storage) async fn get_file(
        &self,
        key: &str,
    ) -> Result<Option<Bytes>, StorageError> {
        match self.service.get(&self.path(key)).await {
            Ok(answer) => Ok(Some(answer.bytes().await?)),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
