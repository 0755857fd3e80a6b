//! Counting pulls. A pull costs a look into a map in memory; what was counted is added to the rows now
//! and then, by [`Registry::keep_pulls`]. What was counted since is lost if the process dies.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::{Registry, RegistryError};
use crate::metadata::manifests::StoredManifest;
use crate::metadata::pulls::{self, Pulls};
use crate::metadata::{self, now, retry};
use crate::oci::{Reference, RepositoryName, Tag};

/// Repositories, manifests and tags that are counted until they are kept; pulls of further ones are
/// not. At half of it the counts are kept early.
const ENTRIES: usize = 20_000;

/// What was pulled since the counts were last kept. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct PullCounts {
    counts: Arc<Mutex<Counts>>,
    /// Told when there is much to keep.
    is_filling: Arc<Notify>,
}

#[derive(Default)]
struct Counts {
    repositories: HashMap<i64, RepositoryCounts>,
    /// In all maps together.
    entries: usize,
}

#[derive(Default)]
struct RepositoryCounts {
    all: Pulls,
    manifests: HashMap<i64, Pulls>,
    tags: HashMap<Tag, Pulls>,
}

impl PullCounts {
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, repository_id: i64, manifest_id: i64, tag: Option<&Tag>, pulls: Pulls) {
        let mut counts = self.lock();
        let before = counts.entries;
        counts.add(repository_id, pulls, [(&manifest_id, pulls)], tag.map(|tag| (tag, pulls)));
        if before < ENTRIES / 2 && counts.entries >= ENTRIES / 2 {
            self.is_filling.notify_one();
        }
    }

    fn take(&self) -> Counts {
        std::mem::take(&mut *self.lock())
    }

    /// Counts once more what could not be kept.
    fn put_back(&self, counts: &Counts) {
        let mut present = self.lock();
        for (id, RepositoryCounts { all, manifests, tags }) in &counts.repositories {
            let manifests = manifests.iter().map(|(id, pulls)| (id, *pulls));
            present.add(*id, *all, manifests, tags.iter().map(|(tag, pulls)| (tag, *pulls)));
        }
    }
}

impl Counts {
    fn add<'a>(
        &mut self,
        repository_id: i64,
        all: Pulls,
        manifests: impl IntoIterator<Item = (&'a i64, Pulls)>,
        tags: impl IntoIterator<Item = (&'a Tag, Pulls)>,
    ) {
        let Self { repositories, entries } = self;
        if !repositories.contains_key(&repository_id) {
            if *entries >= ENTRIES {
                return;
            }
            *entries += 1;
        }
        let repository = repositories.entry(repository_id).or_default();
        repository.all.add(all);
        for (id, pulls) in manifests {
            add_one(&mut repository.manifests, entries, id, pulls);
        }
        for (tag, pulls) in tags {
            add_one(&mut repository.tags, entries, tag, pulls);
        }
    }

    /// In the order in which rows are held, so that two servers do not block each other.
    fn sorted(&self) -> Sorted {
        let (mut manifests, mut tags) = (BTreeMap::new(), BTreeMap::new());
        for (id, repository) in &self.repositories {
            manifests.extend(repository.manifests.iter().map(|(id, pulls)| (*id, *pulls)));
            tags.extend(repository.tags.iter().map(|(tag, pulls)| ((*id, tag.clone()), *pulls)));
        }
        let repositories = self.repositories.iter().map(|(id, counts)| (*id, counts.all));
        let repositories: BTreeMap<_, _> = repositories.collect();
        Sorted {
            repositories: Vec::from_iter(repositories),
            manifests: Vec::from_iter(manifests),
            tags: Vec::from_iter(tags),
        }
    }
}

struct Sorted {
    repositories: Vec<(i64, Pulls)>,
    manifests: Vec<(i64, Pulls)>,
    tags: Vec<((i64, Tag), Pulls)>,
}

fn add_one<K: Clone + Eq + Hash>(
    counts: &mut HashMap<K, Pulls>,
    entries: &mut usize,
    key: &K,
    pulls: Pulls,
) {
    if let Some(known) = counts.get_mut(key) {
        known.add(pulls);
    } else if *entries < ENTRIES {
        counts.insert(key.clone(), pulls);
        *entries += 1;
    }
}

impl Registry {
    /// Counts a pull of a manifest by this reference.
    pub fn count_pull(&self, manifest: &StoredManifest, reference: &Reference) {
        if self.settings.pull_count_seconds == 0 {
            return;
        }
        let tag = match reference {
            Reference::Tag(tag) => Some(tag),
            Reference::Digest(_) => None,
        };
        let pull = Pulls { count: 1, last_at: Some(now()) };
        self.pulls.count(manifest.repository_id, manifest.id, tag, pull);
    }

    /// Adds what was counted to the rows. If that fails, it is counted for the next time.
    pub async fn keep_pulls(&self) -> Result<(), RegistryError> {
        let counts = self.pulls.take();
        if counts.repositories.is_empty() {
            return Ok(());
        }
        let sorted = counts.sorted();
        let kept = retry(async || {
            let mut transaction = self.database.begin().await?;
            pulls::add_to_repositories(&mut transaction, &sorted.repositories).await?;
            pulls::add_to_manifests(&mut transaction, &sorted.manifests).await?;
            pulls::add_to_tags(&mut transaction, &sorted.tags).await?;
            transaction.commit_unsynced().await?;
            Ok(())
        })
        .await;
        if kept.is_err() {
            self.pulls.put_back(&counts);
        }
        kept
    }

    /// Waits until there is much to keep.
    pub async fn many_pulls(&self) {
        self.pulls.is_filling.notified().await;
    }

    /// Pulls of each of the repositories `ids`; those without any are left out.
    pub async fn pulls_of_repositories(
        &self,
        ids: &[i64],
    ) -> Result<HashMap<i64, Pulls>, RegistryError> {
        Ok(pulls::of_repositories(&mut *self.database.read().await?, ids).await?)
    }

    /// Pulls of each of the manifests `ids`; those without any are left out.
    pub async fn pulls_of_manifests(
        &self,
        ids: &[i64],
    ) -> Result<HashMap<i64, Pulls>, RegistryError> {
        Ok(pulls::of_manifests(&mut *self.database.read().await?, ids).await?)
    }

    /// Pulls by each of the tags; those without any are left out. None of a repository that is gone.
    pub async fn pulls_of_tags(
        &self,
        repository: &RepositoryName,
        tags: &[&Tag],
    ) -> Result<HashMap<Tag, Pulls>, RegistryError> {
        let mut connection = self.database.read().await?;
        let Some(key) = metadata::repositories::find(&mut connection, repository).await? else {
            return Ok(HashMap::new());
        };
        Ok(pulls::of_tags(&mut connection, key.id, tags).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pull(at: i64) -> Pulls {
        Pulls { count: 1, last_at: Some(at) }
    }

    #[test]
    fn pulls_add_up_and_the_last_time_counts() {
        let counts = PullCounts::default();
        let tag = Tag::parse("1.0").unwrap();
        counts.count(1, 10, Some(&tag), pull(7));
        counts.count(1, 10, None, pull(5));
        let taken = counts.take();
        counts.count(1, 11, Some(&tag), pull(6));
        // As when it could not be kept.
        counts.put_back(&taken);
        let sorted = counts.take().sorted();
        let is = |count, at| Pulls { count, last_at: Some(at) };
        assert_eq!(sorted.repositories, [(1, is(3, 7))]);
        assert_eq!(sorted.manifests, [(10, is(2, 7)), (11, is(1, 6))]);
        assert_eq!(sorted.tags, [((1, tag), is(2, 7))]);
        assert!(counts.take().repositories.is_empty());
    }

    #[tokio::test]
    async fn memory_is_bounded_and_the_counts_are_asked_for_before_it_is_full() {
        let counts = PullCounts::default();
        for n in 0..2 * ENTRIES {
            counts.count(1, n.try_into().unwrap(), None, pull(1));
        }
        counts.is_filling.notified().await;
        counts.count(2, -1, Some(&Tag::parse("new").unwrap()), pull(1));
        let taken = counts.take();
        assert_eq!(taken.repositories[&1].manifests.len(), ENTRIES - 1);
        assert_eq!(taken.repositories[&1].all.count, 2 * ENTRIES as u64);
        assert!(!taken.repositories.contains_key(&2));
    }
}
