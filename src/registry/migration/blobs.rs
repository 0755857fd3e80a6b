use std::sync::Mutex;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use uuid::Uuid;

use super::{Migration, MigrationError};
use crate::metadata;
use crate::metadata::blobs::Blob;
use crate::oci::{Digest, Hasher};
use crate::storage::{BlobReader, BlobStore, Session, StorageError, UploadWriter};

/// Blobs that are looked up at once.
const PAGE: i64 = 500;

/// Bytes that are written together.
const BATCH: usize = 256 << 10;

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
            check(&blob.digest, hasher)?;
            count(&|migrated| migrated.verified += 1);
        }
        Ok(())
    }

    async fn copy(&self, blob: &Blob, to: &BlobStore) -> Result<(), MigrationError> {
        let location = blob.location.as_deref();
        let reader = self.store.read(&blob.digest, blob.size, location).await?;
        let id = Uuid::new_v4();
        let hasher = Hasher::new(blob.digest.algorithm());
        let session = Session { id, hasher, received: 0, handle: None };
        let mut writer = to.open_at_digest(session, &blob.digest).await?;
        let mut bytes = std::pin::pin!(bytes_of(reader).await?);
        let (mut batch, mut size) = (Vec::<Bytes>::new(), 0);
        let read = loop {
            match bytes.try_next().await {
                Ok(Some(bytes)) => {
                    self.progress.received(bytes.len() as u64);
                    size += bytes.len();
                    batch.push(bytes);
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
            if size >= BATCH {
                writer = writer.write(std::mem::take(&mut batch)).await?;
                size = 0;
            }
        };
        writer = writer.write(batch).await?;
        writer.settle().await?;
        let checked = match read {
            Ok(()) => check(&blob.digest, writer.hasher().clone()),
            Err(error) => Err(error.into()),
        };
        if checked.is_err() {
            discard(to, id, writer).await?;
            return checked;
        }
        to.finish_upload(writer, &blob.digest).await?;
        Ok(())
    }
}

async fn discard(store: &BlobStore, id: Uuid, writer: UploadWriter) -> Result<(), StorageError> {
    let handle = writer.keep().await?;
    store.remove_upload(id, handle.as_deref()).await
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

fn check(expected: &Digest, hasher: Hasher) -> Result<(), MigrationError> {
    let actual = hasher.finish();
    if actual == *expected {
        return Ok(());
    }
    Err(MigrationError::Damaged { expected: expected.clone(), actual })
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
