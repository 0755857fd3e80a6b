//! A disk that fails when the test says so, and what it keeps when its power fails.
//!
//! `faulty_disk.c` notes what the server does to its files; from these notes this builds the folder
//! that a power failure leaves: of files what was synced, of folders the entries that were.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Kinds of files by their place, as `faulty_disk.c` tells them; a set is their sum.
pub mod kind {
    pub const UPLOAD: u32 = 2;
    pub const BLOB: u32 = 4;
    pub const DATABASE: u32 = 8;
    pub const WAL: u32 = 16;
    pub const FOLDER: u32 = 32;
    pub const ALL: u32 = 63;
}

/// Calls that can fail; a set is their sum.
pub mod call {
    pub const READ: u32 = 1;
    pub const WRITE: u32 = 2;
    pub const SYNC: u32 = 4;
}

/// Below one folder, for a server that is started with [`FaultyDisk::environment`].
pub struct FaultyDisk {
    folder: PathBuf,
    notes: tempfile::TempDir,
    control: File,
    disk: Disk,
}

impl FaultyDisk {
    /// All that lies in `folder` now is durable.
    pub fn new(folder: &Path) -> Self {
        let notes = tempfile::TempDir::with_prefix("orlop-test-").expect("cannot create a folder");
        let path = notes.path().join("control");
        let control = File::options().create_new(true).write(true).read(true).open(path);
        let control = control.expect("cannot create a file");
        control.write_all_at(&[0; 24], 0).expect("cannot write");
        let folder = folder.canonicalize().expect("the folder is there");
        Self { disk: Disk::read(&folder), folder, notes, control }
    }

    pub fn environment(&self) -> Vec<(String, String)> {
        let text = |path: PathBuf| path.to_str().expect("folders for tests are text").to_owned();
        [
            ("LD_PRELOAD", library().to_owned()),
            ("FAULTY_DISK_FOLDER", self.folder.clone()),
            ("FAULTY_DISK_JOURNAL", self.notes.path().join("journal")),
            ("FAULTY_DISK_CONTROL", self.notes.path().join("control")),
        ]
        .map(|(name, path)| (name.to_owned(), text(path)))
        .to_vec()
    }

    /// From now on a sync of files of these kinds does nothing, but says that it did.
    pub fn ignore_syncs(&self, kinds: u32) {
        self.set(0, &[kinds]);
    }

    /// From now on each `every`-th of these calls on files of these kinds fails.
    pub fn fail(&self, calls: u32, kinds: u32, every: u32) {
        self.set(1, &[calls, kinds, every, 0, 0]);
    }

    pub fn heal(&self) {
        self.set(1, &[0, 0, 0]);
    }

    /// Calls that failed since [`FaultyDisk::fail`].
    pub fn failed(&self) -> u32 {
        let mut bytes = [0; 4];
        self.control.read_exact_at(&mut bytes, 20).expect("cannot read");
        u32::from_ne_bytes(bytes)
    }

    fn set(&self, place: u64, values: &[u32]) {
        let bytes: Vec<_> = values.iter().flat_map(|value| value.to_ne_bytes()).collect();
        self.control.write_all_at(&bytes, place * 4).expect("cannot write");
    }

    /// Leaves in the folder what a power failure would: what was synced, and of all else the parts
    /// for which `survives` says so. Nothing may be using it. Gives how many changes were lost.
    pub fn lose_power(&mut self, survives: impl FnMut() -> bool) -> usize {
        let journal = self.notes.path().join("journal");
        let notes = fs::read(&journal).expect("the server has written to it");
        fs::write(&journal, b"").expect("it can be written");
        self.disk.replay(&notes);
        let lost = self.disk.fail(survives);
        self.disk.write(&self.folder);
        self.disk = Disk::read(&self.folder);
        lost
    }
}

/// Compiled once by each test program.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, library) = LIBRARY.get_or_init(|| {
        let folder = tempfile::TempDir::with_prefix("orlop-test-").expect("cannot create a folder");
        let library = folder.path().join("faulty_disk.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/faulty_disk.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-pthread", "-o"]);
        let status = compiler.arg(&library).arg(source).status();
        // Rust itself links with it.
        assert!(status.expect("there is a C compiler").success(), "it does not compile");
        (folder, library)
    });
    library
}

/// What is on the disk, and what is only on its way there.
#[derive(Default)]
struct Disk {
    files: Vec<Content>,
    /// The place in `files` of each that there is or was.
    by_inode: HashMap<u64, usize>,
    /// As the server sees it.
    seen: BTreeMap<PathBuf, Entry>,
    durable: BTreeMap<PathBuf, Entry>,
    /// By the folder whose entries they change, in order.
    unsynced: BTreeMap<PathBuf, Vec<(PathBuf, Option<Entry>)>>,
}

#[derive(Clone, Copy)]
enum Entry {
    Folder,
    File(usize),
}

#[derive(Default)]
struct Content {
    durable: Vec<u8>,
    unsynced: Vec<Change>,
}

enum Change {
    Written { offset: usize, bytes: Vec<u8> },
    Resized(usize),
}

impl Content {
    fn apply(&mut self, change: &Change) {
        match change {
            Change::Resized(length) => self.durable.resize(*length, 0),
            Change::Written { offset, bytes } => {
                let end = offset + bytes.len();
                if self.durable.len() < end {
                    self.durable.resize(end, 0);
                }
                self.durable[*offset..end].copy_from_slice(bytes);
            }
        }
    }

    /// Files grow to their length, but what was to stand there never will.
    fn forget_unsynced(&mut self) {
        for change in std::mem::take(&mut self.unsynced) {
            match change {
                Change::Resized(_) => self.apply(&change),
                Change::Written { offset, bytes } => {
                    let length = self.durable.len().max(offset + bytes.len());
                    self.durable.resize(length, 0);
                }
            }
        }
    }
}

const BLOCK: usize = 4096;

/// The parts of a write that reach the disk each by itself.
fn blocks(offset: usize, bytes: &[u8]) -> impl Iterator<Item = Change> {
    let end = offset + bytes.len();
    let starts = (offset / BLOCK..end.div_ceil(BLOCK)).map(move |n| (n * BLOCK).max(offset));
    starts.map(move |start| {
        let stop = (start / BLOCK * BLOCK + BLOCK).min(end);
        let bytes = bytes[start - offset..stop - offset].to_vec();
        Change::Written { offset: start, bytes }
    })
}

impl Disk {
    fn read(folder: &Path) -> Self {
        let mut disk = Self::default();
        disk.read_folder(folder);
        disk.durable = disk.seen.clone();
        disk
    }

    fn read_folder(&mut self, folder: &Path) {
        for entry in fs::read_dir(folder).expect("it is a folder") {
            let path = entry.expect("it can be read").path();
            if path.is_dir() {
                self.read_folder(&path);
                self.seen.insert(path, Entry::Folder);
                continue;
            }
            let inode = fs::metadata(&path).expect("it is there").ino();
            let durable = fs::read(&path).expect("it can be read");
            self.by_inode.insert(inode, self.files.len());
            self.seen.insert(path, Entry::File(self.files.len()));
            self.files.push(Content { durable, unsynced: Vec::new() });
        }
    }

    fn replay(&mut self, mut notes: &[u8]) {
        const HEAD: usize = 24;
        while notes.len() >= HEAD {
            let number = |from: usize, to: usize| {
                notes[from..to].iter().rev().fold(0, |sum: u64, byte| sum << 8 | u64::from(*byte))
            };
            let size = |number: u64| usize::try_from(number).expect("it fits");
            let (what, length) = (number(0, 4), size(number(4, 8)));
            let (inode, offset) = (number(8, 16), size(number(16, 24)));
            // What was going on when the server was killed.
            let Some(bytes) = notes.get(HEAD..HEAD + length) else { return };
            self.replay_one(what, inode, offset, bytes);
            notes = &notes[HEAD + length..];
        }
    }

    fn replay_one(&mut self, what: u64, inode: u64, offset: usize, bytes: &[u8]) {
        let mut paths = bytes.split(|byte| *byte == 0);
        let mut path = || {
            let path = paths.next().expect("there is one");
            PathBuf::from(std::str::from_utf8(path).expect("paths of tests are text"))
        };
        match what {
            1 => {
                let file = self.files.len();
                self.files.push(Content::default());
                self.by_inode.insert(inode, file);
                self.change(path(), Some(Entry::File(file)));
            }
            2 => self.file(inode).push(Change::Written { offset, bytes: bytes.to_vec() }),
            3 => self.file(inode).push(Change::Resized(offset)),
            4 => {
                let file = &mut self.files[self.by_inode[&inode]];
                for change in std::mem::take(&mut file.unsynced) {
                    file.apply(&change);
                }
            }
            5 => self.files[self.by_inode[&inode]].forget_unsynced(),
            6 => self.change(path(), Some(Entry::Folder)),
            7 => {
                for (path, entry) in self.unsynced.remove(&path()).unwrap_or_default() {
                    set(&mut self.durable, path, entry);
                }
            }
            8 => {
                let (from, to) = (path(), path());
                let entry = self.seen.get(&from).copied();
                self.change(to, Some(entry.expect("what is renamed is there")));
                self.change(from, None);
            }
            9 => self.change(path(), None),
            _ => panic!("the journal holds {what}"),
        }
    }

    fn file(&mut self, inode: u64) -> &mut Vec<Change> {
        let file = self.by_inode.get(&inode).expect("it was created before");
        &mut self.files[*file].unsynced
    }

    fn change(&mut self, path: PathBuf, entry: Option<Entry>) {
        let folder = path.parent().expect("it is in the folder").to_owned();
        self.unsynced.entry(folder).or_default().push((path.clone(), entry));
        set(&mut self.seen, path, entry);
    }

    fn fail(&mut self, mut survives: impl FnMut() -> bool) -> usize {
        let mut lost = 0;
        let mut is_kept = || {
            let is_kept = survives();
            lost += usize::from(!is_kept);
            is_kept
        };
        for file in &mut self.files {
            for change in std::mem::take(&mut file.unsynced) {
                if let Change::Written { offset, bytes } = &change {
                    for block in blocks(*offset, bytes) {
                        if is_kept() {
                            file.apply(&block);
                        }
                    }
                } else if is_kept() {
                    file.apply(&change);
                }
            }
        }
        for (path, entry) in std::mem::take(&mut self.unsynced).into_values().flatten() {
            if is_kept() {
                set(&mut self.durable, path, entry);
            }
        }
        lost
    }

    /// Puts into the folder what is durable and can be reached.
    fn write(&self, root: &Path) {
        for entry in fs::read_dir(root).expect("it is a folder") {
            let path = entry.expect("it can be read").path();
            let removed =
                if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.expect("it can be removed");
        }
        // In order, so that a folder comes before what is in it.
        for (path, entry) in &self.durable {
            if !path.parent().is_some_and(Path::is_dir) {
                continue;
            }
            let written = match entry {
                Entry::Folder => fs::create_dir(path),
                Entry::File(file) => fs::write(path, &self.files[*file].durable),
            };
            written.expect("it can be written");
        }
    }
}

fn set(entries: &mut BTreeMap<PathBuf, Entry>, path: PathBuf, entry: Option<Entry>) {
    match entry {
        Some(entry) => entries.insert(path, entry),
        None => entries.remove(&path),
    };
}
