//! Manifests: push, pull, delete, and who refers to whom (distribution-spec, "Pushing Manifests",
//! "Pulling manifests", "Deleting Manifests", "Listing Referrers").

use bytes::Bytes;
use sqlx::AnyConnection;

use super::paging::PageSize;
use super::platform::ImagePlatform;
use super::{Page, Registry, RegistryError};
use crate::metadata::manifests::{NewManifest, NewReference, StoredManifest};
use crate::metadata::{self, now};
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
        let mut connection = self.database.read().await?;
        let found = match reference {
            Reference::Digest(digest) => {
                metadata::manifests::find_by_digest(&mut connection, repository, digest).await?
            }
            Reference::Tag(tag) => {
                metadata::manifests::find_by_tag(&mut connection, repository, tag).await?
            }
        };
        if let Some(manifest) = found {
            return Ok(manifest);
        }
        find_repository(&mut connection, repository).await?;
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
        let now = now();
        let mut transaction = self.database.begin().await?;
        let repository_id =
            metadata::repositories::find_or_create(&mut transaction, push.repository, now).await?;
        let (manifest_id, is_new) = self
            .store_manifest(&mut transaction, repository_id, &digest, &manifest, &push, &platform)
            .await?;
        let named = match push.reference {
            Reference::Tag(tag) => Some(tag),
            Reference::Digest(_) => None,
        };
        let mut new_tags = 0;
        for tag in named.into_iter().chain(push.tags) {
            let before = metadata::tags::find(&mut transaction, repository_id, tag).await?;
            metadata::tags::set(&mut transaction, repository_id, tag, manifest_id, now).await?;
            new_tags += i64::from(before.is_none());
            if before.as_ref() != Some(&digest) {
                let (to, actor) = (Some(&digest), push.actor);
                metadata::tags::record_move(&mut transaction, repository_id, tag, to, actor, now)
                    .await?;
            }
        }
        metadata::repositories::touch(
            &mut transaction,
            repository_id,
            i64::from(is_new),
            new_tags,
            now,
        )
        .await?;
        transaction.commit().await?;
        Ok(PushedManifest { digest, subject: manifest.subject.map(|subject| subject.digest) })
    }

    /// Adds the manifest's rows unless they are there; gives its id, and whether it was missing.
    async fn store_manifest(
        &self,
        connection: &mut AnyConnection,
        repository_id: i64,
        digest: &Digest,
        manifest: &Manifest,
        push: &PushManifest<'_>,
        platform: &ImagePlatform,
    ) -> Result<(i64, bool), RegistryError> {
        let now = now();
        let key = metadata::manifests::find_key(connection, repository_id, digest).await?;
        if let Some(key) = &key
            && !key.is_deleted
        {
            metadata::manifests::revive(connection, key.id, now).await?;
            return Ok((key.id, false));
        }
        let references = self.resolve_references(connection, repository_id, manifest).await?;
        if let Some(key) = key {
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
        let now = now();
        let mut transaction = self.database.begin().await?;
        let repository_id = find_repository(&mut transaction, repository).await?;
        let key = metadata::manifests::find_key(&mut transaction, repository_id, digest)
            .await?
            .filter(|key| !key.is_deleted)
            .ok_or_else(|| manifest_unknown(repository, &Reference::Digest(digest.clone())))?;
        if !self.settings.sparse_indexes
            && let Some(index) =
                metadata::manifests::parent(&mut transaction, repository_id, digest).await?
        {
            return Err(RegistryError::ManifestInUse { digest: digest.clone(), index });
        }
        let tags = metadata::tags::delete_of_manifest(&mut transaction, key.id).await?;
        for tag in &tags {
            metadata::tags::record_move(&mut transaction, repository_id, tag, None, actor, now)
                .await?;
        }
        metadata::manifests::delete(&mut transaction, key.id, now).await?;
        let tags = i64::try_from(tags.len()).unwrap_or(i64::MAX);
        metadata::repositories::touch(&mut transaction, repository_id, -1, -tags, now).await?;
        transaction.commit().await?;
        Ok(())
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

/// The internal id of a repository that must be there.
pub(super) async fn find_repository(
    connection: &mut AnyConnection,
    name: &RepositoryName,
) -> Result<i64, RegistryError> {
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
