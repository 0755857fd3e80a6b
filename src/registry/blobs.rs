//! Blobs as a repository shows them (distribution-spec, "Pulling blobs", "Mounting a blob from
//! another repository", "Deleting Blobs").

use sqlx::AnyConnection;

use super::lease::after;
use super::locks::{check_read, check_write};
use super::{Item, Registry, RegistryError};
use crate::metadata::blobs::{Blob, FoundBlob};
use crate::metadata::{self, now, retry};
use crate::oci::{Digest, RepositoryName};
use crate::storage::BlobReader;

/// Repositories with a blob that are looked at for one that the caller may pull.
const MOUNT_SOURCES: i64 = 1000;

impl Registry {
    pub async fn blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Blob, RegistryError> {
        Ok(self.readable_blob(repository, digest).await?.blob)
    }

    /// As [`Registry::blob`], for a client that asks whether it has to push the blob: one that it finds
    /// stays long enough to push a manifest with it.
    pub async fn promise_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Blob, RegistryError> {
        let found = self.readable_blob(repository, digest).await?;
        // What a manifest needs stays, and for the grace after that manifest is gone for good.
        let is_young = after(found.linked_at, self.grace() / 2) > now();
        let (repository_id, blob_id) = (found.repository_id, found.blob.id);
        if is_young || self.is_used(repository_id, blob_id).await? {
            return Ok(found.blob);
        }
        let refreshed = retry(async || {
            let now = now();
            let mut transaction = self.database.begin().await?;
            let is_there =
                metadata::blobs::refresh_link(&mut transaction, repository_id, blob_id, now)
                    .await?;
            self.review_link(&mut transaction, repository_id, blob_id, now).await?;
            transaction.commit().await?;
            Ok::<_, RegistryError>(is_there)
        })
        .await;
        match refreshed {
            Ok(true) => {}
            Ok(false) => return Err(blob_unknown(repository, digest)),
            // It is there nevertheless.
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, %digest, "a blob may go though a client was told of it");
            }
        }
        Ok(found.blob)
    }

    /// The bytes of a blob.
    pub async fn read_blob(&self, blob: &Blob) -> Result<BlobReader, RegistryError> {
        Ok(self.store.read(&blob.digest, blob.size, blob.location.as_deref()).await?)
    }

    /// A link from which a client may get the bytes by itself for a while; none if the server is to
    /// send them.
    pub async fn blob_link(&self, blob: &Blob) -> Result<Option<String>, RegistryError> {
        Ok(self.store.link(&blob.digest, blob.location.as_deref()).await?)
    }

    /// Makes a blob of one repository visible in another; whether `from` had it to give.
    pub async fn mount_blob(
        &self,
        repository: &RepositoryName,
        from: &RepositoryName,
        digest: &Digest,
    ) -> Result<bool, RegistryError> {
        let now = now();
        retry(async || {
            let mut transaction = self.database.begin().await?;
            let found = metadata::blobs::find(&mut transaction, from, digest).await?;
            let Some(FoundBlob { blob, .. }) =
                found.filter(|found| found.is_readable && !found.is_damaged)
            else {
                return Ok(false);
            };
            let key =
                metadata::repositories::share_or_create(&mut transaction, repository, now).await?;
            check_write(&key.attributes, || Item::Repository(repository.clone()))?;
            if !metadata::blobs::hold(&mut transaction, blob.id).await? {
                return Ok(false);
            }
            metadata::blobs::link(&mut transaction, key.id, blob.id, now).await?;
            self.review_link(&mut transaction, key.id, blob.id, now).await?;
            transaction.commit().await?;
            Ok(true)
        })
        .await
    }

    /// Repositories from which the blob could be mounted.
    pub async fn repositories_with_blob(
        &self,
        digest: &Digest,
    ) -> Result<Vec<RepositoryName>, RegistryError> {
        let mut connection = self.database.read().await?;
        Ok(metadata::repositories::with_blob(&mut connection, digest, MOUNT_SOURCES).await?)
    }

    /// Makes a blob invisible in a repository. Its bytes stay while another repository has it.
    pub async fn delete_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<(), RegistryError> {
        retry(async || {
            let mut transaction = self.database.begin().await?;
            let unknown = || blob_unknown(repository, digest);
            let key = metadata::repositories::hold(&mut transaction, repository)
                .await?
                .ok_or_else(unknown)?;
            check_write(&key.attributes, || Item::Repository(repository.clone()))?;
            let FoundBlob { blob, .. } =
                metadata::blobs::find(&mut transaction, repository, digest)
                    .await?
                    .ok_or_else(unknown)?;
            let user = metadata::blobs::user(&mut transaction, key.id, blob.id).await?;
            if let Some(manifest) = user {
                return Err(RegistryError::BlobInUse { digest: digest.clone(), manifest });
            }
            metadata::blobs::unlink(&mut transaction, key.id, blob.id, now()).await?;
            transaction.commit().await?;
            Ok(())
        })
        .await
    }

    async fn readable_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<FoundBlob, RegistryError> {
        let key = (repository.clone(), digest.clone());
        let find = async |connection: &mut AnyConnection, (repository, digest): &_| {
            metadata::blobs::find(connection, repository, digest).await
        };
        let found = self.known_blobs.find(&self.database, key, find).await?;
        let found = found.ok_or_else(|| blob_unknown(repository, digest))?;
        check_read(found.is_readable, || Item::Repository(repository.clone()))?;
        if found.is_damaged {
            return Err(RegistryError::BlobDamaged(digest.clone()));
        }
        Ok(found)
    }

    /// Whether a manifest of the repository needs the blob.
    async fn is_used(&self, repository_id: i64, blob_id: i64) -> Result<bool, RegistryError> {
        let mut connection = self.database.read().await?;
        Ok(metadata::blobs::user(&mut connection, repository_id, blob_id).await?.is_some())
    }
}

fn blob_unknown(repository: &RepositoryName, digest: &Digest) -> RegistryError {
    RegistryError::BlobUnknown { repository: repository.clone(), digest: digest.clone() }
}
