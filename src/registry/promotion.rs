//! Promotion: tags of some repositories given to images of others, all or none.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::AnyConnection;

use super::held::Held;
use super::listing::find_manifest;
use super::locks::{check_read, check_write};
use super::manifests::{find_repository, manifest_unknown, restore_content};
use super::{Item, Registry, RegistryError};
use crate::metadata::{self, manifest_copies, manifest_records, retry};
use crate::oci::{Digest, Reference, RepositoryName, Tag};

/// One tag that is to name an image of another repository, or of the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promotion {
    pub source: RepositoryName,
    pub reference: Reference,
    pub target: RepositoryName,
    pub tag: Tag,
}

impl Registry {
    /// Sets all the tags in one transaction, and answers what each of them names now.
    ///
    /// A target repository gets the manifest with its children and with what refers to it, such as
    /// signatures. Blobs are linked, not copied.
    pub async fn promote(
        &self,
        promotions: &[Promotion],
        actor: &str,
    ) -> Result<Vec<Digest>, RegistryError> {
        retry(async || self.promote_all(promotions, actor).await).await
    }

    async fn promote_all(
        &self,
        promotions: &[Promotion],
        actor: &str,
    ) -> Result<Vec<Digest>, RegistryError> {
        let mut transaction = self.database.begin().await?;
        let targets: BTreeSet<_> = promotions.iter().map(|promotion| &promotion.target).collect();
        let mut held = BTreeMap::new();
        // Always in this order, so that two promotions do not wait for each other.
        for target in targets {
            let target_held = Held::find_or_create(&mut transaction, target, actor).await?;
            target_held.check_write()?;
            held.insert(target, target_held);
        }
        let mut digests = Vec::new();
        for promotion in promotions {
            let target = &held[&promotion.target];
            digests.push(self.promote_one(&mut transaction, promotion, target).await?);
        }
        transaction.commit().await?;
        Ok(digests)
    }

    async fn promote_one(
        &self,
        connection: &mut AnyConnection,
        promotion: &Promotion,
        target: &Held<'_>,
    ) -> Result<Digest, RegistryError> {
        let Promotion { source, reference, tag, .. } = promotion;
        let repository = find_repository(connection, source).await?;
        check_read(repository.attributes.read_enabled, || Item::Repository(source.clone()))?;
        let digest = resolve(connection, source, repository.id, reference).await?;
        let record = find_manifest(connection, source, repository.id, &digest).await?;
        check_read(record.attributes.read_enabled, || {
            Item::Manifest(source.clone(), digest.clone())
        })?;
        let copied = if repository.id == target.id() {
            0
        } else {
            self.copy_manifest(connection, repository.id, &digest, target).await?
        };
        let manifest = find_manifest(connection, target.name, target.id(), &digest).await?;
        let is_new = self.set_tag(connection, target, tag, manifest.id, &digest).await?;
        target.touch(connection, copied, i64::from(is_new)).await?;
        Ok(digest)
    }

    /// Brings a manifest and all that belongs to it into another repository; how many manifests
    /// were not there.
    async fn copy_manifest(
        &self,
        connection: &mut AnyConnection,
        source_id: i64,
        digest: &Digest,
        target: &Held<'_>,
    ) -> Result<i64, RegistryError> {
        let mut copied = 0;
        let mut seen = BTreeSet::new();
        let mut waiting = vec![digest.clone()];
        while let Some(digest) = waiting.pop() {
            if seen.contains(digest.as_str()) {
                continue;
            }
            seen.insert(digest.as_str().to_owned());
            let Some(source) = metadata::manifests::hold(connection, source_id, &digest).await?
            else {
                continue;
            };
            if source.is_damaged {
                return Err(RegistryError::ManifestDamaged(digest));
            }
            let there = metadata::manifests::hold(connection, target.id(), &digest).await?;
            let (id, now) = (target.id(), target.now);
            if let Some(there) = there.as_ref().filter(|there| there.is_damaged)
                && let Some(content) = manifest_records::content(connection, source.id).await?
            {
                restore_content(connection, there, &content).await?;
            }
            match there {
                Some(there) if !there.is_deleted() => {}
                Some(there) => {
                    check_write(&there.attributes, || target.manifest(&digest))?;
                    manifest_copies::link_blobs(connection, source.id, id, now).await?;
                    metadata::manifests::revive(connection, there.id, now).await?;
                    copied += 1;
                }
                None => {
                    manifest_copies::link_blobs(connection, source.id, id, now).await?;
                    manifest_copies::insert(connection, source.id, id, now).await?;
                    copied += 1;
                }
            }
            waiting.extend(manifest_copies::related(connection, source.id).await?);
        }
        Ok(copied)
    }
}

/// The digest that a reference stands for, if it may be read.
async fn resolve(
    connection: &mut AnyConnection,
    repository: &RepositoryName,
    repository_id: i64,
    reference: &Reference,
) -> Result<Digest, RegistryError> {
    let tag = match reference {
        Reference::Digest(digest) => return Ok(digest.clone()),
        Reference::Tag(tag) => tag,
    };
    let key = metadata::tags::find(connection, repository_id, tag)
        .await?
        .ok_or_else(|| manifest_unknown(repository, reference))?;
    check_read(key.attributes.read_enabled, || Item::Tag(repository.clone(), tag.clone()))?;
    Ok(key.digest)
}
