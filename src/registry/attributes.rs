//! Locking and unlocking. Once one of these returns, nothing that the lock forbids is done any
//! more: both take the repository's row first.

use super::held::Held;
use super::listing::find_manifest;
use super::manifests::manifest_unknown;
use super::{Registry, RegistryError};
use crate::metadata::attributes::{self, AttributesOf};
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
            let of = AttributesOf::Repository(held.id());
            attributes::set(&mut transaction, of, changes).await?;
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
            let of = AttributesOf::Manifest(record.id);
            attributes::set(&mut transaction, of, changes).await?;
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
            let of = AttributesOf::Tag(held.id(), tag);
            attributes::set(&mut transaction, of, changes).await?;
            transaction.commit().await?;
            Ok(())
        })
        .await
    }
}
