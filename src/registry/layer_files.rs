//! The files in a layer, read from its archive without keeping it: within bounds of bytes, entries
//! and time, as anybody may have made it.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use flate2::read::MultiGzDecoder;
use futures_util::TryStreamExt as _;
use tar::{Archive, EntryType, PaxExtensions};
use tokio_util::io::{StreamReader, SyncIoBridge};

use super::{Registry, RegistryError};
use crate::oci::{Digest, RepositoryName};
use crate::storage::StorageError;

/// What one look at a layer may cost.
const MAX_ENTRIES: usize = 20_000;
const MAX_PACKED_BYTES: u64 = 256 << 20;
const MAX_BYTES: u64 = 1 << 30;
const MAX_TIME: Duration = Duration::from_secs(5);
/// Memory that an archive may make us hold, as a power of two: what `zstd --long` makes fits.
const MAX_ZSTD_WINDOW_LOG: u32 = 27;
/// Longer names are cut, and attributes that hold them are not read.
const MAX_NAME_BYTES: u64 = 64 * 1024;

/// Looks that go on at once; the others wait.
pub(super) const AT_ONCE: usize = 2;

/// What a layer holds, as far as it was looked at.
#[derive(Clone, Debug, Default)]
pub struct LayerFiles {
    pub files: Vec<LayerFile>,
    /// Why there may be more, or why nothing could be read.
    pub end: Option<ListingEnd>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListingEnd {
    /// A bound was reached.
    TooLarge,
    TooSlow,
    /// It is no archive, or a damaged one.
    NoArchive,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerFile {
    pub path: String,
    pub kind: FileKind,
    /// In bytes.
    pub size: u64,
    /// Permissions, as in 0o755.
    pub mode: u32,
    /// Where a link leads to.
    pub target: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    File,
    Folder,
    Link,
    /// A mark that a lower layer's file is gone (image-spec, layer.md, "Whiteouts").
    Whiteout,
    Other,
}

impl Registry {
    /// The files in a layer.
    pub async fn layer_files(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<LayerFiles, RegistryError> {
        let blob = self.blob(repository, digest).await?;
        if blob.size == 0 {
            return Ok(LayerFiles { files: Vec::new(), end: Some(ListingEnd::NoArchive) });
        }
        let turn =
            Arc::clone(&self.listings).acquire_owned().await.expect("the semaphore stays open");
        let stream = self.read_blob(&blob).await?.stream(0..blob.size).await?;
        let stream = Box::pin(stream.map_err(io::Error::other));
        let bytes = SyncIoBridge::new(StreamReader::new(stream));
        let listing = tokio::task::spawn_blocking(move || {
            let files = list(bytes, MAX_BYTES, Instant::now() + MAX_TIME);
            drop(turn);
            files
        });
        Ok(listing.await.map_err(|error| StorageError::Io(io::Error::other(error)))?)
    }
}

/// Unpacks `most` bytes at most.
fn list(packed: impl Read, most: u64, until: Instant) -> LayerFiles {
    let mut found = LayerFiles::default();
    let packed = Bounded { inner: packed, left: MAX_PACKED_BYTES, until };
    found.end =
        match unpack(packed, most, until).and_then(|archive| collect(archive, &mut found.files)) {
            Ok(end) => end,
            Err(error) => Some(match error.kind() {
                io::ErrorKind::FileTooLarge => ListingEnd::TooLarge,
                io::ErrorKind::TimedOut => ListingEnd::TooSlow,
                _ => ListingEnd::NoArchive,
            }),
        };
    found
}

/// The bytes of the archive, by whatever it is packed with.
fn unpack<'a>(
    mut packed: impl Read + 'a,
    most: u64,
    until: Instant,
) -> io::Result<Box<dyn Read + 'a>> {
    let mut magic = Vec::new();
    packed.by_ref().take(4).read_to_end(&mut magic)?;
    let whole = io::Cursor::new(magic.clone()).chain(packed);
    let plain: Box<dyn Read + 'a> = match &*magic {
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(whole)),
        [0x28, 0xb5, 0x2f, 0xfd] => {
            let mut decoder = zstd::Decoder::new(whole)?;
            decoder.window_log_max(MAX_ZSTD_WINDOW_LOG)?;
            Box::new(decoder)
        }
        _ => Box::new(whole),
    };
    Ok(Box::new(Bounded { inner: plain, left: most, until }))
}

/// Why the list ends before the archive, if it does.
fn collect(archive: impl Read, files: &mut Vec<LayerFile>) -> io::Result<Option<ListingEnd>> {
    let mut archive = Archive::new(archive);
    let (mut long_name, mut long_target) = (None, None);
    // Raw, as the library would keep a name of any length in memory.
    for entry in archive.entries()?.raw(true) {
        let mut entry = entry?;
        let kind = entry.header().entry_type();
        if kind.is_gnu_longname() {
            long_name = Some(text(&read_name(&mut entry)?));
            continue;
        }
        if kind.is_gnu_longlink() {
            long_target = Some(text(&read_name(&mut entry)?));
            continue;
        }
        if kind.is_pax_local_extensions() {
            let bytes = read_name(&mut entry)?;
            for extension in PaxExtensions::new(&bytes).flatten() {
                match extension.key_bytes() {
                    b"path" => long_name = Some(text(extension.value_bytes())),
                    b"linkpath" => long_target = Some(text(extension.value_bytes())),
                    _ => {}
                }
            }
            continue;
        }
        if kind.is_pax_global_extensions() {
            continue;
        }
        if files.len() == MAX_ENTRIES {
            return Ok(Some(ListingEnd::TooLarge));
        }
        let header = entry.header();
        let path = long_name.take().unwrap_or_else(|| text(&header.path_bytes()));
        let target =
            long_target.take().or_else(|| header.link_name_bytes().map(|name| text(&name)));
        files.push(LayerFile {
            kind: file_kind(kind, &path),
            size: header.size().unwrap_or_default(),
            mode: header.mode().unwrap_or_default() & 0o7777,
            target: target.filter(|target| !target.is_empty()),
            path,
        });
    }
    Ok(None)
}

fn read_name(entry: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    entry.take(MAX_NAME_BYTES).read_to_end(&mut bytes)?;
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    Ok(bytes)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn file_kind(kind: EntryType, path: &str) -> FileKind {
    let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    match kind {
        _ if name.starts_with(".wh.") => FileKind::Whiteout,
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => FileKind::File,
        EntryType::Directory => FileKind::Folder,
        EntryType::Symlink | EntryType::Link => FileKind::Link,
        _ => FileKind::Other,
    }
}

/// Gives so many bytes and so much time, and then an error.
struct Bounded<R> {
    inner: R,
    left: u64,
    until: Instant,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if Instant::now() > self.until {
            return Err(io::ErrorKind::TimedOut.into());
        }
        if self.left == 0 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.inner.read(&mut buffer[..most])?;
        self.left -= read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, path, *content).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn files_are_listed_whatever_the_archive_is_packed_with() {
        let long = format!("{}end", "deep/".repeat(60));
        let plain = archive(&[("etc/passwd", b"root"), (&long, b""), ("bin/.wh.old", b"")]);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&plain).unwrap();
        let zstd = zstd::encode_all(&plain[..], 1).unwrap();
        for packed in [plain.clone(), gzip.finish().unwrap(), zstd] {
            let found = list(&packed[..], MAX_BYTES, soon());
            assert_eq!(found.end, None);
            let paths: Vec<_> = found.files.iter().map(|file| &*file.path).collect();
            assert_eq!(paths, ["etc/passwd", &*long, "bin/.wh.old"]);
            assert_eq!((found.files[0].size, found.files[0].mode), (4, 0o644));
            assert_eq!(found.files[2].kind, FileKind::Whiteout);
        }
    }

    #[test]
    fn what_is_no_archive_is_told_apart() {
        for bytes in [&b"{}"[..], b"", &[0x1f, 0x8b, 0, 0, 0], &[0x28, 0xb5, 0x2f, 0xfd, 1]] {
            let found = list(bytes, MAX_BYTES, soon());
            assert!(found.files.is_empty());
            // An archive of nothing is one.
            assert!(found.end == Some(ListingEnd::NoArchive) || bytes.is_empty(), "{bytes:?}");
        }
    }

    #[test]
    fn a_bomb_ends_the_list() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let mut header = tar::Header::new_gnu();
        header.set_path("bomb").unwrap();
        header.set_size(8 << 30);
        header.set_cksum();
        gzip.write_all(header.as_bytes()).unwrap();
        gzip.write_all(&vec![0; 2 << 20]).unwrap();
        let found = list(&gzip.finish().unwrap()[..], 1 << 20, soon());
        assert_eq!(found.files.len(), 1);
        assert_eq!(found.end, Some(ListingEnd::TooLarge));
    }

    #[test]
    fn time_is_bounded_too() {
        let found = list(&archive(&[("a", b"")])[..], MAX_BYTES, Instant::now());
        assert_eq!(found.end, Some(ListingEnd::TooSlow));
    }
}
