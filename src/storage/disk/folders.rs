//! Folders that survive a crash of the machine. A folder is durable when the one above it was synced
//! since; that it is there does not tell, as whoever made it may have been killed before that, or
//! be about to do it.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The folders that this process has made durable: at most one for each two digits of a digest,
/// and those above.
#[derive(Default)]
pub(super) struct DurableFolders(Mutex<HashSet<PathBuf>>);

impl DurableFolders {
    /// Makes a folder and those above it below `root`, unless it is known to be durable.
    pub fn make(&self, folder: &Path, root: &Path) -> io::Result<()> {
        if folder == root || self.known().contains(folder) {
            return Ok(());
        }
        if let Some(above) = folder.parent() {
            self.make(above, root)?;
        }
        make_folder(folder)?;
        self.known().insert(folder.to_owned());
        Ok(())
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashSet<PathBuf>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes a folder, durably, and those above it that are missing.
///
/// # Errors
/// If it cannot be made, or is new and cannot be made durable.
pub fn make_folder(folder: &Path) -> io::Result<()> {
    // `data` lies in the folder where the process runs.
    let above = match folder.parent() {
        None => return Ok(()),
        Some(above) if above == Path::new("") => Path::new("."),
        Some(above) => above,
    };
    let is_new = !folder.is_dir();
    if is_new {
        if !above.is_dir() {
            make_folder(above)?;
        }
        match fs::create_dir(folder) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists && folder.is_dir() => {}
            done => done?,
        }
    }
    match sync_folder(above) {
        // What others made may lie where we cannot look.
        Err(error) if !is_new && error.kind() == ErrorKind::PermissionDenied => Ok(()),
        synced => synced,
    }
}

pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
