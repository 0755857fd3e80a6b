use std::path::PathBuf;

use bytes::Bytes;

use super::{DistributionStorage, Layout, RemoteRegistry, TransferError};
use crate::oci::{Digest, MediaType, RepositoryName, Tag};
use crate::registry::Incoming;

/// Where content is read from.
pub enum Source {
    Distribution(DistributionStorage),
    Remote(RemoteRegistry),
    Layout(Layout),
}

/// A tag of the source, and what it names if that could be had at once.
pub struct SourceTag {
    pub name: String,
    pub digest: Option<Digest>,
}

/// A manifest as the source gives it; whether it has its digest is checked by whoever stores it.
pub struct SourceManifest {
    pub content: Bytes,
    /// If the source is sure of it.
    pub media_type: Option<MediaType>,
}

/// The bytes of a blob.
pub enum SourceBlob {
    /// A file that its owner never changes, so that it may get a second name.
    File(PathBuf),
    Stream(Incoming),
}

impl Source {
    /// The names of all its repositories, which may be none that we accept.
    ///
    /// # Errors
    /// [`TransferError`] if it tells no names; those that are asked for may be there all the same.
    pub async fn repositories(&self) -> Result<Vec<String>, TransferError> {
        match self {
            Self::Distribution(storage) => storage.repositories().await,
            Self::Remote(registry) => registry.repositories().await,
            Self::Layout(layout) => Ok(vec![layout.repository().to_string()]),
        }
    }

    pub async fn tags(&self, repository: &RepositoryName) -> Result<Vec<SourceTag>, TransferError> {
        match self {
            Self::Distribution(storage) => storage.tags(repository).await,
            Self::Remote(registry) => registry.tags(repository).await,
            Self::Layout(layout) => Ok(layout.tags()),
        }
    }

    /// What a tag names now.
    pub async fn resolve(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
    ) -> Result<Digest, TransferError> {
        let missing = || TransferError::Missing(format!("tag {tag}"));
        match self {
            Self::Remote(registry) => registry.resolve(repository, tag).await,
            Self::Distribution(storage) => storage.resolve(repository, tag).await,
            Self::Layout(layout) => {
                let mut tags = layout.tags().into_iter();
                let found = tags.find(|found| found.name == tag.as_str());
                found.and_then(|found| found.digest).ok_or_else(missing)
            }
        }
    }

    /// Manifests that are there whether a tag names them or not, as far as the source lists them.
    pub async fn manifests(
        &self,
        repository: &RepositoryName,
    ) -> Result<Vec<Digest>, TransferError> {
        match self {
            Self::Distribution(storage) => storage.manifests(repository).await,
            Self::Remote(_) => Ok(Vec::new()),
            Self::Layout(layout) => Ok(layout.manifests()),
        }
    }

    /// Blobs that are there whether a manifest needs them or not, as far as the source lists them.
    pub async fn blobs(&self, repository: &RepositoryName) -> Result<Vec<Digest>, TransferError> {
        match self {
            Self::Distribution(storage) => storage.blobs(repository).await,
            Self::Remote(_) | Self::Layout(_) => Ok(Vec::new()),
        }
    }

    /// Manifests whose subject is `digest`. None from a source that lists all its manifests.
    pub async fn referrers(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        max_bytes: u64,
    ) -> Result<Vec<Digest>, TransferError> {
        match self {
            Self::Remote(registry) => registry.referrers(repository, digest).await,
            Self::Layout(layout) => layout.referrers(digest, max_bytes).await,
            Self::Distribution(_) => Ok(Vec::new()),
        }
    }

    /// # Errors
    /// [`TransferError::Missing`] if it is not there; [`TransferError::ManifestTooLarge`].
    pub async fn manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        max_bytes: u64,
    ) -> Result<SourceManifest, TransferError> {
        match self {
            Self::Distribution(storage) => storage.manifest(repository, digest, max_bytes).await,
            Self::Remote(registry) => registry.manifest(repository, digest, max_bytes).await,
            Self::Layout(layout) => layout.manifest(digest, max_bytes).await,
        }
    }

    /// # Errors
    /// [`TransferError::Missing`] if it is not there.
    pub async fn blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<SourceBlob, TransferError> {
        match self {
            Self::Distribution(storage) => storage.blob(digest).await,
            Self::Remote(registry) => {
                Ok(SourceBlob::Stream(registry.blob(repository, digest).await?))
            }
            Self::Layout(layout) => Ok(SourceBlob::Stream(layout.blob(digest).await?)),
        }
    }
}
