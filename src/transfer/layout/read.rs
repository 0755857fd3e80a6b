use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;

use super::tar_file::TarFile;
use super::{INDEX, Index, MARK, tag_of};
use crate::oci::{Descriptor, Digest, Manifest, ManifestKind, RepositoryName, Tag};
use crate::registry::{Incoming, IncomingError};
use crate::transfer::TransferError;
use crate::transfer::source::{SourceManifest, SourceTag};

/// Bytes of `index.json` at most.
const MAX_INDEX_BYTES: u64 = 64 << 20;

/// Bytes of a blob that are read at once.
const CHUNK: usize = 256 << 10;

/// A layout as a source: one repository.
pub struct Layout {
    repository: RepositoryName,
    place: Arc<Place>,
    entries: Vec<Descriptor>,
    /// What is taken of it, if not everything.
    only: Option<(Tag, Digest)>,
}

enum Place {
    Folder(PathBuf),
    Tar(TarFile),
}

impl Layout {
    /// Opens a folder or a tar file, whose content is to be that of `repository`.
    ///
    /// # Errors
    /// [`TransferError`] if there is no layout.
    pub async fn open(path: &Path, repository: RepositoryName) -> Result<Self, TransferError> {
        let (shown, path) = (path.display().to_string(), path.to_owned());
        let read = |source| TransferError::Read { path: shown.clone(), source };
        let (place, mark, index) = blocking(move || {
            let place =
                if path.is_dir() { Place::Folder(path) } else { Place::Tar(TarFile::open(&path)?) };
            let mark = place.read(MARK, MAX_INDEX_BYTES)?;
            let index = place.read(INDEX, MAX_INDEX_BYTES)?;
            Ok((place, mark, index))
        })
        .await
        .map_err(read)?;
        let (Some(_), Some(index)) = (mark, index) else {
            let reason = format!("{shown} is no OCI image layout: it has no {MARK} or no {INDEX}");
            return Err(TransferError::Source(reason));
        };
        let index: Index = serde_json::from_slice(&index)
            .map_err(|error| TransferError::Source(format!("{INDEX} of {shown}: {error}")))?;
        // Entries that are no manifests are the business of whoever wrote them.
        let entries = index.manifests.into_iter();
        let entries = entries.filter(|entry| ManifestKind::of(&entry.media_type).is_some());
        Ok(Self { repository, place: Arc::new(place), entries: entries.collect(), only: None })
    }

    /// Takes of it only the manifest that has this tag, or else the only one that has a tag, or that
    /// is there at all; with what refers to it. Here it is called so.
    ///
    /// # Errors
    /// [`TransferError`] if it is not clear which.
    pub fn only(mut self, tag: Tag) -> Result<Self, TransferError> {
        let tagged: Vec<_> = self.entries.iter().filter(|entry| tag_of(entry).is_some()).collect();
        let named = tagged.iter().find(|entry| tag_of(entry) == Some(tag.as_str()));
        let found = match (named, tagged.as_slice(), self.entries.as_slice()) {
            (Some(entry), _, _) | (None, [entry], _) => entry,
            (None, [], [entry]) => entry,
            _ => {
                let reason = format!("the layout has several manifests, and no tag {tag}");
                return Err(TransferError::Source(reason));
            }
        };
        self.only = Some((tag, found.digest.clone()));
        Ok(self)
    }

    pub fn repository(&self) -> &RepositoryName {
        &self.repository
    }

    pub fn tags(&self) -> Vec<SourceTag> {
        if let Some((tag, digest)) = &self.only {
            return vec![SourceTag { name: tag.to_string(), digest: Some(digest.clone()) }];
        }
        let tags = self.entries.iter().filter_map(|entry| {
            let name = tag_of(entry)?.to_owned();
            Some(SourceTag { name, digest: Some(entry.digest.clone()) })
        });
        tags.collect()
    }

    /// All that the index lists; none if one manifest is taken of it.
    pub fn manifests(&self) -> Vec<Digest> {
        let entries = self.entries.iter().filter(|_| self.only.is_none());
        entries.map(|entry| entry.digest.clone()).collect()
    }

    /// Entries whose subject is `digest`; none if all entries are taken anyway.
    pub async fn referrers(
        &self,
        digest: &Digest,
        max_bytes: u64,
    ) -> Result<Vec<Digest>, TransferError> {
        let mut found = Vec::new();
        for entry in self.entries.iter().filter(|_| self.only.is_some()) {
            let content = self.manifest(&entry.digest, max_bytes).await?.content;
            let manifest = Manifest::parse(Some(&entry.media_type), &content)?;
            if manifest.subject.is_some_and(|subject| subject.digest == *digest) {
                found.push(entry.digest.clone());
            }
        }
        Ok(found)
    }

    pub async fn manifest(
        &self,
        digest: &Digest,
        max_bytes: u64,
    ) -> Result<SourceManifest, TransferError> {
        let (place, name) = (Arc::clone(&self.place), name_of(digest));
        let read = |source| TransferError::Read { path: name_of(digest), source };
        let content = blocking(move || place.read(&name, max_bytes + 1)).await.map_err(read)?;
        let missing = || TransferError::Missing(format!("manifest {digest}"));
        let content: Bytes = content.ok_or_else(missing)?.into();
        if content.len() as u64 > max_bytes {
            return Err(TransferError::ManifestTooLarge(max_bytes));
        }
        let entry = self.entries.iter().find(|entry| entry.digest == *digest);
        Ok(SourceManifest { content, media_type: entry.map(|entry| entry.media_type.clone()) })
    }

    pub async fn blob(&self, digest: &Digest) -> Result<Incoming, TransferError> {
        let (place, name) = (Arc::clone(&self.place), name_of(digest));
        let read = |source| TransferError::Read { path: name_of(digest), source };
        let file = blocking(move || place.file(&name)).await.map_err(read)?;
        let (file, _) = file.ok_or_else(|| TransferError::Missing(format!("blob {digest}")))?;
        Ok(stream(file))
    }
}

impl Place {
    /// A file, and how many bytes it has; none if there is no such file.
    fn file(&self, name: &str) -> io::Result<Option<(io::Take<File>, u64)>> {
        match self {
            Self::Tar(file) => file.file(name),
            Self::Folder(folder) => match File::open(folder.join(name)) {
                Ok(file) => {
                    let size = file.metadata()?.len();
                    Ok(Some((file.take(size), size)))
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            },
        }
    }

    /// The first `max_bytes` of a file; none if there is no such file.
    fn read(&self, name: &str, max_bytes: u64) -> io::Result<Option<Vec<u8>>> {
        let Some((file, _)) = self.file(name)? else { return Ok(None) };
        let mut content = Vec::new();
        file.take(max_bytes).read_to_end(&mut content)?;
        Ok(Some(content))
    }
}

fn name_of(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().as_str(), digest.hex())
}

/// The bytes of a file as they are read.
fn stream(file: io::Take<File>) -> Incoming {
    let chunks = futures_util::stream::try_unfold(file, |mut file| async move {
        let read = blocking(move || {
            let mut chunk = vec![0; CHUNK];
            let length = file.read(&mut chunk)?;
            chunk.truncate(length);
            Ok((Bytes::from(chunk), file))
        });
        let (chunk, file) = read.await.map_err(IncomingError::from)?;
        Ok((!chunk.is_empty()).then_some((chunk, file)))
    });
    chunks.boxed()
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
