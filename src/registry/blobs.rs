//! Blobs as a repository shows them (distribution-spec, "Pulling blobs", "Mounting a blob from
//! another repository", "Deleting Blobs").

use super::{Registry, RegistryError};
use crate::metadata::blobs::Blob;
use crate::metadata::{self, now};
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
        let mut connection = self.database.read().await?;
        metadata::blobs::find(&mut connection, repository, digest)
            .await?
            .ok_or_else(|| blob_unknown(repository, digest))
    }

    /// The bytes of a blob.
    pub async fn read_blob(&self, blob: &Blob) -> Result<BlobReader, RegistryError> {
        Ok(self.store.read(&blob.digest, blob.size).await?)
    }

    /// Makes a blob of one repository visible in another; whether `from` had it.
    pub async fn mount_blob(
        &self,
        repository: &RepositoryName,
        from: &RepositoryName,
        digest: &Digest,
    ) -> Result<bool, RegistryError> {
        let now = now();
        let mut transaction = self.database.begin().await?;
        let Some(blob) = metadata::blobs::find(&mut transaction, from, digest).await? else {
            return Ok(false);
        };
        let repository_id =
            metadata::repositories::find_or_create(&mut transaction, repository, now).await?;
        metadata::blobs::link(&mut transaction, repository_id, blob.id, now).await?;
        transaction.commit().await?;
        Ok(true)
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
        let mut transaction = self.database.begin().await?;
        let unknown = || blob_unknown(repository, digest);
        let repository_id = metadata::repositories::find(&mut transaction, repository)
            .await?
            .ok_or_else(unknown)?;
        let blob = metadata::blobs::find(&mut transaction, repository, digest)
            .await?
            .ok_or_else(unknown)?;
        let user = metadata::blobs::user(&mut transaction, repository_id, blob.id).await?;
        if let Some(manifest) = user {
            return Err(RegistryError::BlobInUse { digest: digest.clone(), manifest });
        }
        metadata::blobs::unlink(&mut transaction, repository_id, blob.id, now()).await?;
        transaction.commit().await?;
        Ok(())
    }
}

fn blob_unknown(repository: &RepositoryName, digest: &Digest) -> RegistryError {
    RegistryError::BlobUnknown { repository: repository.clone(), digest: digest.clone() }
}
