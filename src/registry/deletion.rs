//! What was deleted: its lists, and how it comes back or goes for good.
//!
//! Deleted things can be restored for `registry.deleted_retention_days`. Lists and restoring go by
//! that time themselves, so it does not matter when [`Registry::purge_deleted`] comes by.

use sqlx::AnyConnection;

use super::held::Held;
use super::locks::{self, Disallowed, Item};
use super::manifests::manifest_unknown;
use super::paging::PageSize;
use super::{Page, Registry, RegistryError};
use crate::metadata::deleted::{
    self, DeletedContent, DeletedRepository, DeletedTag, Locked, Remains,
};
use crate::metadata::garbage::{self, Kind, NO_REPOSITORY};
use crate::metadata::manifest_records::ManifestRecord;
use crate::metadata::manifests::ManifestKey;
use crate::metadata::{self, Alone, NameRange, Place, now, retry};
use crate::oci::{Digest, Reference, RepositoryName, Tag};

const DAY: i64 = 24 * 3600 * 1_000_000;

/// A deleted manifest that is to come back, and how.
#[derive(Clone, Copy, Debug)]
pub struct RestoreManifest<'a> {
    pub repository: &'a RepositoryName,
    pub digest: &'a Digest,
    /// A deleted tag of it that comes back too.
    pub tag: Option<&'a Tag>,
    /// Whether the tag may be taken from what it names meanwhile.
    pub force: bool,
    pub actor: &'a str,
}

impl Registry {
    /// Deletes a repository with all that is in it, unless anything of it is locked.
    pub async fn delete_repository(
        &self,
        repository: &RepositoryName,
        actor: &str,
    ) -> Result<DeletedContent, RegistryError> {
        retry(async || {
            let mut transaction = self.database.begin().await?;
            let held = Held::find(&mut transaction, repository, actor).await?;
            locks::check_delete(&held.key.attributes, || Item::Repository(repository.clone()))?;
            match deleted::locked_item(&mut transaction, held.id()).await? {
                Some(Locked::Manifest(digest)) => return Err(locked(held.manifest(&digest))),
                Some(Locked::Tag(tag)) => return Err(locked(held.tag(&tag))),
                None => {}
            }
            let (id, now) = (held.id(), held.now);
            metadata::tag_history::record_end_of_all(&mut transaction, id, actor, now).await?;
            let content = deleted::delete_repository(&mut transaction, held.key, now).await?;
            if let Some(tag) = content.tags.iter().find(|tag| self.is_immutable(repository, tag)) {
                return Err(Disallowed::Immutable(held.tag(tag)).into());
            }
            transaction.commit().await?;
            Ok(content)
        })
        .await
    }

    /// Deleted repositories within any of `visible`, in ASCII order, from the first after `last`.
    pub async fn deleted_repositories(
        &self,
        visible: &[NameRange],
        n: Option<u64>,
        last: Option<&str>,
    ) -> Result<Page<DeletedRepository>, RegistryError> {
        let size = PageSize::asked(n);
        let mut connection = self.database.read().await?;
        let (since, rows) = (self.restorable_since(), size.rows());
        let found = deleted::repositories(&mut connection, visible, last, since, rows).await?;
        Ok(size.page(found))
    }

    /// Deleted tags, the oldest first, from the first after `place`.
    pub async fn deleted_tags(
        &self,
        repository: &RepositoryName,
        n: Option<u64>,
        place: Option<Place>,
    ) -> Result<Page<DeletedTag>, RegistryError> {
        let size = PageSize::asked(n);
        let mut connection = self.database.read().await?;
        let id = find_deleted_or_not(&mut connection, repository).await?;
        let place = self.restorable_place(place);
        Ok(size.page(deleted::tags(&mut connection, id, &place, size.rows()).await?))
    }

    /// Deleted manifests, the oldest first, from the first after `place`.
    pub async fn deleted_manifests(
        &self,
        repository: &RepositoryName,
        n: Option<u64>,
        place: Option<Place>,
    ) -> Result<Page<ManifestRecord>, RegistryError> {
        let size = PageSize::asked(n);
        let mut connection = self.database.read().await?;
        let id = find_deleted_or_not(&mut connection, repository).await?;
        let place = self.restorable_place(place);
        Ok(size.page(deleted::manifests(&mut connection, id, &place, size.rows()).await?))
    }

    /// Deleted tags, the newest first, from the first after `place`.
    pub async fn latest_deleted_tags(
        &self,
        repository: &RepositoryName,
        n: u64,
        place: Option<Place>,
    ) -> Result<Page<DeletedTag>, RegistryError> {
        let size = PageSize::asked(Some(n));
        let mut connection = self.database.read().await?;
        let id = find_deleted_or_not(&mut connection, repository).await?;
        let (since, place) = (self.restorable_since(), place.unwrap_or_else(latest));
        let found = deleted::latest_tags(&mut connection, id, since, &place, size.rows()).await?;
        Ok(size.page(found))
    }

    /// Deleted manifests, the newest first, from the first after `place`.
    pub async fn latest_deleted_manifests(
        &self,
        repository: &RepositoryName,
        n: u64,
        place: Option<Place>,
    ) -> Result<Page<ManifestRecord>, RegistryError> {
        let size = PageSize::asked(Some(n));
        let mut connection = self.database.read().await?;
        let id = find_deleted_or_not(&mut connection, repository).await?;
        let (since, place) = (self.restorable_since(), place.unwrap_or_else(latest));
        let found =
            deleted::latest_manifests(&mut connection, id, since, &place, size.rows()).await?;
        Ok(size.page(found))
    }

    /// Makes a deleted manifest visible again, or one of its deleted tags, or both; the repository
    /// too, if it was deleted.
    pub async fn restore_manifest(
        &self,
        restore: RestoreManifest<'_>,
    ) -> Result<(), RegistryError> {
        let RestoreManifest { repository, digest, tag, force, actor } = restore;
        let unknown = || manifest_unknown(repository, &Reference::Digest(digest.clone()));
        let since = self.restorable_since();
        retry(async || {
            let mut transaction = self.database.begin().await?;
            find_deleted_or_not(&mut transaction, repository).await?;
            let held = Held::find_or_create(&mut transaction, repository, actor).await?;
            held.check_write()?;
            let key = metadata::manifests::hold(&mut transaction, held.id(), digest)
                .await?
                .filter(|key| key.deleted_at.is_none_or(|deleted_at| deleted_at > since))
                .ok_or_else(unknown)?;
            if !key.is_deleted() && tag.is_none() {
                return Err(unknown());
            }
            self.check_restorable(&mut transaction, &held, &key).await?;
            if key.is_deleted() {
                let (id, now) = (held.id(), held.now);
                deleted::restore_manifest(&mut transaction, id, key.id, now).await?;
                self.review_unnamed(&mut transaction, key.id, now).await?;
            }
            let new_tags = match tag {
                None => 0,
                Some(tag) => {
                    self.restore_tag(&mut transaction, &held, tag, key.id, restore, force).await?
                }
            };
            held.touch(&mut transaction, i64::from(key.is_deleted()), new_tags).await?;
            transaction.commit().await?;
            Ok(())
        })
        .await
    }

    /// What a manifest needs comes back before it.
    async fn check_restorable(
        &self,
        connection: &mut AnyConnection,
        held: &Held<'_>,
        key: &ManifestKey,
    ) -> Result<(), RegistryError> {
        if let Some(subject) = &key.subject {
            let found = metadata::manifests::hold(connection, held.id(), subject).await?;
            if found.is_some_and(|subject| subject.is_deleted()) {
                return Err(RegistryError::SubjectDeleted(subject.clone()));
            }
        }
        if !self.settings.sparse_indexes {
            let missing = metadata::manifests::missing_children(connection, key.id).await?;
            if !missing.is_empty() {
                return Err(RegistryError::ReferencesUnknown(missing));
            }
        }
        Ok(())
    }

    /// How many tags there are more.
    async fn restore_tag(
        &self,
        connection: &mut AnyConnection,
        held: &Held<'_>,
        tag: &Tag,
        manifest_id: i64,
        RestoreManifest { repository, digest, .. }: RestoreManifest<'_>,
        force: bool,
    ) -> Result<i64, RegistryError> {
        let since = self.restorable_since();
        if !deleted::has_tag(connection, held.id(), tag, digest, since).await? {
            return Err(manifest_unknown(repository, &Reference::Tag(tag.clone())));
        }
        let living = metadata::tags::find(connection, held.id(), tag).await?;
        if let Some(living) = living.filter(|living| living.digest != *digest) {
            if !force {
                return Err(RegistryError::TagExists { tag: tag.clone(), digest: living.digest });
            }
            let (id, now) = (held.id(), held.now);
            deleted::record_tag(connection, id, tag, &living.digest, now).await?;
        }
        let is_new = self.set_tag(connection, held, tag, manifest_id, digest).await?;
        deleted::forget_tag(connection, held.id(), tag, digest).await?;
        Ok(i64::from(is_new))
    }

    /// Removes for good what can be restored no longer. What becomes garbage by that, such as blobs,
    /// is left to [`Registry::collect_garbage`].
    pub async fn purge_deleted(&self) -> Result<(), RegistryError> {
        let until = self.restorable_since();
        while retry(async || self.purge_manifests(until).await).await? {}
        while retry(async || self.purge_links(until).await).await? {}
        for remains in Remains::ALL {
            let mut has_more = true;
            while has_more {
                has_more = retry(async || {
                    let mut transaction = self.database.begin_alone(Alone::Sweep).await?;
                    let has_more = deleted::purge(&mut transaction, remains, until).await?;
                    transaction.commit().await?;
                    Ok::<_, RegistryError>(has_more)
                })
                .await?;
            }
        }
        Ok(())
    }

    /// Whether there may be more.
    async fn purge_manifests(&self, until: i64) -> Result<bool, RegistryError> {
        let mut transaction = self.database.begin_alone(Alone::Sweep).await?;
        let expired = deleted::hold_expired_manifests(&mut transaction, until).await?;
        if !expired.is_empty() {
            self.review_around(&mut transaction, &expired, now()).await?;
            deleted::remove_manifests(&mut transaction, &expired).await?;
            transaction.commit().await?;
        }
        Ok(deleted::is_full(expired.len()))
    }

    /// Whether there may be more.
    async fn purge_links(&self, until: i64) -> Result<bool, RegistryError> {
        let mut transaction = self.database.begin_alone(Alone::Sweep).await?;
        let blobs = deleted::remove_expired_links(&mut transaction, until).await?;
        if !blobs.is_empty() {
            garbage::enqueue_all(&mut transaction, Kind::Blob, NO_REPOSITORY, &blobs, now())
                .await?;
            transaction.commit().await?;
        }
        Ok(deleted::is_full(blobs.len()))
    }

    /// What was deleted at this time or before is gone for good.
    fn restorable_since(&self) -> i64 {
        now() - i64::from(self.settings.deleted_retention_days) * DAY
    }

    /// Until when what was deleted at this time can be restored.
    pub(super) fn restorable_until(&self, deleted_at: i64) -> i64 {
        deleted_at + i64::from(self.settings.deleted_retention_days) * DAY
    }

    /// The place, but none where nothing can be restored any more.
    fn restorable_place(&self, place: Option<Place>) -> Place {
        let since = self.restorable_since();
        // Behind everything that was deleted at that very time: no name holds a `~`.
        let beginning = Place { name: "~".into(), changed_at: since };
        place.filter(|place| place.changed_at > since).unwrap_or(beginning)
    }
}

/// The place after which a list of the newest begins.
fn latest() -> Place {
    Place { name: String::new(), changed_at: i64::MAX }
}

fn locked(item: Item) -> RegistryError {
    Disallowed::Locked { item, attribute: "deleteEnabled or writeEnabled" }.into()
}

async fn find_deleted_or_not(
    connection: &mut AnyConnection,
    repository: &RepositoryName,
) -> Result<i64, RegistryError> {
    deleted::find_repository(connection, repository)
        .await?
        .ok_or_else(|| RegistryError::RepositoryUnknown(repository.clone()))
}
