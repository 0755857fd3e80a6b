//! Manifests: push, pull, delete, and who refers to whom (distribution-spec, "Pushing Manifests",
//! "Pulling manifests", "Deleting Manifests", "Listing Referrers").

use bytes::Bytes;
use sqlx::AnyConnection;

use super::held::Held;
use super::locks::{check_delete, check_read, check_write};
use super::paging::PageSize;
use super::platform::ImagePlatform;
use super::{Item, Page, Registry, RegistryError};
use crate::metadata::manifests::{ManifestKey, NewManifest, NewReference, StoredManifest};
use crate::metadata::repositories::RepositoryKey;
use crate::metadata::{self, retry, stored_manifests};
use crate::oci::{
    Algorithm, Descriptor, Digest, Hasher, Manifest, MediaType, Reference, ReferenceRole,
    RepositoryName, Tag,
};

/// A manifest that a client pushes.
pub struct PushManifest<'a> {
    pub repository: &'a RepositoryName,
    pub reference: &'a Reference,
    /// Tags to set beside the reference (distribution-spec, "Pushing Manifests", `tag`).
    pub tags: &'a [Tag],
    pub content_type: Option<&'a MediaType>,
    pub content: Bytes,
    /// Who pushes, for the history of tags.
    pub actor: &'a str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushedManifest {
    pub digest: Digest,
    pub subject: Option<Digest>,
}

impl Registry {
    pub async fn manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<StoredManifest, RegistryError> {
        let key = (repository.clone(), reference.clone());
        let find = async |connection: &mut AnyConnection, (repository, reference): &_| {
            metadata::manifests::find(connection, repository, reference).await
        };
        if let Some(found) = self.known_manifests.find(&self.database, key, find).await? {
            check_read(found.repository_is_readable, || Item::Repository(repository.clone()))?;
            if let Reference::Tag(tag) = reference {
                check_read(found.tag_is_readable, || Item::Tag(repository.clone(), tag.clone()))?;
            }
            check_read(found.manifest_is_readable, || {
                Item::Manifest(repository.clone(), found.manifest.digest.clone())
            })?;
            if found.is_damaged {
                return Err(RegistryError::ManifestDamaged(found.manifest.digest));
            }
            return Ok(found.manifest);
        }
        find_repository(&mut *self.database.read().await?, repository).await?;
        Err(manifest_unknown(repository, reference))
    }

    /// Stores a manifest and sets its tags, all or nothing. Everything it is made of must be in
    /// the repository, but for what the protocol lets be absent.
    pub async fn push_manifest(
        &self,
        push: PushManifest<'_>,
    ) -> Result<PushedManifest, RegistryError> {
        let manifest = Manifest::parse(push.content_type, &push.content)?;
        let digest = check_digest(push.reference, &push.content)?;
        let platform = self.image_platform(push.repository, &manifest).await?;
        retry(async || {
            let mut transaction = self.database.begin().await?;
            let held = Held::find_or_create(&mut transaction, push.repository, push.actor).await?;
            held.check_write()?;
            let (manifest_id, is_new) = self
                .store_manifest(&mut transaction, &held, &digest, &manifest, &push, &platform)
                .await?;
            let named = match push.reference {
                Reference::Tag(tag) => Some(tag),
                Reference::Digest(_) => None,
            };
            let mut new_tags = 0;
            for tag in named.into_iter().chain(push.tags) {
                let is_new =
                    self.set_tag(&mut transaction, &held, tag, manifest_id, &digest).await?;
                new_tags += i64::from(is_new);
            }
            if manifest.subject.is_some() || named.is_none() {
                self.review_unnamed(&mut transaction, manifest_id, held.now).await?;
            }
            held.touch(&mut transaction, i64::from(is_new), new_tags).await?;
            transaction.commit().await?;
            Ok::<_, RegistryError>(())
        })
        .await?;
        Ok(PushedManifest { digest, subject: manifest.subject.map(|subject| subject.digest) })
    }

    /// Adds the manifest's rows unless they are there; gives its id, and whether it was missing.
    async fn store_manifest(
        &self,
        connection: &mut AnyConnection,
        held: &Held<'_>,
        digest: &Digest,
        manifest: &Manifest,
        push: &PushManifest<'_>,
        platform: &ImagePlatform,
    ) -> Result<(i64, bool), RegistryError> {
        let (repository_id, now) = (held.id(), held.now);
        let key = metadata::manifests::hold(connection, repository_id, digest).await?;
        if let Some(key) = &key
            && !key.is_deleted()
        {
            check_write(&key.attributes, || held.manifest(digest))?;
            restore_content(connection, key, &push.content).await?;
            metadata::manifests::revive(connection, key.id, now).await?;
            return Ok((key.id, false));
        }
        let references = self.resolve_references(connection, repository_id, manifest).await?;
        if let Some(key) = key {
            restore_content(connection, &key, &push.content).await?;
            metadata::manifests::revive(connection, key.id, now).await?;
            return Ok((key.id, true));
        }
        let new = NewManifest {
            repository_id,
            digest,
            manifest,
            content: &push.content,
            architecture: platform.architecture.as_deref(),
            os: platform.os.as_deref(),
        };
        let id = metadata::manifests::insert(connection, &new, now).await?;
        metadata::manifests::insert_references(connection, id, repository_id, &references).await?;
        metadata::search::insert_annotations(connection, id, manifest).await?;
        Ok((id, true))
    }

    /// Finds everything that a manifest is made of.
    async fn resolve_references<'a>(
        &self,
        connection: &mut AnyConnection,
        repository_id: i64,
        manifest: &'a Manifest,
    ) -> Result<Vec<NewReference<'a>>, RegistryError> {
        let (children, blobs): (Vec<_>, Vec<_>) =
            manifest.references().partition(|(role, _)| *role == ReferenceRole::Manifest);
        let digests = |references: &[(_, &'a Descriptor)]| {
            references.iter().map(|(_, descriptor)| &descriptor.digest).collect::<Vec<_>>()
        };
        let blobs_here =
            metadata::blobs::find_all(connection, repository_id, &digests(&blobs)).await?;
        let mut missing = Vec::new();
        if !self.settings.sparse_indexes {
            let children = digests(&children);
            let here = metadata::manifests::existing(connection, repository_id, &children).await?;
            missing.extend(children.into_iter().filter(|child| !here.contains(*child)).cloned());
        }
        let mut resolved = Vec::new();
        for (role, descriptor) in manifest.references() {
            let blob =
                blobs_here.get(&descriptor.digest).filter(|_| role != ReferenceRole::Manifest);
            if let Some(blob) = blob
                && blob.size != descriptor.size
            {
                return Err(RegistryError::SizeMismatch {
                    digest: descriptor.digest.clone(),
                    stated: descriptor.size,
                    actual: blob.size,
                });
            }
            let may_be_absent = role == ReferenceRole::Manifest
                || self.settings.sparse_images
                || descriptor.media_type.is_nondistributable();
            if blob.is_none() && !may_be_absent {
                missing.push(descriptor.digest.clone());
            }
            resolved.push(NewReference { role, descriptor, blob_id: blob.map(|blob| blob.id) });
        }
        if missing.is_empty() {
            Ok(resolved)
        } else {
            Err(RegistryError::ReferencesUnknown(missing))
        }
    }

    /// Makes a manifest invisible, with all tags that name it.
    pub async fn delete_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        actor: &str,
    ) -> Result<(), RegistryError> {
        retry(async || {
            let mut transaction = self.database.begin().await?;
            let held = Held::find(&mut transaction, repository, actor).await?;
            held.check_write()?;
            let key = metadata::manifests::hold(&mut transaction, held.id(), digest)
                .await?
                .filter(|key| !key.is_deleted())
                .ok_or_else(|| manifest_unknown(repository, &Reference::Digest(digest.clone())))?;
            check_delete(&key.attributes, || held.manifest(digest))?;
            if !self.settings.sparse_indexes
                && let Some(index) =
                    metadata::manifests::parent(&mut transaction, held.id(), digest).await?
            {
                return Err(RegistryError::ManifestInUse { digest: digest.clone(), index });
            }
            let tags = metadata::tags::of_manifest(&mut transaction, key.id).await?;
            for tag in &tags {
                self.remove_tag(&mut transaction, &held, tag).await?;
            }
            metadata::manifests::delete(&mut transaction, key.id, held.now).await?;
            let tags = i64::try_from(tags.len()).unwrap_or(i64::MAX);
            held.touch(&mut transaction, -1, -tags).await?;
            transaction.commit().await?;
            Ok(())
        })
        .await
    }

    /// Manifests whose subject is `subject`; none if the subject or the repository is unknown.
    pub async fn referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        artifact_type: Option<&str>,
        n: Option<u64>,
        last: Option<&str>,
    ) -> Result<Page<Descriptor>, RegistryError> {
        let size = PageSize::asked(n);
        let mut connection = self.database.read().await?;
        let found = metadata::manifests::referrers(
            &mut connection,
            repository,
            subject,
            artifact_type,
            last,
            size.rows(),
        )
        .await?;
        Ok(size.page(found))
    }
}

/// The digest of the content, which must be the one it is pushed under.
fn check_digest(reference: &Reference, content: &[u8]) -> Result<Digest, RegistryError> {
    match reference {
        Reference::Tag(_) => Ok(Hasher::digest(Algorithm::Sha256, content)),
        Reference::Digest(expected) => {
            let actual = Hasher::digest(expected.algorithm(), content);
            if actual == *expected {
                Ok(actual)
            } else {
                Err(RegistryError::DigestMismatch { expected: expected.clone(), actual })
            }
        }
    }
}

/// Gives a manifest, which is held, its bytes again if those in its row were found to be others.
pub(super) async fn restore_content(
    connection: &mut AnyConnection,
    key: &ManifestKey,
    content: &[u8],
) -> Result<(), RegistryError> {
    if key.is_damaged {
        stored_manifests::mark_sound(connection, key.id, content).await?;
    }
    Ok(())
}

/// A repository that must be there.
pub(super) async fn find_repository(
    connection: &mut AnyConnection,
    name: &RepositoryName,
) -> Result<RepositoryKey, RegistryError> {
    metadata::repositories::find(connection, name)
        .await?
        .ok_or_else(|| RegistryError::RepositoryUnknown(name.clone()))
}

pub(super) fn manifest_unknown(
    repository: &RepositoryName,
    reference: &Reference,
) -> RegistryError {
    RegistryError::ManifestUnknown { repository: repository.clone(), reference: reference.clone() }
}
