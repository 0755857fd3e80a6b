use std::fs::File;
use std::io::{self, IoSlice, Write as _};
use std::mem;
use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::write_behind::WriteBehind;
use crate::oci::Hasher;
use crate::storage::{SPLIT, StorageError, blocking, hash};

/// Writes and hashes the bytes of an upload session, in order.
pub struct FileWriter {
    id: Uuid,
    file: Arc<File>,
    hasher: Hasher,
    written: u64,
    /// Few bytes that are hashed, and written with what comes next.
    held_back: Vec<Bytes>,
    behind: WriteBehind,
    /// Whether nothing was written since the last sync.
    is_durable: bool,
}

impl FileWriter {
    /// `file` is positioned after the `written` bytes that `hasher` has seen.
    pub(super) fn new(id: Uuid, file: File, written: u64, hasher: Hasher) -> Self {
        let (file, behind) = (Arc::new(file), WriteBehind::new());
        Self { id, file, hasher, written, held_back: Vec::new(), behind, is_durable: false }
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

    /// Adds bytes; hashing and writing go on at once. Few are kept back, so that those of a small
    /// blob are written, named and synced in one go.
    pub async fn write(mut self, batch: Vec<Bytes>) -> Result<Self, StorageError> {
        let length: usize = batch.iter().map(Bytes::len).sum();
        let held_back: usize = self.held_back.iter().map(Bytes::len).sum();
        if held_back + length < SPLIT {
            hash(&mut self.hasher, &batch);
            self.held_back.extend(batch);
            self.is_durable = false;
        } else {
            self = self.write_through(batch).await?;
        }
        self.written += length as u64;
        Ok(self)
    }

    async fn write_through(self, batch: Vec<Bytes>) -> Result<Self, StorageError> {
        let Self { id, file, mut hasher, written, mut held_back, mut behind, .. } = self;
        let copy = batch.clone(); // Of the handles, not of the bytes.
        let hashing = blocking(move || {
            hash(&mut hasher, &copy);
            Ok(hasher)
        });
        held_back.extend(batch);
        let length = held_back.iter().map(|bytes| bytes.len() as u64).sum();
        let to = Arc::clone(&file);
        let writing = blocking(move || Ok(write(&to, &held_back)?));
        let (hasher, done) = tokio::join!(hashing, writing);
        done?;
        behind.wrote(&file, length).await?;
        let held_back = Vec::new();
        Ok(Self { id, file, hasher: hasher?, written, held_back, behind, is_durable: false })
    }

    /// Makes what was written survive a crash of the machine.
    pub async fn sync(&mut self) -> Result<(), StorageError> {
        let rest = self.rest().await?;
        blocking(move || Ok(rest.sync()?)).await?;
        self.is_durable = true;
        Ok(())
    }

    /// Writes what was held back.
    pub(super) async fn flush(&mut self) -> Result<(), StorageError> {
        let rest = self.rest().await?;
        blocking(move || Ok(rest.write()?)).await
    }

    /// What is still to be done, when nothing else is done with the file any more.
    pub(super) async fn rest(&mut self) -> Result<Rest, StorageError> {
        self.behind.settle().await?;
        let (file, bytes) = (Arc::clone(&self.file), mem::take(&mut self.held_back));
        Ok(Rest { file, bytes, is_durable: self.is_durable })
    }
}

/// The last bytes of a session, and its file.
pub(super) struct Rest {
    file: Arc<File>,
    bytes: Vec<Bytes>,
    is_durable: bool,
}

impl Rest {
    fn write(&self) -> io::Result<()> {
        write(&self.file, &self.bytes)
    }

    /// Writes them, and makes all bytes of the session durable. Waits for the disk.
    pub fn sync(&self) -> io::Result<()> {
        if self.is_durable {
            return Ok(());
        }
        self.write()?;
        self.file.sync_data()
    }
}

fn write(mut file: &File, batch: &[Bytes]) -> io::Result<()> {
    let mut slices: Vec<_> = batch.iter().map(|bytes| IoSlice::new(bytes)).collect();
    let mut rest = &mut slices[..];
    // Takes off the empty ones.
    IoSlice::advance_slices(&mut rest, 0);
    while !rest.is_empty() {
        match file.write_vectored(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut rest, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
