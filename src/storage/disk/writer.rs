use std::fs::File;
use std::io::Write as _;

use bytes::Bytes;

use uuid::Uuid;

use crate::oci::Hasher;
use crate::storage::{SPLIT, StorageError, blocking, hash};

/// Writes and hashes the bytes of an upload session, in order.
pub struct FileWriter {
    id: Uuid,
    file: File,
    hasher: Hasher,
    written: u64,
}

impl FileWriter {
    /// `file` is positioned after the `written` bytes that `hasher` has seen.
    pub(super) fn new(id: Uuid, file: File, written: u64, hasher: Hasher) -> Self {
        Self { id, file, hasher, written }
    }

    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Bytes of the session so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// The hash over the bytes of the session so far.
    pub fn hasher(&self) -> &Hasher {
        &self.hasher
    }

    /// Adds bytes; hashing and writing go on at once.
    pub async fn write(self, batch: Vec<Bytes>) -> Result<Self, StorageError> {
        let Self { id, mut file, mut hasher, written } = self;
        let length: usize = batch.iter().map(Bytes::len).sum();
        let (file, hasher) = if length < SPLIT {
            blocking(move || {
                hash(&mut hasher, &batch);
                write(&mut file, &batch)?;
                Ok((file, hasher))
            })
            .await?
        } else {
            let copy = batch.clone(); // Of the handles, not of the bytes.
            let hashing = blocking(move || {
                hash(&mut hasher, &copy);
                Ok(hasher)
            });
            let writing = blocking(move || {
                write(&mut file, &batch)?;
                Ok(file)
            });
            let (hasher, file) = tokio::join!(hashing, writing);
            (file?, hasher?)
        };
        Ok(Self { id, file, hasher, written: written + length as u64 })
    }

    /// Makes what was written survive a crash of the machine.
    pub async fn sync(self) -> Result<Self, StorageError> {
        let Self { id, file, hasher, written } = self;
        let file = blocking(move || {
            file.sync_all()?;
            Ok(file)
        })
        .await?;
        Ok(Self { id, file, hasher, written })
    }
}

fn write(file: &mut File, batch: &[Bytes]) -> std::io::Result<()> {
    batch.iter().try_for_each(|bytes| file.write_all(bytes))
}
