//! Looking closer: what an image is made of, what space things take, and where something is.

use super::manifests::{find_repository, manifest_unknown};
use super::paging::PageSize;
use super::{ManifestDetails, Page, Registry, RegistryError};
use crate::metadata::pulls::{self, Pulls};
use crate::metadata::search::{self, Criteria, FoundManifest, Usage};
use crate::metadata::{self, NameRange};
use crate::oci::{Descriptor, Digest, Reference, RepositoryName};

/// Configs above this size, in bytes, are not shown.
const MAX_CONFIG: u64 = 1 << 20;

/// Referrers that are shown with a manifest; the distribution API has them all, in pages.
const REFERRERS_SHOWN: i64 = 100;

/// A manifest with what belongs to it.
#[derive(Clone, Debug)]
pub struct Inspection {
    pub details: ManifestDetails,
    /// The config itself, if it is JSON and was asked for.
    pub config: Option<serde_json::Value>,
    pub referrers: Vec<Descriptor>,
    pub usage: Usage,
    pub pulls: Pulls,
}

impl Registry {
    /// The config is content: whoever may see only metadata does not get it.
    pub async fn inspect(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
        with_config: bool,
    ) -> Result<Inspection, RegistryError> {
        let digest = self.resolve(repository, reference).await?;
        let details = self.manifest_details(repository, &digest).await?;
        self.inspect_details(repository, details, with_config).await
    }

    /// As [`Registry::inspect`], of a manifest as it was a moment ago: it may be gone meanwhile.
    pub async fn inspect_details(
        &self,
        repository: &RepositoryName,
        details: ManifestDetails,
        with_config: bool,
    ) -> Result<Inspection, RegistryError> {
        let config = if with_config { self.config(repository, &details).await? } else { None };
        let mut connection = self.database.read().await?;
        let referrers = metadata::manifests::referrers(
            &mut connection,
            repository,
            &details.record.digest,
            None,
            None,
            REFERRERS_SHOWN,
        )
        .await?;
        let usage = search::manifest_usage(&mut connection, details.record.id).await?;
        let id = details.record.id;
        let mut pulls = pulls::of_manifests(&mut connection, &[id]).await?;
        let pulls = pulls.remove(&id).unwrap_or_default();
        Ok(Inspection { details, config, referrers, usage, pulls })
    }

    /// The digest that a reference stands for.
    pub async fn resolve(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<Digest, RegistryError> {
        let tag = match reference {
            Reference::Digest(digest) => return Ok(digest.clone()),
            Reference::Tag(tag) => tag,
        };
        let mut connection = self.database.read().await?;
        let key = find_repository(&mut connection, repository).await?;
        let found = metadata::tags::find(&mut connection, key.id, tag).await?;
        Ok(found.ok_or_else(|| manifest_unknown(repository, reference))?.digest)
    }

    async fn config(
        &self,
        repository: &RepositoryName,
        details: &ManifestDetails,
    ) -> Result<Option<serde_json::Value>, RegistryError> {
        let Some(config) = &details.manifest.config else { return Ok(None) };
        let mut connection = self.database.read().await?;
        let found = metadata::blobs::find(&mut connection, repository, &config.digest).await?;
        drop(connection);
        let is_readable = details.record.attributes.read_enabled;
        match found.filter(|found| found.is_readable && is_readable && !found.is_damaged) {
            Some(found) if found.blob.size <= MAX_CONFIG => {
                let bytes = self.read_blob(&found.blob).await?.read_all().await?;
                Ok(serde_json::from_slice(&bytes).ok())
            }
            _ => Ok(None),
        }
    }

    /// The text of a small blob; none if it is larger than `limit` bytes.
    pub async fn small_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        limit: u64,
    ) -> Result<Option<bytes::Bytes>, RegistryError> {
        let blob = self.blob(repository, digest).await?;
        if blob.size > limit {
            return Ok(None);
        }
        Ok(Some(self.read_blob(&blob).await?.read_all().await?))
    }

    pub async fn repository_usage(&self, name: &RepositoryName) -> Result<Usage, RegistryError> {
        let mut connection = self.database.read().await?;
        let key = find_repository(&mut connection, name).await?;
        Ok(search::repository_usage(&mut connection, key.id).await?)
    }

    /// Manifests in any of the repositories `visible`, from the first after the one with the id
    /// `last`.
    pub async fn search(
        &self,
        visible: &[NameRange],
        criteria: &Criteria<'_>,
        n: Option<u64>,
        last: i64,
    ) -> Result<Page<FoundManifest>, RegistryError> {
        let size = PageSize::asked(n);
        let mut connection = self.database.read().await?;
        let found =
            search::manifests(&mut connection, visible, criteria, last, size.rows()).await?;
        Ok(size.page(found))
    }
}
