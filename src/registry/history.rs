//! The moves of tags, and how to undo them.

use super::held::Held;
use super::listing::{find_manifest, find_tag};
use super::manifests::find_repository;
use super::paging::PageSize;
use super::{Page, Registry, RegistryError};
use crate::metadata::tag_history::{self, TagMove};
use crate::metadata::tag_records::TagRecord;
use crate::metadata::{self, retry};
use crate::oci::{Digest, RepositoryName, Tag};

impl Registry {
    /// The moves of a tag before the one numbered `before`, the newest first. A tag that is deleted
    /// has them too; one that never was has none.
    pub async fn tag_history(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        n: Option<u64>,
        before: Option<i64>,
    ) -> Result<Page<TagMove>, RegistryError> {
        let size = PageSize::asked(n);
        let mut connection = self.database.read().await?;
        let key = find_repository(&mut connection, repository).await?;
        let before = before.unwrap_or(i64::MAX);
        let moves = tag_history::list(&mut connection, key.id, tag, before, size.rows()).await?;
        Ok(size.page(moves))
    }

    /// Sets a tag to what it named before its last move, or to `digest`, which it must have named
    /// some time. Gives the tag as it is then.
    pub async fn roll_back_tag(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        digest: Option<&Digest>,
        actor: &str,
    ) -> Result<TagRecord, RegistryError> {
        retry(async || {
            let mut transaction = self.database.begin().await?;
            let held = Held::find(&mut transaction, repository, actor).await?;
            held.check_write()?;
            let now_named = metadata::tags::find(&mut transaction, held.id(), tag).await?;
            let now_named = now_named.map(|key| key.digest);
            let found = match digest {
                Some(digest) => tag_history::has_named(&mut transaction, held.id(), tag, digest)
                    .await?
                    .then(|| digest.clone()),
                None => {
                    tag_history::last_other(&mut transaction, held.id(), tag, now_named.as_ref())
                        .await?
                }
            };
            let Some(digest) = found else {
                let (tag, digest) = (tag.clone(), digest.cloned());
                return Err(RegistryError::NoSuchMove { tag, digest });
            };
            let record = find_manifest(&mut transaction, repository, held.id(), &digest).await?;
            let is_new = self.set_tag(&mut transaction, &held, tag, record.id, &digest).await?;
            held.touch(&mut transaction, 0, i64::from(is_new)).await?;
            let moved = find_tag(&mut transaction, repository, held.id(), tag).await?;
            transaction.commit().await?;
            Ok(moved)
        })
        .await
    }
}
