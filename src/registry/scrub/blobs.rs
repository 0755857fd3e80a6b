//! Rows of blobs, and the bytes of each.

use futures_util::TryStreamExt as _;

use super::{Pass, ScrubError};
use crate::metadata::blobs::Blob;
use crate::metadata::doomed_objects::{self, DoomedObject};
use crate::metadata::now;
use crate::metadata::stored_blobs::{self, StoredBlob};
use crate::oci::Hasher;
use crate::registry::copy::{self, Copied, To, Watch};
use crate::registry::pace::Pace;
use crate::storage::{BlobStore, BucketStore, Removal, StorageError};

/// Rows read at once.
const BATCH: i64 = 200;

/// What may be wrong with the bytes of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    Missing,
    Size,
    Content,
    Unreadable,
}

impl Damage {
    fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Size => "size",
            Self::Content => "content",
            Self::Unreadable => "unreadable",
        }
    }
}

impl Pass<'_> {
    pub(super) async fn blobs(&mut self) -> Result<(), ScrubError> {
        let mut is_first = true;
        loop {
            let mut connection = self.database().read().await?;
            let blobs = stored_blobs::after(&mut connection, self.id(), BATCH).await?;
            drop(connection);
            if blobs.is_empty() {
                return Ok(());
            }
            if std::mem::take(&mut is_first) && self.store().list_after("").await?.is_empty() {
                return Err(ScrubError::StoreEmpty);
            }
            for blob in blobs {
                let id = blob.blob.id;
                self.scrub.bytes += blob.blob.size;
                self.check(blob).await?;
                self.scrub.blobs += 1;
                self.passed(id.to_string()).await?;
            }
        }
    }

    /// Looks at one blob, again if it is stored anew meanwhile.
    async fn check(&self, mut blob: StoredBlob) -> Result<(), ScrubError> {
        let Blob { id, .. } = blob.blob;
        loop {
            let damage = verify(self.store(), &blob.blob, &self.pace).await?;
            match damage {
                None if blob.is_damaged => return self.show_again(&blob).await,
                None => return Ok(()),
                Some(damage) => {
                    let mut transaction = self.database().begin().await?;
                    let marked = stored_blobs::mark_damaged(&mut transaction, &blob, now()).await?;
                    transaction.commit().await?;
                    if marked {
                        return self.treat(&blob, damage).await;
                    }
                }
            }
            let mut connection = self.database().read().await?;
            match stored_blobs::find(&mut connection, id).await? {
                Some(again) => blob = again,
                None => return Ok(()), // It was collected.
            }
        }
    }

    async fn show_again(&self, StoredBlob { blob, .. }: &StoredBlob) -> Result<(), ScrubError> {
        self.mark_sound(blob, blob.location.clone()).await?;
        let outcome = "sound again, and served".to_owned();
        self.record("recovered", blob.digest.to_string(), blob.size, outcome).await
    }

    /// Keeps what there is of a damaged blob, which is hidden now, for inspection, and heals it if
    /// it can.
    async fn treat(&self, stored: &StoredBlob, damage: Damage) -> Result<(), ScrubError> {
        let blob = &stored.blob;
        let mut outcome = String::from("hidden");
        if stored.is_damaged {
            outcome = "hidden; known since an earlier scrub".to_owned();
        } else if damage != Damage::Missing {
            match self.store().quarantine(&blob.digest, blob.location.as_deref()).await {
                Ok(Some(key)) => outcome = format!("hidden; bytes kept at {key}"),
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, digest = %blob.digest, "not kept aside"),
            }
        }
        if self.heal(blob).await? {
            outcome = outcome.replacen("hidden", "healed from a copy", 1);
        }
        self.record(damage.as_str(), blob.digest.to_string(), blob.size, outcome).await
    }

    /// Takes the blob from another store that has it.
    async fn heal(&self, blob: &Blob) -> Result<bool, ScrubError> {
        for store in &self.scrubber.copies {
            let mut places = vec![blob.location.as_deref(), None];
            places.dedup();
            for location in places {
                let Blob { digest, size, .. } = blob;
                let source = copy::Source { store, digest, size: *size, location };
                let watch = Watch { pace: Some(&self.pace), progress: None };
                match copy::copy(source, self.store(), To::Upload, watch).await {
                    Ok(Copied::Whole(location)) => {
                        self.mark_sound(blob, location).await?;
                        return Ok(true);
                    }
                    Ok(Copied::Missing | Copied::Damaged(_)) => {}
                    Err(error) => {
                        tracing::warn!(%error, %digest, "a copy could not be read or stored");
                    }
                }
            }
        }
        Ok(false)
    }

    /// Shows a blob again, whose bytes are sound at `location`. In a bucket the object that is not
    /// needed goes: the damaged one, or the new one if a push or the collector was quicker.
    async fn mark_sound(&self, blob: &Blob, location: Option<String>) -> Result<(), ScrubError> {
        let Blob { id, digest, size, .. } = blob;
        let (digest, size, now) = (digest.clone(), *size, now());
        let mut transaction = self.database().begin().await?;
        let place = location.as_deref();
        let is_shown = stored_blobs::mark_sound(&mut transaction, *id, place, now).await?;
        if location != blob.location && matches!(self.store().removal(), Removal::ByKey(_)) {
            let needless = if is_shown { &blob.location } else { &location };
            let location = BucketStore::key(&digest, needless.as_deref());
            let object = DoomedObject { location, digest, size };
            doomed_objects::insert(&mut transaction, &object, now).await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

/// Reads a blob whole; what is wrong with it, if anything is.
///
/// # Errors
/// If the store fails: that is no damage of the blob.
async fn verify(
    store: &BlobStore,
    blob: &Blob,
    pace: &Pace,
) -> Result<Option<Damage>, StorageError> {
    let location = blob.location.as_deref();
    let missing = async || match store.size_of(&blob.digest, location).await? {
        Some(size) if size != blob.size => Ok(Some(Damage::Size)),
        _ => Ok(Some(Damage::Missing)),
    };
    let reader = match store.read(&blob.digest, blob.size, location).await {
        Ok(reader) => reader,
        Err(StorageError::BlobMissing(_)) => return missing().await,
        Err(error) => return failed(store, error).await,
    };
    let mut hasher = Hasher::new(blob.digest.algorithm());
    let read = async {
        if blob.size == 0 && matches!(store, BlobStore::Disk(_)) {
            return Ok(());
        }
        // Of an empty object nothing can be asked but that it is there.
        if blob.size == 0 {
            return match store.size_of(&blob.digest, location).await? {
                Some(0) => Ok(()),
                _ => Err(StorageError::BlobMissing(blob.digest.clone())),
            };
        }
        let mut stream = std::pin::pin!(reader.stream(0..blob.size).await?);
        while let Some(bytes) = stream.try_next().await? {
            pace.spend(bytes.len() as u64).await;
            hasher.update(&bytes);
        }
        Ok(())
    };
    match read.await {
        Ok(()) if hasher.finish() == blob.digest => Ok(None),
        Ok(()) => Ok(Some(Damage::Content)),
        Err(StorageError::BlobMissing(_)) => missing().await,
        Err(error) => failed(store, error).await,
    }
}

/// Whether an error is about one file, as of a bad sector, or about the whole store.
async fn failed(store: &BlobStore, error: StorageError) -> Result<Option<Damage>, StorageError> {
    let is_of_file = matches!(error, StorageError::Io(_)) && matches!(store, BlobStore::Disk(_));
    if is_of_file && store.ping().await.is_ok() { Ok(Some(Damage::Unreadable)) } else { Err(error) }
}
