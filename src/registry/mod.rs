//! What the registry does: push, pull, mount, list, delete. The only place where rows and bytes
//! meet.
//!
//! Each function is one use case and holds its transaction. Who may do it is decided before, by
//! the caller.
//!
//! Order: bytes become durable first and visible second, by the commit of a row; they become
//! invisible first and are removed second. A crash in between leaves garbage, never a row without
//! its bytes.

mod activity;
mod attributes;
pub mod backup;
mod blobs;
mod catalog;
mod copy;
mod counts;
mod deletion;
mod error;
mod files;
mod forecast;
mod garbage;
mod gc_round;
mod held;
mod history;
mod holders;
mod ingest;
mod inspection;
mod layer_files;
mod lease;
mod listing;
mod locks;
mod manifests;
mod migration;
mod overview;
mod pace;
mod paging;
mod platform;
mod progress;
mod promotion;
mod publishing;
mod pulls;
mod samples;
pub mod scrub;
mod space;
mod tags;
mod uploads;

use std::sync::Arc;

pub use activity::{Activity, State};
pub use deletion::RestoreManifest;
pub use error::RegistryError;
pub use forecast::{Finding, Forecast};
pub use garbage::Collected;
pub use ingest::{Incoming, IncomingError};
pub use inspection::Inspection;
pub use layer_files::{FileKind, LayerFile, LayerFiles, ListingEnd};
pub use listing::{ManifestDetails, Paging, TaggedManifest};
pub use locks::{Disallowed, Item};
pub use manifests::{PushManifest, PushedManifest};
pub use migration::{MigratedBlobs, Migration, MigrationError};
pub use overview::{RepositoryGlance, RepositoryList, TagGlance};
pub use paging::Page;
pub use progress::Progress;
pub use promotion::Promotion;
pub use space::SpaceReport;
pub use uploads::{ChunkRange, Declared};

use tokio::sync::Semaphore;

use holders::Holders;
use pulls::PullCounts;
use space::SpaceCounts;

use crate::metadata::blobs::FoundBlob;
use crate::metadata::manifests::FoundManifest;
use crate::metadata::{Database, Remembered};
use crate::oci::{Digest, Reference, RepositoryName};
use crate::settings::{GcSettings, PolicySettings, RegistrySettings, Settings};
use crate::storage::BlobStore;

/// The registry. Cheap to clone.
#[derive(Clone)]
pub struct Registry {
    database: Database,
    store: BlobStore,
    settings: Arc<RegistrySettings>,
    gc: Arc<GcSettings>,
    policies: Arc<[PolicySettings]>,
    known_manifests: Arc<Remembered<(RepositoryName, Reference), FoundManifest>>,
    known_blobs: Arc<Remembered<(RepositoryName, Digest), FoundBlob>>,
    /// Unless other processes work on the same database.
    holders: Option<Holders>,
    /// Turns of those that look into layers.
    listings: Arc<Semaphore>,
    pulls: PullCounts,
    space_counts: SpaceCounts,
}

impl Registry {
    pub fn new(database: Database, store: BlobStore, settings: &Settings) -> Self {
        let cache_bytes = settings.metadata.cache_bytes as usize;
        Self {
            holders: (!database.is_shared()).then(Holders::default),
            known_manifests: Arc::new(Remembered::new(cache_bytes / 4 * 3, |_, found| {
                found.manifest.content.len()
            })),
            known_blobs: Arc::new(Remembered::new(cache_bytes / 4, |_, _| 0)),
            database,
            store,
            settings: Arc::new(settings.registry.clone()),
            gc: Arc::new(settings.gc.clone()),
            policies: settings.policy.as_slice().into(),
            listings: Arc::new(Semaphore::new(layer_files::AT_ONCE)),
            pulls: PullCounts::default(),
            space_counts: SpaceCounts::default(),
        }
    }
}
