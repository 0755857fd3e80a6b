//! Locking and unlocking. Once one of these returns, nothing that the lock forbids is done any
//! more: both take the repository's row first. What they give is as it was then: a moment later it
//! may be gone.

use super::held::Held;
use super::listing::{find_details, find_manifest, find_repository_record, find_tag};
use super::{ManifestDetails, Registry, RegistryError};
use crate::metadata::attributes::{self, AttributesOf};
use crate::metadata::repositories::Repository;
use crate::metadata::tag_records::TagRecord;
use crate::metadata::{AttributeChanges, retry};
use crate::oci::{Digest, RepositoryName, Tag};

impl Registry {
    pub async fn change_repository(
        &self,
        repository: &RepositoryName,
        changes: AttributeChanges,
        actor: &str,
    ) -> Result<Repository, RegistryError> {
        retry(async || {
            let mut transaction = self.database.begin().await?;
            let held = Held::find(&mut transaction, repository, actor).await?;
            let of = AttributesOf::Repository(held.id());
            attributes::set(&mut transaction, of, changes).await?;
            let changed = find_repository_record(&mut transaction, repository).await?;
            transaction.commit().await?;
            Ok(changed)
        })
        .await
    }

    pub async fn change_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        changes: AttributeChanges,
        actor: &str,
    ) -> Result<ManifestDetails, RegistryError> {
        retry(async || {
            let mut transaction = self.database.begin().await?;
            let held = Held::find(&mut transaction, repository, actor).await?;
            let record = find_manifest(&mut transaction, repository, held.id(), digest).await?;
            let of = AttributesOf::Manifest(record.id);
            attributes::set(&mut transaction, of, changes).await?;
            let changed = find_details(&mut transaction, repository, held.id(), digest).await?;
            transaction.commit().await?;
            Ok(changed)
        })
        .await
    }

    pub async fn change_tag(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        changes: AttributeChanges,
        actor: &str,
    ) -> Result<TagRecord, RegistryError> {
        retry(async || {
            let mut transaction = self.database.begin().await?;
            let held = Held::find(&mut transaction, repository, actor).await?;
            find_tag(&mut transaction, repository, held.id(), tag).await?;
            let of = AttributesOf::Tag(held.id(), tag);
            attributes::set(&mut transaction, of, changes).await?;
            let changed = find_tag(&mut transaction, repository, held.id(), tag).await?;
            transaction.commit().await?;
            Ok(changed)
        })
        .await
    }
}
