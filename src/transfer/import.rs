//! Takes the repositories of a source into the registry.
//!
//! What is there already is skipped, so an import that was ended goes on where it stood, and one that
//! is made again brings what is new. A manifest is stored after everything it is made of, and a tag
//! after everything that belongs to what it names: no half of an image is ever seen.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::{StreamExt as _, stream};
use tokio::sync::{Mutex as Turn, OwnedMutexGuard, Semaphore};

use super::report::{Notes, Problem};
use super::repository_import::RepositoryImport;
use super::{Report, Source, TransferError};
use crate::oci::{Digest, RepositoryName, RepositoryPattern, Tag, TagPattern};
use crate::registry::{Progress, Registry};

/// Who the history of tags says it was.
pub(super) const ACTOR: &str = "import";

/// Which repositories of a source are taken, and which of their tags.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// All if empty.
    pub repositories: Vec<RepositoryPattern>,
    /// All, and manifests without tags, if empty.
    pub tags: Vec<TagPattern>,
}

impl Selection {
    /// The names that are asked for, if no pattern is.
    fn names(&self) -> Option<Vec<String>> {
        let names: Option<Vec<_>> =
            self.repositories.iter().map(|pattern| pattern.name().map(str::to_owned)).collect();
        names.filter(|names| !names.is_empty())
    }

    fn has(&self, name: &RepositoryName) -> bool {
        self.repositories.is_empty() || self.repositories.iter().any(|p| p.matches(name))
    }

    pub(super) fn has_tag(&self, tag: &Tag) -> bool {
        self.tags.is_empty() || self.tags.iter().any(|pattern| pattern.matches(tag))
    }
}

pub struct ImportOptions {
    pub selection: Selection,
    /// What the names here begin with, before the names of the source.
    pub below: Option<RepositoryName>,
    /// Requests and copies at the same time.
    pub jobs: usize,
    /// Whether files of the source may get a second name instead of being copied.
    pub may_link: bool,
    /// Bytes of a manifest.
    pub max_manifest_bytes: u64,
}

/// One run of an import.
pub struct Import {
    pub(super) registry: Registry,
    pub(super) source: Source,
    pub(super) options: ImportOptions,
    pub(super) progress: Arc<Progress>,
    pub(super) notes: Notes,
    /// What runs at the same time: reading from the source and storing.
    pub(super) jobs: Semaphore,
    /// Blobs that are being taken in, so that none is twice at once.
    turns: Mutex<HashMap<Digest, Arc<Turn<()>>>>,
    fatal: Mutex<Option<TransferError>>,
    is_over: AtomicBool,
}

impl Import {
    pub fn new(registry: Registry, source: Source, options: ImportOptions) -> Self {
        Self {
            registry,
            source,
            progress: Arc::default(),
            notes: Notes::default(),
            jobs: Semaphore::new(options.jobs),
            options,
            turns: Mutex::default(),
            fatal: Mutex::default(),
            is_over: AtomicBool::new(false),
        }
    }

    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Takes everything that was asked for. What cannot be had is in the report, and does not keep
    /// the rest from coming.
    ///
    /// # Errors
    /// [`TransferError`] if the source does not tell what it has, or our own store does not work.
    pub async fn run(&self) -> Result<Report, TransferError> {
        let names = self.names().await?;
        self.progress.expect(names.len() as u64, 0);
        stream::iter(names)
            .for_each_concurrent(self.options.jobs, async |name| {
                self.take(name).await;
                self.progress.done();
            })
            .await;
        match self.fatal.lock().expect("nobody panics with it").take() {
            Some(error) => Err(error),
            None => Ok(self.notes.report()),
        }
    }

    async fn names(&self) -> Result<Vec<RepositoryName>, TransferError> {
        let selection = &self.options.selection;
        let names = match selection.names() {
            Some(names) => names,
            None => self.source.repositories().await?,
        };
        let mut taken = Vec::new();
        for name in names {
            match RepositoryName::parse(&name) {
                Ok(name) if selection.has(&name) => taken.push(name),
                Ok(_) => {}
                Err(error) => self.notes.problem(&name, &error),
            }
        }
        Ok(taken)
    }

    async fn take(&self, name: RepositoryName) {
        if self.is_over() {
            return;
        }
        let target = match &self.options.below {
            None => Ok(name.clone()),
            Some(below) => RepositoryName::parse(&format!("{below}/{name}")),
        };
        let taken = match target {
            Ok(target) => RepositoryImport::new(self, &name, target).run().await,
            Err(error) => return self.notes.problem(&name, &error),
        };
        match taken {
            Ok(()) => self.notes.change(|report| report.repositories += 1),
            Err(error) => self.failed(name.as_str(), error),
        }
    }

    /// Notes that something could not be had; ends the import if nothing else could be either.
    pub(super) fn failed(&self, item: &str, error: TransferError) {
        if error.is_fatal() {
            self.is_over.store(true, Ordering::Relaxed);
            self.fatal.lock().expect("nobody panics with it").get_or_insert(error);
        } else {
            self.notes.problem(item, &error);
        }
    }

    pub(super) fn absent(&self, item: String, error: &TransferError) {
        let problem = Problem::new(item, error);
        self.notes.change(|report| report.absent.push(problem));
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Waits until nobody else takes this blob in.
    pub(super) async fn turn(&self, digest: &Digest) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.turns.lock().expect("nobody panics with it");
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(turns.entry(digest.clone()).or_default())
        };
        turn.lock_owned().await
    }
}
