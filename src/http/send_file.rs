//! Files that go from the system's page cache to a connection without passing through the process,
//! by `sendfile`: for large blobs on connections without TLS, by HTTP/1.
//!
//! Hyper moves bytes and knows of no files. So a [`FilePart`] takes part in an answer as if it were
//! bytes: when hyper gathers what to write, it announces its file to the connection's [`Window`] and
//! gives a slice of [`PLACEHOLDER`] that is as long. The connection knows the placeholder by its
//! address and sends from the announced file in its stead. The placeholder's own bytes are sent by
//! nobody: to who asks in any other way than gathering, a part gives the true bytes, and the
//! connection refuses to write from the placeholder's address without an announcement.

use std::cell::OnceCell;
use std::fs::File;
use std::io::{self, ErrorKind, IoSlice};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http_body::Frame;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// Bytes of one part.
const PART: usize = 1 << 20;

/// Smaller pieces are as fast when they are read.
pub const WORTH_IT: u64 = 64 << 10;

/// What is read of a part that somebody wants to see.
const CHUNK: usize = 64 << 10;

/// Never written to, so it takes no memory.
static PLACEHOLDER: LazyLock<Box<[u8]>> = LazyLock::new(|| vec![0; PART].into());

/// Put into the extensions of a request whose answer may be a [`FileToSend`].
#[derive(Clone, Copy)]
pub struct MaySendFile;

/// Put into the extensions of an answer without a body: the part of a file that is its body.
#[derive(Clone)]
pub struct FileToSend {
    pub file: Arc<File>,
    pub range: Range<u64>,
}

/// What a connection is to send next instead of the placeholder.
#[derive(Default)]
pub struct Window(Mutex<Option<Announced>>);

pub struct Announced {
    file: Arc<File>,
    offset: u64,
    length: usize,
}

impl Window {
    /// What is to be written of these slices now.
    ///
    /// # Errors
    /// If the placeholder would be written.
    pub fn next<'a, 'b>(&self, slices: &'a [IoSlice<'b>]) -> io::Result<Next<'a, 'b>> {
        let announced = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        match slices.iter().position(|slice| is_placeholder(slice)) {
            None => Ok(Next::Bytes(slices)),
            Some(0) => Ok(Next::File(announced.ok_or_else(unannounced)?)),
            Some(before) => Ok(Next::Bytes(&slices[..before])),
        }
    }

    /// Whether it was announced: one part at a time.
    fn announce(&self, part: &FilePart, length: usize) -> bool {
        let mut next = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if next.is_some() {
            return false;
        }
        *next = Some(Announced { file: Arc::clone(&part.file), offset: part.offset, length });
        true
    }
}

/// What is to be written.
pub enum Next<'a, 'b> {
    Bytes(&'a [IoSlice<'b>]),
    File(Announced),
}

/// # Errors
/// If the placeholder would be written.
pub fn check(bytes: &[u8]) -> io::Result<()> {
    if is_placeholder(bytes) { Err(unannounced()) } else { Ok(()) }
}

fn is_placeholder(bytes: &[u8]) -> bool {
    PLACEHOLDER.as_ptr_range().contains(&bytes.as_ptr())
}

fn unannounced() -> io::Error {
    io::Error::other("a part of a file came to be written without being announced")
}

impl Announced {
    pub fn poll_send(&self, to: &TcpStream, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        loop {
            ready!(to.poll_write_ready(context))?;
            match to.try_io(Interest::WRITABLE, || self.send(to)) {
                Ok(0) => return Poll::Ready(Err(ErrorKind::UnexpectedEof.into())),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
    }

    #[cfg(target_os = "linux")]
    fn send(&self, to: &TcpStream) -> io::Result<usize> {
        let mut offset = self.offset;
        Ok(rustix::fs::sendfile(to, &*self.file, Some(&mut offset), self.length)?)
    }

    /// Never called, as no connection has a window.
    #[cfg(not(target_os = "linux"))]
    fn send(&self, _: &TcpStream) -> io::Result<usize> {
        Err(ErrorKind::Unsupported.into())
    }
}

/// A piece of an answer's body.
pub enum Piece {
    Bytes(Bytes),
    File(FilePart),
}

/// A part of a file that stands for its bytes.
pub struct FilePart {
    file: Arc<File>,
    offset: u64,
    length: usize,
    window: Arc<Window>,
    /// For who wants to see them, the first bytes; none if they cannot be read.
    seen: OnceCell<Bytes>,
}

impl FilePart {
    fn see(&self) -> &[u8] {
        self.seen.get_or_init(|| {
            let mut bytes = vec![0; self.length.min(CHUNK)];
            match self.file.read_exact_at(&mut bytes, self.offset) {
                Ok(()) => bytes.into(),
                Err(error) => {
                    tracing::error!(%error, "a part of a blob cannot be read");
                    Bytes::new()
                }
            }
        })
    }
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::File(part) => part.length,
        }
    }

    fn chunk(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::File(part) => part.see(),
        }
    }

    fn advance(&mut self, count: usize) {
        match self {
            Self::Bytes(bytes) => bytes.advance(count),
            Self::File(part) => {
                assert!(count <= part.length, "no more is sent than there is");
                part.offset += count as u64;
                part.length -= count;
                part.seen.take();
            }
        }
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.chunks_vectored(slices),
            Self::File(part) => {
                let length = part.length.min(PLACEHOLDER.len());
                let Some(first) = slices.first_mut().filter(|_| length > 0) else { return 0 };
                if !part.window.announce(part, length) {
                    return 0;
                }
                *first = IoSlice::new(&PLACEHOLDER[..length]);
                1
            }
        }
    }
}

/// A part of a file as the body of an answer.
pub struct FileBody {
    file: Arc<File>,
    rest: Range<u64>,
    window: Arc<Window>,
    /// Brings the next part into memory, where waiting for the disk is allowed.
    loading: Option<JoinHandle<io::Result<()>>>,
    is_loaded: bool,
}

impl FileBody {
    pub fn new(FileToSend { file, range }: FileToSend, window: Arc<Window>) -> Self {
        Self { file, rest: range, window, loading: None, is_loaded: false }
    }

    /// Bytes that are still to come.
    pub fn remaining(&self) -> u64 {
        self.rest.end - self.rest.start
    }

    pub fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Piece>>>> {
        let offset = self.rest.start;
        let length = usize::try_from(self.remaining()).unwrap_or(PART).min(PART);
        if length == 0 {
            return Poll::Ready(None);
        }
        if let Err(error) = ready!(self.poll_load(context, offset, length)) {
            return Poll::Ready(Some(Err(error)));
        }
        self.is_loaded = false;
        self.rest.start += length as u64;
        let (file, window) = (Arc::clone(&self.file), Arc::clone(&self.window));
        let part = FilePart { file, offset, length, window, seen: OnceCell::new() };
        Poll::Ready(Some(Ok(Frame::data(Piece::File(part)))))
    }

    /// `sendfile` waits for the disk, which the threads that serve connections must not.
    fn poll_load(
        &mut self,
        context: &mut Context<'_>,
        offset: u64,
        length: usize,
    ) -> Poll<io::Result<()>> {
        if self.loading.is_none() && !self.is_loaded && !is_in_memory(&self.file, offset, length) {
            let file = Arc::clone(&self.file);
            let load = move || load(&file, offset, length);
            self.loading = Some(tokio::task::spawn_blocking(load));
        }
        if let Some(loading) = &mut self.loading {
            let loaded = ready!(Pin::new(loading).poll(context));
            self.loading = None;
            loaded.map_err(io::Error::other)??;
        }
        self.is_loaded = true;
        Poll::Ready(Ok(()))
    }
}

#[cfg(not(target_os = "linux"))]
fn is_in_memory(_: &File, _: u64, _: usize) -> bool {
    false
}

/// Whether the system has, as samples tell, this part of a file in memory.
#[cfg(target_os = "linux")]
fn is_in_memory(file: &File, offset: u64, length: usize) -> bool {
    use rustix::io::{ReadWriteFlags, preadv2};
    (0..length).step_by(CHUNK).chain([length - 1]).all(|at| {
        let mut byte = [0];
        let mut slices = [io::IoSliceMut::new(&mut byte)];
        let read = preadv2(file, &mut slices, offset + at as u64, ReadWriteFlags::NOWAIT);
        read == Ok(1)
    })
}

/// Has the system read a part of a file.
fn load(file: &File, offset: u64, length: usize) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    for at in (0..length).step_by(CHUNK) {
        let bytes = &mut buffer[..CHUNK.min(length - at)];
        file.read_exact_at(bytes, offset + at as u64)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn part(content: &[u8], window: &Arc<Window>) -> Piece {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        Piece::File(FilePart {
            file: Arc::new(file),
            offset: 0,
            length: content.len(),
            window: Arc::clone(window),
            seen: OnceCell::new(),
        })
    }

    #[test]
    fn a_part_shows_its_bytes_to_who_does_not_gather() {
        let window = Arc::new(Window::default());
        let content: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0] ^ 0x5a).collect();
        let mut part = part(&content, &window);
        assert_eq!(part.copy_to_bytes(content.len()), content);
        assert!(!part.has_remaining());
    }

    #[test]
    fn a_gathered_part_is_announced_once_and_never_written_itself() {
        let window = Arc::new(Window::default());
        let mut parts = [part(b"some bytes", &window), part(b"others", &window)];
        let mut slices = [IoSlice::new(b"head"), IoSlice::new(&[]), IoSlice::new(&[])];
        assert_eq!(parts[0].chunks_vectored(&mut slices[1..]), 1);
        assert_eq!(parts[1].chunks_vectored(&mut slices[2..]), 0);
        assert!(check(&slices[1]).is_err());
        // The head goes first, and the part is announced again afterwards.
        assert!(matches!(window.next(&slices).unwrap(), Next::Bytes([head]) if **head == *b"head"));
        assert!(window.next(&slices[1..]).is_err());
        parts[0].advance(5);
        let mut slices = [IoSlice::new(&[])];
        assert_eq!(parts[0].chunks_vectored(&mut slices), 1);
        let Next::File(announced) = window.next(&slices).unwrap() else { panic!("no file") };
        assert_eq!((announced.offset, announced.length), (5, 5));
    }
}
