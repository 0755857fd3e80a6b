//! Writes what a repository has into an OCI image layout.

use std::collections::{HashSet, VecDeque};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};

use super::{LayoutWriter, TransferError};
use crate::oci::{
    Descriptor, Digest, Manifest, ManifestKind, Reference, ReferenceRole, RepositoryName, Tag,
};
use crate::registry::{Paging, Progress, Registry, RegistryError};

/// One run of an export.
pub struct Export {
    registry: Registry,
    repository: RepositoryName,
    progress: Arc<Progress>,
    writer: LayoutWriter,
    exported: Exported,
    /// Manifests and blobs that are in the layout.
    written: HashSet<Digest>,
    children: HashSet<Digest>,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    pub tags: u64,
    pub manifests: u64,
    pub blobs: u64,
    /// Of blobs.
    pub bytes: u64,
}

/// A manifest that is to be written.
struct Wanted {
    digest: Digest,
    /// Under which tags it is listed.
    tags: Vec<Tag>,
    /// Whether it is listed, as it is no child of another.
    is_listed: bool,
}

impl Export {
    /// # Errors
    /// [`TransferError`] if the layout cannot be begun.
    pub async fn new(
        registry: Registry,
        repository: RepositoryName,
        layout: &Path,
    ) -> Result<Self, TransferError> {
        let writer = LayoutWriter::open(layout).await?;
        Ok(Self {
            registry,
            repository,
            progress: Arc::default(),
            writer,
            exported: Exported::default(),
            written: HashSet::new(),
            children: HashSet::new(),
        })
    }

    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Writes one manifest, or all of the repository; with everything it is made of, and with what
    /// refers to it.
    ///
    /// # Errors
    /// [`TransferError`] if something is not there or cannot be written; the layout is not complete
    /// then.
    pub async fn run(mut self, only: Option<Reference>) -> Result<Exported, TransferError> {
        let mut waiting = VecDeque::from(match only {
            Some(reference) => vec![self.one(reference).await?],
            None => self.all().await?,
        });
        self.progress.expect(waiting.len() as u64, 0);
        while let Some(wanted) = waiting.pop_front() {
            self.manifest(wanted, &mut waiting).await?;
            self.progress.done();
        }
        self.writer.unlist(&self.children);
        self.writer.finish().await?;
        Ok(self.exported)
    }

    async fn one(&self, reference: Reference) -> Result<Wanted, TransferError> {
        let manifest = self.registry.manifest(&self.repository, &reference).await?;
        let tags = match reference {
            Reference::Tag(tag) => vec![tag],
            Reference::Digest(_) => Vec::new(),
        };
        Ok(Wanted { digest: manifest.digest, tags, is_listed: true })
    }

    async fn all(&self) -> Result<Vec<Wanted>, TransferError> {
        let mut wanted = Vec::new();
        let mut paging = Paging::default();
        loop {
            let page = self.registry.manifest_records(&self.repository, &paging).await?;
            paging.last = page.items.last().map(|item| item.record.digest.to_string());
            paging.last_changed_at = page.items.last().map(|item| item.record.updated_at);
            let items = page.items.into_iter();
            wanted.extend(items.map(|item| Wanted {
                digest: item.record.digest,
                tags: item.tags,
                is_listed: true,
            }));
            if !page.has_more {
                return Ok(wanted);
            }
        }
    }

    async fn manifest(
        &mut self,
        wanted: Wanted,
        waiting: &mut VecDeque<Wanted>,
    ) -> Result<(), TransferError> {
        let Wanted { digest, tags, is_listed } = wanted;
        let reference = Reference::Digest(digest.clone());
        let stored = match self.registry.manifest(&self.repository, &reference).await {
            // A child that never came, as the registry may allow.
            Err(RegistryError::ManifestUnknown { .. }) if !is_listed => return Ok(()),
            stored => stored?,
        };
        let manifest = Manifest::parse(Some(&stored.media_type), &stored.content)?;
        if is_listed {
            let entry = entry(&digest, &manifest, &stored.content);
            if tags.is_empty() {
                self.writer.list(entry.clone(), None);
            }
            for tag in &tags {
                self.writer.list(entry.clone(), Some(tag));
            }
            self.exported.tags += tags.len() as u64;
        }
        if !self.written.insert(digest.clone()) {
            return Ok(());
        }
        let size = stored.content.len() as u64;
        for (role, part) in manifest.references() {
            if role == ReferenceRole::Manifest && ManifestKind::of(&part.media_type).is_some() {
                let digest = part.digest.clone();
                self.children.insert(digest.clone());
                waiting.push_back(Wanted { digest, tags: Vec::new(), is_listed: false });
                self.progress.expect(1, 0);
            } else {
                self.blob(part).await?;
            }
        }
        let mut last = None;
        loop {
            let (n, after) = (None, last.as_deref());
            let page = self.registry.referrers(&self.repository, &digest, None, n, after).await?;
            last = page.items.last().map(|referrer| referrer.digest.to_string());
            self.progress.expect(page.items.len() as u64, 0);
            waiting.extend(page.items.into_iter().map(|referrer| Wanted {
                digest: referrer.digest,
                tags: Vec::new(),
                is_listed: true,
            }));
            if !page.has_more {
                break;
            }
        }
        if !self.writer.has(&digest, size) {
            let content = stream::iter([Ok(stored.content)]);
            self.writer.add(&digest, size, content).await?;
        }
        self.exported.manifests += 1;
        Ok(())
    }

    async fn blob(&mut self, part: &Descriptor) -> Result<(), TransferError> {
        if !self.written.insert(part.digest.clone()) {
            return Ok(());
        }
        let blob = match self.registry.blob(&self.repository, &part.digest).await {
            // It may be absent, as the registry took the manifest without it.
            Err(RegistryError::BlobUnknown { .. }) => return Ok(()),
            blob => blob?,
        };
        self.exported.blobs += 1;
        self.exported.bytes += blob.size;
        if self.writer.has(&blob.digest, blob.size) {
            return Ok(());
        }
        self.progress.expect(1, blob.size);
        let progress = Arc::clone(&self.progress);
        let bytes = if blob.size == 0 {
            stream::empty().boxed()
        } else {
            let reader = self.registry.read_blob(&blob).await?;
            reader.stream(0..blob.size).await.map_err(RegistryError::from)?.boxed()
        };
        let counted = bytes.inspect(move |bytes| {
            progress.received(bytes.as_ref().map_or(0, Bytes::len) as u64);
        });
        self.writer.add(&blob.digest, blob.size, counted).await?;
        self.progress.done();
        Ok(())
    }
}

/// How the index names a manifest.
fn entry(digest: &Digest, manifest: &Manifest, content: &Bytes) -> Descriptor {
    Descriptor {
        media_type: manifest.media_type.clone(),
        digest: digest.clone(),
        size: content.len() as u64,
        artifact_type: manifest.subject.as_ref().and_then(|_| manifest.artifact_type.clone()),
        annotations: None,
        platform: None,
    }
}
