//! Whether an SQLite database has changed, known without a query.

use std::fs::File;
use std::mem;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;

/// Bytes of one of the two copies of the index's header.
const COPY: usize = 48;

/// The index of a write-ahead log (`-shm`), which all processes share that work on the database.
///
/// Its header stands at the start of the file, twice. Each commit, by whatever process, changes it
/// before it returns: it holds a counter of commits, the last frame of the log with its checksum, and
/// the log's salts (<https://sqlite.org/walformat.html#the_wal_index_header_format>). As long as it is
/// the same, so is every row.
pub(super) struct SqliteIndex {
    /// There until the end.
    file: Option<File>,
}

/// What a database was like at some moment. Two that are equal are of the same rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State([u8; COPY]);

impl SqliteIndex {
    /// The index of the database file `main`, to which a connection is open; none if it has none.
    pub fn open(main: &Path) -> Option<Self> {
        let path = format!("{}-shm", main.display());
        Some(Self { file: Some(File::open(path).ok()?) })
    }

    /// None in the middle of a change.
    pub fn state(&self) -> Option<State> {
        let mut header = [0; 2 * COPY];
        self.file.as_ref()?.read_exact_at(&mut header, 0).ok()?;
        let (first, second) = header.split_at(COPY);
        (first == second).then(|| State(first.try_into().expect("it has the size of a copy")))
    }
}

impl Drop for SqliteIndex {
    fn drop(&mut self) {
        // Closing a file ends all locks that the process has on it (fcntl(2)), those of SQLite too. When
        // SQLite is done with it, it is removed.
        let is_in_use = |file: &File| file.metadata().is_ok_and(|metadata| metadata.nlink() > 0);
        if self.file.as_ref().is_some_and(is_in_use) {
            mem::forget(self.file.take());
        }
    }
}
