use sqlx::AnyConnection;

use super::locks::{self, Disallowed, Item};
use super::{Registry, RegistryError};
use crate::metadata::repositories::RepositoryKey;
use crate::metadata::tags::TagKey;
use crate::metadata::{self, now};
use crate::oci::{Digest, RepositoryName, Tag};

/// A repository that nobody else changes until the transaction ends, and who changes it.
pub(super) struct Held<'a> {
    pub name: &'a RepositoryName,
    pub key: RepositoryKey,
    pub actor: &'a str,
    pub now: i64,
}

impl<'a> Held<'a> {
    /// # Errors
    /// [`RegistryError::RepositoryUnknown`]
    pub async fn find(
        connection: &mut AnyConnection,
        name: &'a RepositoryName,
        actor: &'a str,
    ) -> Result<Self, RegistryError> {
        let key = metadata::repositories::hold(connection, name)
            .await?
            .ok_or_else(|| RegistryError::RepositoryUnknown(name.clone()))?;
        Ok(Self { name, key, actor, now: now() })
    }

    pub async fn find_or_create(
        connection: &mut AnyConnection,
        name: &'a RepositoryName,
        actor: &'a str,
    ) -> Result<Self, RegistryError> {
        let now = now();
        let key = metadata::repositories::hold_or_create(connection, name, now).await?;
        Ok(Self { name, key, actor, now })
    }

    pub fn id(&self) -> i64 {
        self.key.id
    }

    pub fn tag(&self, tag: &Tag) -> Item {
        Item::Tag(self.name.clone(), tag.clone())
    }

    pub fn manifest(&self, digest: &Digest) -> Item {
        Item::Manifest(self.name.clone(), digest.clone())
    }

    /// Whether anything in the repository may be pushed, moved or deleted.
    pub fn check_write(&self) -> Result<(), Disallowed> {
        locks::check_write(&self.key.attributes, || Item::Repository(self.name.clone()))
    }

    /// Notes how many manifests and tags there are more, or fewer.
    pub async fn touch(
        &self,
        connection: &mut AnyConnection,
        manifests: i64,
        tags: i64,
    ) -> Result<(), RegistryError> {
        metadata::repositories::touch(connection, self.id(), manifests, tags, self.now).await?;
        Ok(())
    }
}

impl Registry {
    /// Makes a tag name a manifest, unless a lock or a policy forbids to move it; whether it is
    /// new.
    pub(super) async fn set_tag(
        &self,
        connection: &mut AnyConnection,
        held: &Held<'_>,
        tag: &Tag,
        manifest_id: i64,
        digest: &Digest,
    ) -> Result<bool, RegistryError> {
        let before = metadata::tags::find(connection, held.id(), tag).await?;
        let moves = before.as_ref().is_none_or(|before| before.digest != *digest);
        if let Some(before) = &before {
            locks::check_write(&before.attributes, || held.tag(tag))?;
            if moves && self.is_immutable(held.name, tag) {
                return Err(Disallowed::Immutable(held.tag(tag)).into());
            }
        }
        metadata::tags::set(connection, held.id(), tag, manifest_id, held.now).await?;
        if moves {
            let (to, actor) = (Some(digest), held.actor);
            metadata::tag_history::record(connection, held.id(), tag, to, actor, held.now).await?;
            if let Some(before) = &before {
                self.review_unnamed(connection, before.manifest_id, held.now).await?;
            }
        }
        Ok(before.is_none())
    }

    /// Deletes a tag, unless a lock or a policy forbids it. It can be restored.
    pub(super) async fn remove_tag(
        &self,
        connection: &mut AnyConnection,
        held: &Held<'_>,
        TagKey { name, manifest_id, digest, attributes }: &TagKey,
    ) -> Result<(), RegistryError> {
        locks::check_delete(attributes, || held.tag(name))?;
        if self.is_immutable(held.name, name) {
            return Err(Disallowed::Immutable(held.tag(name)).into());
        }
        metadata::tags::delete(connection, held.id(), name).await?;
        metadata::deleted::record_tag(connection, held.id(), name, digest, held.now).await?;
        let (to, actor) = (None, held.actor);
        metadata::tag_history::record(connection, held.id(), name, to, actor, held.now).await?;
        self.review_unnamed(connection, *manifest_id, held.now).await?;
        Ok(())
    }

    pub(super) fn is_immutable(&self, repository: &RepositoryName, tag: &Tag) -> bool {
        self.policies.iter().any(|policy| policy.immutable && policy.covers(repository, tag))
    }
}
