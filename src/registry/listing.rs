//! Repositories, tags and manifests with all that is known of them, one or in pages.

use sqlx::AnyConnection;

use super::manifests::{find_repository, manifest_unknown};
use super::paging::PageSize;
use super::{Page, Registry, RegistryError};
use crate::metadata::manifest_records::{self, ManifestRecord};
use crate::metadata::repositories::Repository;
use crate::metadata::tag_records::{self, TagRecord, TagsOf};
use crate::metadata::{self, Order, Place};
use crate::oci::{Digest, Manifest, Reference, RepositoryName, Tag};

/// Which page of an ordered list.
#[derive(Clone, Debug, Default)]
pub struct Paging {
    pub order: Order,
    /// Items of the page.
    pub n: Option<u64>,
    /// Name or digest of the item before it.
    pub last: Option<String>,
    /// When that item was last changed, if it is known; it may be gone since.
    pub last_changed_at: Option<i64>,
}

impl Paging {
    /// Where the page begins; `changed_at` is what [`Paging::item_to_look_up`] led to.
    fn place(&self, changed_at: Option<i64>) -> Option<Place> {
        let name = self.last.clone()?;
        let changed_at = self.last_changed_at.or(changed_at).unwrap_or_default();
        Some(Place { name, changed_at })
    }

    /// Where the page begins, where the time always comes with the name.
    pub(super) fn place_or_beginning(&self) -> Option<Place> {
        self.place(None)
    }

    /// Whether the time of the item before the page has to be looked up.
    fn item_to_look_up(&self) -> Option<&str> {
        let is_needed = self.order.is_by_time() && self.last_changed_at.is_none();
        self.last.as_deref().filter(|_| is_needed)
    }
}

/// A manifest with its tags.
#[derive(Clone, Debug)]
pub struct TaggedManifest {
    pub record: ManifestRecord,
    pub tags: Vec<Tag>,
}

/// A manifest with its tags and all that it says itself.
#[derive(Clone, Debug)]
pub struct ManifestDetails {
    pub record: ManifestRecord,
    pub tags: Vec<Tag>,
    pub manifest: Manifest,
}

impl Registry {
    pub async fn repository(&self, name: &RepositoryName) -> Result<Repository, RegistryError> {
        find_repository_record(&mut *self.database.read().await?, name).await
    }

    pub async fn tag(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
    ) -> Result<TagRecord, RegistryError> {
        let mut connection = self.database.read().await?;
        let key = find_repository(&mut connection, repository).await?;
        find_tag(&mut connection, repository, key.id, tag).await
    }

    /// The tags of a repository, or only those of one manifest.
    pub async fn tag_records(
        &self,
        repository: &RepositoryName,
        digest: Option<&Digest>,
        paging: &Paging,
    ) -> Result<Page<TagRecord>, RegistryError> {
        let size = PageSize::asked(paging.n);
        let mut connection = self.database.read().await?;
        let key = find_repository(&mut connection, repository).await?;
        let of = match digest {
            None => TagsOf::Repository(key.id),
            Some(digest) => {
                let manifest = find_manifest(&mut connection, repository, key.id, digest).await?;
                TagsOf::Manifest(manifest.id)
            }
        };
        let changed_at = match paging.item_to_look_up() {
            None => None,
            Some(last) => {
                let time = tag_records::changed_at(&mut connection, key.id, last).await?;
                Some(time.ok_or_else(|| RegistryError::PlaceUnknown(last.into()))?)
            }
        };
        let place = paging.place(changed_at);
        let tags = tag_records::list(&mut connection, of, paging.order, place, size.rows()).await?;
        Ok(size.page(tags))
    }

    pub async fn manifest_details(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<ManifestDetails, RegistryError> {
        let mut connection = self.database.read().await?;
        let key = find_repository(&mut connection, repository).await?;
        find_details(&mut connection, repository, key.id, digest).await
    }

    pub async fn manifest_records(
        &self,
        repository: &RepositoryName,
        paging: &Paging,
    ) -> Result<Page<TaggedManifest>, RegistryError> {
        let size = PageSize::asked(paging.n);
        let mut connection = self.database.read().await?;
        let key = find_repository(&mut connection, repository).await?;
        let changed_at = match paging.item_to_look_up() {
            None => None,
            Some(last) => {
                let time = manifest_records::changed_at(&mut connection, key.id, last).await?;
                Some(time.ok_or_else(|| RegistryError::PlaceUnknown(last.into()))?)
            }
        };
        let place = paging.place(changed_at);
        let (order, rows) = (paging.order, size.rows());
        let records = manifest_records::list(&mut connection, key.id, order, place, rows).await?;
        let Page { items, has_more } = size.page(records);
        let ids: Vec<_> = items.iter().map(|record| record.id).collect();
        let mut tags = manifest_records::tags(&mut connection, &ids).await?;
        let items = items.into_iter().map(|record| TaggedManifest {
            tags: tags.remove(&record.id).unwrap_or_default(),
            record,
        });
        Ok(Page { items: items.collect(), has_more })
    }
}

/// A repository that must be there.
pub(super) async fn find_repository_record(
    connection: &mut AnyConnection,
    name: &RepositoryName,
) -> Result<Repository, RegistryError> {
    metadata::repositories::get(connection, name)
        .await?
        .ok_or_else(|| RegistryError::RepositoryUnknown(name.clone()))
}

/// A tag that must be there.
pub(super) async fn find_tag(
    connection: &mut AnyConnection,
    repository: &RepositoryName,
    repository_id: i64,
    tag: &Tag,
) -> Result<TagRecord, RegistryError> {
    tag_records::get(connection, repository_id, tag)
        .await?
        .ok_or_else(|| manifest_unknown(repository, &Reference::Tag(tag.clone())))
}

/// A manifest that must be there, with all that it says itself.
pub(super) async fn find_details(
    connection: &mut AnyConnection,
    repository: &RepositoryName,
    repository_id: i64,
    digest: &Digest,
) -> Result<ManifestDetails, RegistryError> {
    let record = find_manifest(connection, repository, repository_id, digest).await?;
    let content = manifest_records::content(connection, record.id).await?;
    let content = content.ok_or_else(|| RegistryError::ManifestDamaged(digest.clone()))?;
    let mut tags = manifest_records::tags(connection, &[record.id]).await?;
    Ok(ManifestDetails {
        tags: tags.remove(&record.id).unwrap_or_default(),
        manifest: Manifest::parse(Some(&record.media_type), &content)?,
        record,
    })
}

/// A manifest that must be there.
pub(super) async fn find_manifest(
    connection: &mut AnyConnection,
    repository: &RepositoryName,
    repository_id: i64,
    digest: &Digest,
) -> Result<ManifestRecord, RegistryError> {
    manifest_records::get(connection, repository_id, digest)
        .await?
        .ok_or_else(|| manifest_unknown(repository, &Reference::Digest(digest.clone())))
}
