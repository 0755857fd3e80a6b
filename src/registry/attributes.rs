//! Locking and unlocking. Once one of these returns, nothing that the lock forbids is done any
//! more: both take the repository's row first.

use super::held::Held;
use super::listing::find_manifest;
use super::manifests::manifest_unknown;
use super::{Registry, RegistryError};
use crate::metadata::{self, AttributeChanges, retry};
use crate::oci::{Digest, Reference, RepositoryName, Tag};

impl Registry {
    pub async fn change_repository(
        &self,
        repository: &RepositoryName,
        changes: AttributeChanges,
        actor: &str,
    ) -> Result<(), RegistryError> {
        retry(async || {
            let mut transaction = self.database.begin().await?;
            let held = Held::find(&mut transaction, repository, actor).await?;
            metadata::repositories::set_attributes(&mut transaction, held.id(), changes).await?;
            transaction.commit().await?;
            Ok(())
        })
        .await
    }

    pub async fn change_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        changes: AttributeChanges,
        actor: &str,
    ) -> Result<(), RegistryError> {
        retry(async || {
            let mut transaction = self.database.begin().await?;
            let held = Held::find(&mut transaction, repository, actor).await?;
            let record = find_manifest(&mut transaction, repository, held.id(), digest).await?;
            metadata::manifests::set_attributes(&mut transaction, record.id, changes).await?;
            transaction.commit().await?;
            Ok(())
        })
        .await
    }

    pub async fn change_tag(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        changes: AttributeChanges,
        actor: &str,
    ) -> Result<(), RegistryError> {
        retry(async || {
            let mut transaction = self.database.begin().await?;
            let held = Held::find(&mut transaction, repository, actor).await?;
            metadata::tags::find(&mut transaction, held.id(), tag)
                .await?
                .ok_or_else(|| manifest_unknown(repository, &Reference::Tag(tag.clone())))?;
            metadata::tags::set_attributes(&mut transaction, held.id(), tag, changes).await?;
            transaction.commit().await?;
            Ok(())
        })
        .await
    }
}
