//! One repository of a source: its manifests from the leaves up, then what refers to them, then its
//! tags.

use std::collections::{HashMap, HashSet};
use std::mem;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::future::{BoxFuture, join_all};
use futures_util::{FutureExt as _, StreamExt as _, stream};
use tokio::sync::OnceCell;

use super::TransferError;
use super::import::{ACTOR, Import};
use super::source::{SourceBlob, SourceManifest};
use crate::oci::{
    Descriptor, Digest, Manifest, ManifestKind, Reference, ReferenceRole, RepositoryName, Tag,
};
use crate::registry::{Incoming, Promotion, PushManifest, RegistryError};

/// Tags that are set in one transaction.
const TAGS_AT_ONCE: usize = 100;

/// How a manifest or a blob came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Here,
    /// The source does not have it.
    Absent,
    /// That it could not be had has been told.
    Failed,
}

pub(super) struct RepositoryImport<'a> {
    import: &'a Import,
    /// In the source.
    name: &'a RepositoryName,
    target: RepositoryName,
    manifests: Mutex<HashMap<Digest, Arc<OnceCell<Outcome>>>>,
    /// Manifests that came since somebody looked.
    fresh: Mutex<Vec<Digest>>,
}

impl<'a> RepositoryImport<'a> {
    pub fn new(import: &'a Import, name: &'a RepositoryName, target: RepositoryName) -> Self {
        Self { import, name, target, manifests: Mutex::default(), fresh: Mutex::default() }
    }

    /// # Errors
    /// [`TransferError`] if the source does not tell what the repository has.
    pub async fn run(&self) -> Result<(), TransferError> {
        let tags = self.tags().await?;
        let mut waiting: HashSet<Digest> = tags.iter().map(|(_, digest)| digest.clone()).collect();
        if self.import.options.selection.tags.is_empty() {
            waiting.extend(self.import.source.manifests(self.name).await?);
        }
        while !waiting.is_empty() && !self.import.is_over() {
            let wave = stream::iter(waiting.drain().collect::<Vec<_>>());
            let jobs = self.import.options.jobs;
            wave.for_each_concurrent(jobs, |digest| self.manifest(digest).map(drop)).await;
            let fresh = mem::take(&mut *self.fresh.lock().expect("nobody panics with it"));
            let mut found = stream::iter(fresh)
                .map(|digest| self.referrers(digest))
                .buffer_unordered(self.import.options.jobs);
            while let Some(referrers) = found.next().await {
                waiting.extend(referrers.into_iter().filter(|digest| !self.is_known(digest)));
            }
        }
        if self.import.options.selection.tags.is_empty() {
            self.other_blobs().await?;
        }
        self.set_tags(tags).await;
        Ok(())
    }

    /// Tags that are asked for, and what they name.
    async fn tags(&self) -> Result<Vec<(Tag, Digest)>, TransferError> {
        let found = self.import.source.tags(self.name).await?;
        let mut resolved = stream::iter(found)
            .map(async |found| {
                let item = format!("{}:{}", self.name, found.name);
                let tag = match Tag::parse(&found.name) {
                    Ok(tag) if self.import.options.selection.has_tag(&tag) => tag,
                    Ok(_) => return None,
                    Err(error) => {
                        self.import.notes.problem(item, &error);
                        return None;
                    }
                };
                let digest = match found.digest {
                    Some(digest) => Ok(digest),
                    None => {
                        let _job = self.import.jobs.acquire().await;
                        self.import.source.resolve(self.name, &tag).await
                    }
                };
                match digest {
                    Ok(digest) => Some((tag, digest)),
                    Err(error) => {
                        self.import.failed(&item, error);
                        None
                    }
                }
            })
            .buffer_unordered(self.import.options.jobs);
        let mut tags = Vec::new();
        while let Some(tag) = resolved.next().await {
            tags.extend(tag);
        }
        tags.sort();
        Ok(tags)
    }

    /// Takes a manifest with everything it is made of, once however often it is asked for.
    fn manifest(&self, digest: Digest) -> BoxFuture<'_, Outcome> {
        async move {
            let cell = {
                let mut manifests = self.manifests.lock().expect("nobody panics with it");
                Arc::clone(manifests.entry(digest.clone()).or_default())
            };
            *cell
                .get_or_init(async || {
                    self.import.progress.expect(1, 0);
                    let item = format!("{}@{digest}", self.name);
                    let outcome = match self.take_manifest(&digest).await {
                        Ok(()) => {
                            self.fresh.lock().expect("nobody panics with it").push(digest.clone());
                            Outcome::Here
                        }
                        Err(error) if error.is_missing() => {
                            self.import.absent(item, &error);
                            Outcome::Absent
                        }
                        Err(error) => {
                            self.import.failed(&item, error);
                            Outcome::Failed
                        }
                    };
                    self.import.progress.done();
                    outcome
                })
                .await
        }
        .boxed()
    }

    async fn take_manifest(&self, digest: &Digest) -> Result<(), TransferError> {
        if self.import.is_over() {
            return Err(TransferError::Incomplete(digest.clone()));
        }
        let known = self.known_manifest(digest).await?;
        let (is_known, SourceManifest { content, media_type }) = match known {
            Some(manifest) => (true, manifest),
            None => {
                let _job = self.import.jobs.acquire().await;
                let max_bytes = self.import.options.max_manifest_bytes;
                (false, self.import.source.manifest(self.name, digest, max_bytes).await?)
            }
        };
        let manifest = Manifest::parse(media_type.as_ref(), &content)?;
        self.parts(&manifest, is_known).await?;
        if is_known {
            self.import.notes.change(|report| report.manifests.known += 1);
            return Ok(());
        }
        let _job = self.import.jobs.acquire().await;
        let push = PushManifest {
            repository: &self.target,
            reference: &Reference::Digest(digest.clone()),
            tags: &[],
            content_type: media_type.as_ref(),
            content,
            actor: ACTOR,
        };
        self.import.registry.push_manifest(push).await?;
        self.import.notes.change(|report| report.manifests.new += 1);
        Ok(())
    }

    /// The manifest, if the registry has it already.
    async fn known_manifest(
        &self,
        digest: &Digest,
    ) -> Result<Option<SourceManifest>, TransferError> {
        let reference = Reference::Digest(digest.clone());
        match self.import.registry.manifest(&self.target, &reference).await {
            Ok(stored) => Ok(Some(SourceManifest {
                content: stored.content,
                media_type: Some(stored.media_type),
            })),
            Err(
                RegistryError::ManifestUnknown { .. }
                | RegistryError::ManifestDamaged(_)
                | RegistryError::RepositoryUnknown(_),
            ) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes what a manifest is made of. A manifest that is here has its blobs here too.
    async fn parts(&self, manifest: &Manifest, is_known: bool) -> Result<(), TransferError> {
        let mut seen = HashSet::new();
        let parts = manifest.references().filter(|(_, part)| seen.insert(part.digest.clone()));
        let parts = parts.map(async |(role, part)| {
            // Caches of builders list layers as if they were manifests.
            let is_manifest =
                role == ReferenceRole::Manifest && ManifestKind::of(&part.media_type).is_some();
            let outcome = match is_manifest {
                true => self.manifest(part.digest.clone()).await,
                false if is_known => Outcome::Here,
                false => self.blob(part).await,
            };
            (outcome, part)
        });
        for (outcome, part) in join_all(parts).await {
            // What the source lacks, the registry may let be absent.
            if outcome == Outcome::Failed {
                return Err(TransferError::Incomplete(part.digest.clone()));
            }
        }
        Ok(())
    }

    async fn blob(&self, part: &Descriptor) -> Outcome {
        match self.take_blob(&part.digest, part.size).await {
            Ok(()) => Outcome::Here,
            Err(error) if error.is_missing() => {
                self.import.absent(format!("{}@{}", self.name, part.digest), &error);
                Outcome::Absent
            }
            Err(error) => {
                self.import.failed(&format!("{}@{}", self.name, part.digest), error);
                Outcome::Failed
            }
        }
    }

    /// Takes a blob by the cheapest way there is. `size` is what is expected.
    async fn take_blob(&self, digest: &Digest, size: u64) -> Result<(), TransferError> {
        let _turn = self.import.turn(digest).await;
        let _job = self.import.jobs.acquire().await;
        if self.import.is_over() {
            return Err(TransferError::Incomplete(digest.clone()));
        }
        let (registry, target) = (&self.import.registry, &self.target);
        match registry.blob(target, digest).await {
            Ok(_) => {
                self.import.notes.change(|report| report.blobs.known += 1);
                return Ok(());
            }
            Err(RegistryError::BlobUnknown { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        if registry.mount_from_any(target, digest).await? {
            self.import.notes.change(|report| report.blobs.mounted += 1);
            return Ok(());
        }
        self.import.progress.expect(1, size);
        let body = match self.import.source.blob(self.name, digest).await? {
            SourceBlob::Stream(body) => body,
            SourceBlob::File(file) => {
                if self.import.options.may_link && registry.link_blob(target, digest, &file).await?
                {
                    self.import.progress.received(size);
                    self.import.progress.done();
                    self.import.notes.change(|report| report.blobs.linked += 1);
                    return Ok(());
                }
                read_file(&file).await?
            }
        };
        registry.push_blob(target, digest, ACTOR, self.counted(body)).await?;
        let size = registry.blob(target, digest).await?.size;
        self.import.progress.done();
        self.import.notes.change(|report| {
            report.blobs.copied += 1;
            report.blobs.bytes += size;
        });
        Ok(())
    }

    /// The same bytes, which are counted as they pass.
    fn counted(&self, body: Incoming) -> Incoming {
        let progress = self.import.progress();
        body.inspect(move |bytes| {
            let length = bytes.as_ref().map_or(0, Bytes::len);
            progress.received(length as u64);
        })
        .boxed()
    }

    /// Blobs that the source shows and no manifest brought.
    async fn other_blobs(&self) -> Result<(), TransferError> {
        let blobs = self.import.source.blobs(self.name).await?;
        let unseen =
            stream::iter(blobs).for_each_concurrent(self.import.options.jobs, async |digest| {
                if self.import.registry.blob(&self.target, &digest).await.is_ok() {
                    return;
                }
                match self.take_blob(&digest, 0).await {
                    Ok(()) => {}
                    // Its storage was collected; the link says nothing any more.
                    Err(error) if error.is_missing() => {}
                    Err(error) => self.import.failed(&format!("{}@{digest}", self.name), error),
                }
            });
        unseen.await;
        Ok(())
    }

    async fn referrers(&self, digest: Digest) -> Vec<Digest> {
        let _job = self.import.jobs.acquire().await;
        let max_bytes = self.import.options.max_manifest_bytes;
        match self.import.source.referrers(self.name, &digest, max_bytes).await {
            Ok(referrers) => referrers,
            Err(error) => {
                self.import.failed(&format!("referrers of {}@{digest}", self.name), error);
                Vec::new()
            }
        }
    }

    /// Whether a manifest has been asked for.
    fn is_known(&self, digest: &Digest) -> bool {
        self.manifests.lock().expect("nobody panics with it").contains_key(digest)
    }

    fn outcome(&self, digest: &Digest) -> Option<Outcome> {
        let manifests = self.manifests.lock().expect("nobody panics with it");
        manifests.get(digest)?.get().copied()
    }

    /// Lets the tags name what came.
    async fn set_tags(&self, tags: Vec<(Tag, Digest)>) {
        let mut moves = Vec::new();
        for (tag, digest) in tags {
            let reference = Reference::Tag(tag.clone());
            let now = self.import.registry.manifest(&self.target, &reference).await;
            match (self.outcome(&digest), now) {
                (Some(Outcome::Here), Ok(now)) if now.digest == digest => {
                    self.import.notes.change(|report| report.tags.known += 1);
                }
                (Some(Outcome::Here), _) => moves.push(Promotion {
                    source: self.target.clone(),
                    reference: Reference::Digest(digest),
                    target: self.target.clone(),
                    tag,
                }),
                _ => {
                    let error = TransferError::Incomplete(digest);
                    self.import.failed(&format!("{}:{tag}", self.name), error);
                }
            }
        }
        for moves in moves.chunks(TAGS_AT_ONCE) {
            if self.import.is_over() {
                return;
            }
            // One that a lock or a policy forbids must not keep the others from moving.
            if self.set(moves).await.is_ok() {
                continue;
            }
            for one in moves.chunks(1) {
                if let Err(error) = self.set(one).await {
                    self.import.failed(&format!("{}:{}", self.name, one[0].tag), error.into());
                }
            }
        }
    }

    async fn set(&self, moves: &[Promotion]) -> Result<(), RegistryError> {
        self.import.registry.promote(moves, ACTOR).await?;
        self.import.notes.change(|report| report.tags.new += moves.len() as u64);
        Ok(())
    }
}

async fn read_file(path: &Path) -> Result<Incoming, TransferError> {
    const CHUNK: usize = 256 << 10;
    let read = |source| TransferError::Read { path: path.display().to_string(), source };
    let file = tokio::fs::File::open(path).await.map_err(read)?;
    let stream = tokio_util::io::ReaderStream::with_capacity(file, CHUNK);
    Ok(stream.map(|bytes| bytes.map_err(Into::into)).boxed())
}
