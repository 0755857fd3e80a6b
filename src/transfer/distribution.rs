//! The storage of CNCF distribution (`docker/registry/v2`), in a folder or a bucket, read in place
//! (distribution/distribution, `registry/storage/paths.go`).
//!
//! | path | holds |
//! |---|---|
//! | `blobs/sha256/ab/<hex>/data` | the bytes of a blob or a manifest |
//! | `repositories/NAME/_manifests/revisions/sha256/<hex>/link` | that the repository has the manifest |
//! | `repositories/NAME/_manifests/tags/TAG/current/link` | what the tag names |
//! | `repositories/NAME/_layers/sha256/<hex>/link` | that the repository has the blob |
//!
//! A link is a file with a digest. Deleting takes the link away and leaves folders.

use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt as _};

use super::TransferError;
use super::source::{SourceBlob, SourceManifest, SourceTag};
use crate::oci::{Digest, RepositoryName, Tag};

/// Below what the storage's root folder holds everything.
const ROOT: &str = "docker/registry/v2";

/// Links and folders that are read at the same time.
const AT_ONCE: usize = 16;

/// The storage of a distribution registry.
pub struct DistributionStorage {
    objects: Arc<dyn ObjectStore>,
    /// Of `docker/registry/v2`.
    root: Path,
    /// Where that is, if it is a folder.
    folder: Option<PathBuf>,
}

impl DistributionStorage {
    /// Opens a folder: the root of the storage, or the folder `docker/registry/v2` in it.
    ///
    /// # Errors
    /// [`TransferError`] if there is no such storage.
    pub fn in_folder(folder: &FilePath) -> Result<Self, TransferError> {
        let inside = folder.join(ROOT);
        let found = [inside.as_path(), folder].into_iter().find(|folder| is_storage(folder));
        let Some(root) = found else {
            let shown = folder.display();
            return Err(TransferError::Source(format!("{shown} has no {ROOT}/repositories")));
        };
        let objects = Arc::new(LocalFileSystem::new_with_prefix(root)?);
        Ok(Self { objects, root: Path::default(), folder: Some(root.to_owned()) })
    }

    /// Opens what is below `prefix` of a bucket, likewise.
    ///
    /// # Errors
    /// [`TransferError`] if there is no such storage.
    pub async fn in_bucket(
        objects: Arc<dyn ObjectStore>,
        prefix: Path,
    ) -> Result<Self, TransferError> {
        let inside = ROOT.split('/').fold(prefix.clone(), Path::join);
        for root in [inside, prefix] {
            let mut found = objects.list(Some(&root.clone().join("repositories")));
            if found.try_next().await?.is_some() {
                drop(found);
                return Ok(Self { objects, root, folder: None });
            }
        }
        Err(TransferError::Source(format!("there is no {ROOT}/repositories in the bucket")))
    }

    /// Folders with `_manifests` or `_layers` in them; no part of a name begins with `_`.
    pub async fn repositories(&self) -> Result<Vec<String>, TransferError> {
        let top = self.path("repositories");
        let mut names = Vec::new();
        let mut folders = vec![top.clone()];
        while !folders.is_empty() {
            let listed = stream::iter(std::mem::take(&mut folders)).map(|folder| async {
                let below = self.objects.list_with_delimiter(Some(&folder)).await?;
                Ok::<_, Error>((folder, below.common_prefixes))
            });
            let listed: Vec<_> = listed.buffer_unordered(AT_ONCE).try_collect().await?;
            for (folder, below) in listed {
                let (own, parts): (Vec<_>, Vec<_>) = below
                    .into_iter()
                    .partition(|path| path.filename().is_some_and(|name| name.starts_with('_')));
                if own.iter().any(|path| matches!(path.filename(), Some("_manifests" | "_layers")))
                {
                    let parts = folder.prefix_match(&top).into_iter().flatten();
                    let parts: Vec<_> = parts.map(|part| part.as_ref().to_owned()).collect();
                    names.push(parts.join("/"));
                }
                folders.extend(parts);
            }
        }
        names.sort();
        Ok(names)
    }

    pub async fn tags(&self, repository: &RepositoryName) -> Result<Vec<SourceTag>, TransferError> {
        let folder = self.repository(repository, "_manifests/tags");
        let tags = self.objects.list_with_delimiter(Some(&folder)).await?.common_prefixes;
        let tags = stream::iter(tags).map(|tag| async move {
            let name = tag.filename().unwrap_or_default().to_owned();
            match self.link(&tag.join("current").join("link")).await {
                Ok(digest) => Ok(digest.map(|digest| SourceTag { name, digest: Some(digest) })),
                // What is wrong with it shows when it is resolved, and is told of it alone.
                Err(TransferError::Source(_)) => Ok(Some(SourceTag { name, digest: None })),
                Err(error) => Err(error),
            }
        });
        let tags: Vec<_> = tags.buffered(AT_ONCE).try_collect().await?;
        Ok(tags.into_iter().flatten().collect())
    }

    pub async fn resolve(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
    ) -> Result<Digest, TransferError> {
        let link = format!("_manifests/tags/{tag}/current/link");
        let digest = self.link(&self.repository(repository, &link)).await?;
        digest.ok_or_else(|| TransferError::Missing(format!("tag {tag}")))
    }

    pub async fn manifests(
        &self,
        repository: &RepositoryName,
    ) -> Result<Vec<Digest>, TransferError> {
        self.linked(&self.repository(repository, "_manifests/revisions")).await
    }

    pub async fn blobs(&self, repository: &RepositoryName) -> Result<Vec<Digest>, TransferError> {
        self.linked(&self.repository(repository, "_layers")).await
    }

    /// The repository must have it: a tag may still name what was deleted.
    pub async fn manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        max_bytes: u64,
    ) -> Result<SourceManifest, TransferError> {
        let link =
            format!("_manifests/revisions/{}/{}/link", digest.algorithm().as_str(), digest.hex());
        let missing = || TransferError::Missing(format!("manifest {digest}"));
        self.link(&self.repository(repository, &link)).await?.ok_or_else(missing)?;
        let found = match self.objects.get(&self.data(digest)).await {
            Err(Error::NotFound { .. }) => return Err(missing()),
            found => found?,
        };
        if found.meta.size > max_bytes {
            return Err(TransferError::ManifestTooLarge(max_bytes));
        }
        // Its type is kept nowhere but in itself.
        Ok(SourceManifest { content: found.bytes().await?, media_type: None })
    }

    pub async fn blob(&self, digest: &Digest) -> Result<SourceBlob, TransferError> {
        let missing = || TransferError::Missing(format!("blob {digest}"));
        if let Some(folder) = &self.folder {
            let file = folder.join(self.data(digest).as_ref());
            let is_there = tokio::fs::try_exists(&file).await;
            return match is_there {
                Ok(true) => Ok(SourceBlob::File(file)),
                Ok(false) => Err(missing()),
                Err(source) => {
                    Err(TransferError::Read { path: file.display().to_string(), source })
                }
            };
        }
        match self.objects.get(&self.data(digest)).await {
            Err(Error::NotFound { .. }) => Err(missing()),
            found => Ok(SourceBlob::Stream(found?.into_stream().map_err(Into::into).boxed())),
        }
    }

    /// The digests of `ALGORITHM/HEX/link` below a folder.
    async fn linked(&self, folder: &Path) -> Result<Vec<Digest>, TransferError> {
        let links = self.objects.list(Some(folder)).map_ok(|object| {
            let below = object.location.prefix_match(folder).into_iter().flatten();
            let parts: Vec<_> = below.map(|part| part.as_ref().to_owned()).collect();
            match parts.as_slice() {
                [algorithm, hex, link] if link == "link" => {
                    Digest::parse(&format!("{algorithm}:{hex}")).ok()
                }
                _ => None,
            }
        });
        let mut digests: Vec<_> =
            links.try_filter_map(async |digest| Ok(digest)).try_collect().await?;
        digests.sort();
        Ok(digests)
    }

    /// The digest in a link, if there is one.
    async fn link(&self, path: &Path) -> Result<Option<Digest>, TransferError> {
        let text = match self.objects.get(path).await {
            Ok(found) => found.bytes().await?,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let text = String::from_utf8_lossy(&text);
        let wrong = |error| TransferError::Source(format!("{path} holds no digest: {error}"));
        Digest::parse(text.trim()).map(Some).map_err(wrong)
    }

    fn repository(&self, name: &RepositoryName, below: &str) -> Path {
        self.path(&format!("repositories/{name}/{below}"))
    }

    fn data(&self, digest: &Digest) -> Path {
        let hex = digest.hex();
        self.path(&format!("blobs/{}/{}/{hex}/data", digest.algorithm().as_str(), &hex[..2]))
    }

    fn path(&self, below: &str) -> Path {
        below.split('/').fold(self.root.clone(), Path::join)
    }
}

fn is_storage(folder: &FilePath) -> bool {
    folder.join("repositories").is_dir()
}
