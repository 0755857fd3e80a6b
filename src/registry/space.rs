//! What things take, for people to look at.

use std::sync::Arc;

use super::counts::Counts;
use super::{Registry, RegistryError};
use crate::metadata::overviews::{self, RepositorySpace, Space};
use crate::metadata::repositories::Repository;
use crate::metadata::search::{self, Usage};
use crate::metadata::{Database, now};

/// Repositories that are told of, the largest.
const LARGEST: i64 = 50;

/// Manifests of a repository whose blobs are added up whenever somebody looks.
const ADDED_UP: i64 = 2000;

/// All that is stored.
#[derive(Clone, Debug, Default)]
pub struct SpaceReport {
    pub space: Space,
    /// The repositories that take the most.
    pub largest: Vec<RepositorySpace>,
    /// When it was begun to be counted, in microseconds since 1970.
    pub counted_at: i64,
}

/// What was counted.
#[derive(Clone, Default)]
pub(super) struct SpaceCounts {
    all: Counts<(), Arc<SpaceReport>>,
    /// By internal id.
    repositories: Counts<i64, Usage>,
}

impl Registry {
    /// The space that all takes: as of now or, where counting takes long, as of a while ago. None
    /// while it is counted for the first time.
    pub async fn space(&self) -> Option<Arc<SpaceReport>> {
        self.space_counts.all.get((), count_all(self.database.clone())).await
    }

    /// What a repository takes; of a large one as of a while ago, and none while that is counted for
    /// the first time.
    pub async fn last_usage(
        &self,
        repository: &Repository,
    ) -> Result<Option<Usage>, RegistryError> {
        let id = repository.key.id;
        let count = count_repository(self.database.clone(), id);
        Ok(if is_large(repository) {
            self.space_counts.repositories.get(id, count).await
        } else {
            Some(count.await?)
        })
    }
}

/// Whether it takes long to add up what it stores.
pub(super) fn is_large(repository: &Repository) -> bool {
    repository.manifest_count > ADDED_UP
}

async fn count_all(database: Database) -> Result<Arc<SpaceReport>, RegistryError> {
    let counted_at = now();
    let mut connection = database.read().await?;
    let space = overviews::space(&mut connection).await?;
    let largest = overviews::largest(&mut connection, LARGEST).await?;
    Ok(Arc::new(SpaceReport { space, largest, counted_at }))
}

async fn count_repository(database: Database, id: i64) -> Result<Usage, RegistryError> {
    Ok(search::repository_usage(&mut *database.read().await?, id).await?)
}
