//! Blobs that are files of another registry's storage on this machine.

use std::path::Path;

use uuid::Uuid;

use super::{Registry, RegistryError};
use crate::oci::{Digest, Hasher, RepositoryName};
use crate::storage::{BlobStore, Session};

impl Registry {
    /// Makes a file the blob `digest` of the repository without a copy: the store gets a second name
    /// for it. It is read once, so that its digest is sure. Whether that was possible; if not,
    /// nothing has happened.
    ///
    /// The file must never be changed in place, as this would change the blob.
    pub async fn link_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        file: &Path,
    ) -> Result<bool, RegistryError> {
        let BlobStore::Disk(store) = &self.store else { return Ok(false) };
        let id = Uuid::new_v4();
        let Some(size) = store.link_upload(id, file).await? else { return Ok(false) };
        let linked = async {
            if size > self.max_blob_bytes() {
                return Err(RegistryError::BlobTooLarge { limit: self.max_blob_bytes() });
            }
            let hasher = Hasher::new(digest.algorithm());
            let session = Session { id, hasher, received: size, handle: None };
            let mut writer = self.store.open_upload(session).await?;
            let hasher = self.store.rehash_upload(&mut writer, digest.algorithm()).await?;
            let actual = hasher.finish();
            if actual != *digest {
                return Err(RegistryError::DigestMismatch { expected: digest.clone(), actual });
            }
            self.publish_without_session(repository, writer, digest).await
        };
        let linked = linked.await;
        // A rename between two names of one file does nothing; and if it failed, the name is left.
        store.remove_upload(id).await?;
        linked.map(|()| true)
    }

    /// Makes a blob visible in a repository that another repository has; whether one has it.
    pub async fn mount_from_any(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<bool, RegistryError> {
        for from in self.repositories_with_blob(digest).await? {
            if self.mount_blob(repository, &from, digest).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
