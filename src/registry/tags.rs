//! Tags: names that move (distribution-spec, "Listing Tags", "Deleting tags").

use super::held::Held;
use super::manifests::{find_repository, manifest_unknown};
use super::paging::PageSize;
use super::{Page, Registry, RegistryError};
use crate::metadata::{self, retry};
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
        let key = find_repository(&mut connection, repository).await?;
        let tags = metadata::tags::list(&mut connection, key.id, last, size.rows()).await?;
        Ok(size.page(tags))
    }

    /// Removes a tag; the manifest it named stays.
    pub async fn delete_tag(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        actor: &str,
    ) -> Result<(), RegistryError> {
        retry(async || {
            let mut transaction = self.database.begin().await?;
            let held = Held::find(&mut transaction, repository, actor).await?;
            held.check_write()?;
            let key = metadata::tags::find(&mut transaction, held.id(), tag)
                .await?
                .ok_or_else(|| manifest_unknown(repository, &Reference::Tag(tag.clone())))?;
            self.remove_tag(&mut transaction, &held, &key).await?;
            held.touch(&mut transaction, 0, -1).await?;
            transaction.commit().await?;
            Ok(())
        })
        .await
    }
}
