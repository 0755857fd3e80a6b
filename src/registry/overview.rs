//! Lists for people: repositories and tags with what one wants to know at a glance.

use std::collections::HashMap;

use futures_util::future::join_all;

use super::listing::find_manifest;
use super::manifests::find_repository;
use super::paging::PageSize;
use super::space::is_large;
use super::{Page, Paging, Registry, RegistryError};
use crate::metadata::NameRange;
use crate::metadata::overviews::{self, By, ManifestGlance};
use crate::metadata::pulls::{self, Pulls};
use crate::metadata::repositories::Repository;
use crate::metadata::tag_records::{self, TagRecord};
use crate::oci::{Digest, RepositoryName, Tag};

/// Namespaces that are shown beside a list, at most.
const NAMESPACES: usize = 100;

/// Manifests that one statement asks for.
const GLANCES_AT_ONCE: usize = 200;

/// Layers for which it is looked up what shares them.
const LAYERS_LOOKED_UP: usize = 100;

/// Tags that are named for each shared layer.
const SHARING_SHOWN: i64 = 5;

/// Which repositories a list is to show.
#[derive(Clone, Debug)]
pub struct RepositoryList {
    /// Empty for all, or a name that ends in a slash.
    pub namespace: String,
    /// Part of the name.
    pub part: String,
    pub paging: Paging,
    /// What an order by time is about.
    pub by: By,
}

#[derive(Clone, Debug)]
pub struct RepositoryGlance {
    pub repository: Repository,
    /// Bytes of all its blobs; none while they are counted for the first time.
    pub size: Option<u64>,
    pub pulls: Pulls,
}

#[derive(Clone, Debug)]
pub struct TagGlance {
    pub record: TagRecord,
    pub manifest: ManifestGlance,
    /// Of what it names, by whatever reference: clients that ask for the digest first pull by that.
    pub pulls: Pulls,
}

impl Registry {
    /// Repositories within any of `visible`.
    pub async fn repository_glances(
        &self,
        visible: &[NameRange],
        list: &RepositoryList,
    ) -> Result<Page<RepositoryGlance>, RegistryError> {
        let size = PageSize::asked(list.paging.n);
        let ranges = within(visible, &list.namespace);
        let mut connection = self.database.read().await?;
        let place = list.paging.place_or_beginning();
        let (order, rows) = ((list.paging.order, list.by), size.rows());
        let found =
            overviews::repositories(&mut connection, &ranges, &list.part, order, place, rows)
                .await?;
        let Page { items, has_more } = size.page(found);
        let small = items.iter().filter(|repository| !is_large(repository));
        let ids: Vec<_> = small.map(|repository| repository.key.id).collect();
        let sizes = overviews::sizes(&mut connection, &ids).await?;
        let all: Vec<_> = items.iter().map(|repository| repository.key.id).collect();
        let pulls = pulls::of_repositories(&mut connection, &all).await?;
        drop(connection);
        let large = items.iter().filter(|repository| is_large(repository));
        let usages = join_all(large.map(|repository| async move {
            let usage = self.last_usage(repository).await?;
            Ok((repository.key.id, usage.map(|usage| usage.size)))
        }));
        let large = usages.await.into_iter().collect::<Result<HashMap<_, _>, RegistryError>>()?;
        let items = items.into_iter().map(|repository| {
            let id = repository.key.id;
            let size = large.get(&id).copied();
            let size = size.unwrap_or_else(|| Some(sizes.get(&id).copied().unwrap_or_default()));
            let pulls = pulls.get(&id).copied().unwrap_or_default();
            RepositoryGlance { repository, size, pulls }
        });
        Ok(Page { items: items.collect(), has_more })
    }

    /// The namespaces right below `namespace` with repositories within any of `visible`, each
    /// with a slash at its end. One look-up each, however many repositories they have.
    pub async fn namespaces(
        &self,
        visible: &[NameRange],
        namespace: &str,
    ) -> Result<Vec<String>, RegistryError> {
        let ranges = within(visible, namespace);
        let mut connection = self.database.read().await?;
        let mut found: Vec<String> = Vec::new();
        let mut last = namespace.to_owned();
        while found.len() < NAMESPACES {
            let next = overviews::first_below(&mut connection, &ranges, namespace, &last).await?;
            let Some(name) = next else { break };
            let rest = &name.as_str()[namespace.len()..];
            let Some(slash) = rest.find('/') else { break };
            let child = name.as_str()[..=namespace.len() + slash].to_owned();
            // Behind all names below it: no name holds a `~`.
            last = format!("{child}~");
            found.push(child);
        }
        Ok(found)
    }

    /// Tags of a repository whose name holds `part`.
    pub async fn tag_glances(
        &self,
        repository: &RepositoryName,
        part: &str,
        paging: &Paging,
    ) -> Result<Page<TagGlance>, RegistryError> {
        let tags = if part.is_empty() {
            self.tag_records(repository, None, paging).await?
        } else {
            self.tags_holding(repository, part, paging).await?
        };
        let digests: Vec<_> = tags.items.iter().map(|tag| &tag.digest).collect();
        let glances = self.manifest_glances(repository, &digests).await?;
        let ids: Vec<_> = glances.values().map(|glance| glance.id).collect();
        let pulls = self.pulls_of_manifests(&ids).await?;
        let items = tags.items.into_iter().map(|record| {
            let manifest = glances.get(&record.digest).cloned().unwrap_or_default();
            let pulls = pulls.get(&manifest.id).copied().unwrap_or_default();
            TagGlance { manifest, pulls, record }
        });
        Ok(Page { items: items.collect(), has_more: tags.has_more })
    }

    async fn tags_holding(
        &self,
        repository: &RepositoryName,
        part: &str,
        paging: &Paging,
    ) -> Result<Page<TagRecord>, RegistryError> {
        let size = PageSize::asked(paging.n);
        let mut connection = self.database.read().await?;
        let key = find_repository(&mut connection, repository).await?;
        let (order, place) = (paging.order, paging.place_or_beginning());
        let tags =
            tag_records::holding(&mut connection, key.id, part, order, place, size.rows()).await?;
        Ok(size.page(tags))
    }

    /// Some manifests of a repository at a glance; those that are not there are left out.
    pub async fn manifest_glances(
        &self,
        repository: &RepositoryName,
        digests: &[&Digest],
    ) -> Result<HashMap<Digest, ManifestGlance>, RegistryError> {
        let mut found = HashMap::new();
        let mut connection = self.database.read().await?;
        let key = find_repository(&mut connection, repository).await?;
        for chunk in digests.chunks(GLANCES_AT_ONCE) {
            found.extend(overviews::glances(&mut connection, key.id, chunk).await?);
        }
        Ok(found)
    }

    /// Tags that share each of the layers with a manifest, in the order of `layers`.
    pub async fn tags_sharing(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        layers: &[&Digest],
    ) -> Result<Vec<Vec<Tag>>, RegistryError> {
        let mut connection = self.database.read().await?;
        let key = find_repository(&mut connection, repository).await?;
        let manifest = find_manifest(&mut connection, repository, key.id, digest).await?;
        let mut found = Vec::new();
        for layer in layers.iter().take(LAYERS_LOOKED_UP) {
            let (id, limit) = (manifest.id, SHARING_SHOWN);
            found.push(overviews::tags_sharing(&mut connection, id, layer, limit).await?);
        }
        found.resize(layers.len(), Vec::new());
        Ok(found)
    }

    /// A number that grows with each push to a repository and each deletion there.
    pub async fn repository_changed_at(&self, name: &RepositoryName) -> Result<i64, RegistryError> {
        let mut connection = self.database.read().await?;
        let time = overviews::changed_at(&mut connection, name).await?;
        Ok(time.unwrap_or_default())
    }

    /// As [`Registry::repository_changed_at`], for all repositories.
    pub async fn changed_at(&self) -> Result<i64, RegistryError> {
        let mut connection = self.database.read().await?;
        Ok(overviews::any_changed_at(&mut connection).await?.unwrap_or_default())
    }
}

/// The parts of the ranges whose names begin with `namespace`.
fn within(ranges: &[NameRange], namespace: &str) -> Vec<NameRange> {
    let narrow = |range: &NameRange| match range {
        _ if namespace.is_empty() => Some(range.clone()),
        NameRange::All => Some(NameRange::Prefix(namespace.into())),
        NameRange::Prefix(prefix) if prefix.starts_with(namespace) => Some(range.clone()),
        NameRange::Prefix(prefix) if namespace.starts_with(prefix.as_str()) => {
            Some(NameRange::Prefix(namespace.into()))
        }
        NameRange::Exact(name) if name.starts_with(namespace) => Some(range.clone()),
        NameRange::Prefix(_) | NameRange::Exact(_) => None,
    };
    ranges.iter().filter_map(narrow).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_shows_no_more_than_may_be_seen() {
        let prefix = |text: &str| NameRange::Prefix(text.into());
        let exact = |text: &str| NameRange::Exact(text.into());
        let visible = [prefix("team/"), prefix("other/deep/"), exact("team/a"), exact("x/y")];
        assert_eq!(within(&visible, ""), visible);
        assert_eq!(within(&visible, "team/"), [prefix("team/"), exact("team/a")]);
        assert_eq!(within(&visible, "team/sub/"), [prefix("team/sub/")]);
        assert_eq!(within(&visible, "other/"), [prefix("other/deep/")]);
        assert_eq!(within(&[NameRange::All], "any/"), [prefix("any/")]);
    }
}
