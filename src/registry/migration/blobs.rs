use std::sync::Mutex;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::{Migration, MigrationError};
use crate::metadata;
use crate::metadata::blobs::Blob;
use crate::oci::{Digest, Hasher};
use crate::registry::copy::{self, Copied, To, Watch};
use crate::storage::{BlobReader, BlobStore, StorageError};

/// Blobs that are looked up at once.
const PAGE: i64 = 500;

/// What became of the blobs.
#[derive(Debug, Default)]
pub struct MigratedBlobs {
    pub copied: u64,
    pub bytes: u64,
    /// There from before, with the right size.
    pub known: u64,
    /// Read again at the new place, and right.
    pub verified: u64,
    /// Blobs that are not whole at the new place, and why.
    pub failed: Vec<(Digest, MigrationError)>,
}

impl Migration {
    /// Copies all blobs that the new store does not have; what is copied is hashed on its way. With
    /// `verify`, each blob is read again where it is now.
    ///
    /// # Errors
    /// [`MigrationError`] if the database or a store fails as a whole; a blob that fails is in the
    /// answer.
    pub async fn copy_blobs(&self, verify: bool) -> Result<MigratedBlobs, MigrationError> {
        let migrated = Mutex::new(MigratedBlobs::default());
        let mut last = 0;
        loop {
            let mut connection = self.database.read().await?;
            let found = metadata::stored_blobs::after(&mut connection, last, PAGE).await?;
            let blobs: Vec<_> = found.into_iter().map(|stored| stored.blob).collect();
            drop(connection);
            let Some(blob) = blobs.last() else { break };
            last = blob.id;
            let bytes = blobs.iter().map(|blob| blob.size).sum();
            self.progress.expect(blobs.len() as u64, bytes);
            let work =
                stream::iter(blobs).map(Ok).try_for_each_concurrent(self.jobs, async |blob| {
                    let done = self.copy_blob(&blob, verify, &migrated).await;
                    self.progress.done();
                    match done {
                        Err(error) if is_of_the_blob(&error) => {
                            let mut migrated = migrated.lock().expect("nobody panics with it");
                            migrated.failed.push((blob.digest, error));
                            Ok(())
                        }
                        done => done,
                    }
                });
            work.await?;
        }
        Ok(migrated.into_inner().expect("nobody panics with it"))
    }

    async fn copy_blob(
        &self,
        blob: &Blob,
        verify: bool,
        migrated: &Mutex<MigratedBlobs>,
    ) -> Result<(), MigrationError> {
        let count = |count: &dyn Fn(&mut MigratedBlobs)| {
            count(&mut migrated.lock().expect("nobody panics with it"));
        };
        let (store, location) = match &self.new_store {
            None => (&self.store, blob.location.as_deref()),
            Some(store) => {
                if store.size_of(&blob.digest, None).await? == Some(blob.size) {
                    self.progress.received(blob.size);
                    count(&|migrated| migrated.known += 1);
                } else {
                    self.copy(blob, store).await?;
                    count(&|migrated| {
                        migrated.copied += 1;
                        migrated.bytes += blob.size;
                    });
                }
                (store, None)
            }
        };
        let found = store.size_of(&blob.digest, location).await?;
        if found != Some(blob.size) {
            let (digest, expected) = (blob.digest.clone(), blob.size);
            return Err(MigrationError::Size { digest, expected, found });
        }
        if verify {
            let reader = store.read(&blob.digest, blob.size, location).await?;
            let mut hasher = Hasher::new(blob.digest.algorithm());
            let mut bytes = std::pin::pin!(bytes_of(reader).await?);
            while let Some(bytes) = bytes.try_next().await? {
                hasher.update(&bytes);
            }
            let actual = hasher.finish();
            if actual != blob.digest {
                return Err(MigrationError::Damaged { expected: blob.digest.clone(), actual });
            }
            count(&|migrated| migrated.verified += 1);
        }
        Ok(())
    }

    async fn copy(&self, blob: &Blob, to: &BlobStore) -> Result<(), MigrationError> {
        let Blob { digest, size, location, .. } = blob;
        let location = location.as_deref();
        let source = copy::Source { store: &self.store, digest, size: *size, location };
        let watch = Watch { pace: None, progress: Some(&*self.progress) };
        match copy::copy(source, to, To::Digest, watch).await? {
            Copied::Whole(_) => Ok(()),
            Copied::Missing => Err(StorageError::BlobMissing(digest.clone()).into()),
            Copied::Damaged(actual) => {
                Err(MigrationError::Damaged { expected: digest.clone(), actual })
            }
        }
    }
}

async fn bytes_of(
    reader: BlobReader,
) -> Result<impl futures_util::Stream<Item = Result<Bytes, StorageError>>, StorageError> {
    let size = reader.size();
    Ok(if size == 0 {
        stream::empty().left_stream()
    } else {
        reader.stream(0..size).await?.right_stream()
    })
}

/// Whether an error is about this blob alone.
fn is_of_the_blob(error: &MigrationError) -> bool {
    matches!(
        error,
        MigrationError::Damaged { .. }
            | MigrationError::Size { .. }
            | MigrationError::Storage(StorageError::BlobMissing(_))
    )
}
