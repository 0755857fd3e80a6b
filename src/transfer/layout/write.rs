use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use tokio_util::io::{StreamReader, SyncIoBridge};

use super::{INDEX, Index, MARK, MARK_CONTENT, REF_NAME, is_tar, tag_of};
use crate::oci::{Descriptor, Digest, MediaType, Tag};
use crate::storage::StorageError;
use crate::transfer::TransferError;

/// Writes a layout. Nothing of it counts before [`LayoutWriter::finish`]: a folder has its index
/// last, a tar file gets its name last.
pub struct LayoutWriter {
    path: PathBuf,
    place: Place,
    entries: Vec<Descriptor>,
}

enum Place {
    Folder,
    /// Written beside its place.
    Tar {
        part: PathBuf,
        builder: tar::Builder<BufWriter<File>>,
    },
}

impl LayoutWriter {
    /// Begins a tar file if the name ends in `.tar`, else a folder, which may be a layout already:
    /// then content is added to it.
    ///
    /// # Errors
    /// [`TransferError`] if it cannot be made, or something else is there.
    pub async fn open(path: &Path) -> Result<Self, TransferError> {
        let path = path.to_owned();
        let shown = path.display().to_string();
        let opened = tokio::task::spawn_blocking(move || open(path)).await;
        opened
            .map_err(io::Error::other)
            .and_then(|opened| opened)
            .map_err(|source| TransferError::Write { path: shown, source })
    }

    /// Whether a blob need not be added, as it is there from before.
    pub fn has(&self, digest: &Digest, size: u64) -> bool {
        let Place::Folder = self.place else { return false };
        fs::metadata(self.path.join(name_of(digest))).is_ok_and(|file| file.len() == size)
    }

    /// Adds a blob of `size` bytes, or a manifest.
    pub async fn add(
        &mut self,
        digest: &Digest,
        size: u64,
        bytes: impl Stream<Item = Result<Bytes, StorageError>> + Send + 'static,
    ) -> Result<(), TransferError> {
        let name = name_of(digest);
        let bytes = bytes.map(|bytes| bytes.map_err(io::Error::other));
        let mut reader = SyncIoBridge::new(StreamReader::new(bytes.boxed()));
        let write = |source| TransferError::Write { path: name.clone(), source };
        match &mut self.place {
            Place::Folder => {
                let file = self.path.join(&name);
                let written = tokio::task::spawn_blocking(move || {
                    let part = file.with_extension("part");
                    fs::create_dir_all(file.parent().unwrap_or(&file))?;
                    let length = io::copy(&mut reader, &mut File::create(&part)?)?;
                    if length != size {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    fs::rename(part, file)
                });
                written.await.map_err(io::Error::other).map_err(write)?.map_err(write)
            }
            Place::Tar { builder, .. } => {
                // The reader needs the runtime's threads to go on meanwhile.
                tokio::task::block_in_place(|| builder.append_data(&mut head(size), &name, reader))
                    .map_err(write)
            }
        }
    }

    /// Names a manifest in the index, with a tag if it has one.
    pub fn list(&mut self, mut entry: Descriptor, tag: Option<&Tag>) {
        let tag = tag.map(Tag::as_str);
        // A tag names one manifest, and a manifest without a tag stands there once.
        self.entries.retain(|known| {
            let is_replaced = match tag {
                Some(_) => tag_of(known) == tag,
                None => tag_of(known).is_none() && known.digest == entry.digest,
            };
            !is_replaced
        });
        if let Some(tag) = tag {
            let annotations = entry.annotations.get_or_insert_with(BTreeMap::new);
            annotations.insert(REF_NAME.to_owned(), tag.to_owned());
        }
        self.entries.push(entry);
    }

    /// Takes manifests off the index that have no tag of their own, as others there lead to them.
    pub fn unlist(&mut self, digests: &HashSet<Digest>) {
        self.entries.retain(|entry| tag_of(entry).is_some() || !digests.contains(&entry.digest));
    }

    /// Completes the layout.
    pub async fn finish(self) -> Result<(), TransferError> {
        let shown = self.path.display().to_string();
        let finished = tokio::task::spawn_blocking(move || self.close()).await;
        finished
            .map_err(io::Error::other)
            .and_then(|finished| finished)
            .map_err(|source| TransferError::Write { path: shown, source })
    }

    fn close(self) -> io::Result<()> {
        let index = Index {
            schema_version: 2,
            media_type: Some(MediaType::OCI_INDEX.to_owned()),
            manifests: self.entries,
        };
        let index = serde_json::to_vec(&index)?;
        match self.place {
            Place::Folder => {
                let part = self.path.join("index.json.part");
                fs::write(&part, &index)?;
                fs::rename(part, self.path.join(INDEX))
            }
            Place::Tar { part, mut builder } => {
                builder.append_data(&mut head(index.len() as u64), INDEX, index.as_slice())?;
                let mut file = builder.into_inner()?;
                file.flush()?;
                file.get_ref().sync_all()?;
                fs::rename(part, self.path)
            }
        }
    }
}

fn open(path: PathBuf) -> io::Result<LayoutWriter> {
    if is_tar(&path) {
        if path.exists() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let mut part = path.clone().into_os_string();
        part.push(".part");
        let part = PathBuf::from(part);
        let mut builder = tar::Builder::new(BufWriter::new(File::create(&part)?));
        let mark = MARK_CONTENT.as_bytes();
        builder.append_data(&mut head(mark.len() as u64), MARK, mark)?;
        return Ok(LayoutWriter { path, place: Place::Tar { part, builder }, entries: Vec::new() });
    }
    let entries = match fs::read(path.join(INDEX)) {
        Ok(index) => serde_json::from_slice::<Index>(&index)?.manifests,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if fs::read_dir(&path).is_ok_and(|mut files| files.next().is_some())
                && !path.join(MARK).exists()
            {
                let other = "the folder holds something else than an OCI image layout";
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, other));
            }
            Vec::new()
        }
        Err(error) => return Err(error),
    };
    fs::create_dir_all(path.join("blobs"))?;
    fs::write(path.join(MARK), MARK_CONTENT)?;
    Ok(LayoutWriter { path, place: Place::Folder, entries })
}

fn head(size: u64) -> tar::Header {
    let mut head = tar::Header::new_gnu();
    head.set_size(size);
    head.set_mode(0o644);
    head
}

fn name_of(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().as_str(), digest.hex())
}
