//! Tags: names that move (distribution-spec, "Listing Tags", "Deleting tags").

use super::manifests::{find_repository, manifest_unknown};
use super::paging::PageSize;
use super::{Page, Registry, RegistryError};
use crate::metadata::{self, now};
use crate::oci::{Reference, RepositoryName, Tag};

impl Registry {
    /// The repository's tags in ASCII order, from the first after `last`.
    pub async fn tags(
        &self,
        repository: &RepositoryName,
        n: Option<u64>,
        last: Option<&str>,
    ) -> Result<Page<Tag>, RegistryError> {
        let size = PageSize::asked(n);
        let mut connection = self.database.read().await?;
        let repository_id = find_repository(&mut connection, repository).await?;
        let tags = metadata::tags::list(&mut connection, repository_id, last, size.rows()).await?;
        Ok(size.page(tags))
    }

    /// Removes a tag; the manifest it named stays.
    pub async fn delete_tag(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        actor: &str,
    ) -> Result<(), RegistryError> {
        let now = now();
        let mut transaction = self.database.begin().await?;
        let repository_id = find_repository(&mut transaction, repository).await?;
        if !metadata::tags::delete(&mut transaction, repository_id, tag).await? {
            return Err(manifest_unknown(repository, &Reference::Tag(tag.clone())));
        }
        metadata::tags::record_move(&mut transaction, repository_id, tag, None, actor, now).await?;
        metadata::repositories::touch(&mut transaction, repository_id, 0, -1, now).await?;
        transaction.commit().await?;
        Ok(())
    }
}
