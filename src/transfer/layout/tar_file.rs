//! A layout in a tar file, whose entries may come in any order.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Component, Path, PathBuf};

/// Where the files of a tar file are in it.
pub struct TarFile {
    path: PathBuf,
    /// First byte and size, by name.
    entries: HashMap<String, (u64, u64)>,
}

impl TarFile {
    /// Reads the heads of all entries.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut archive = tar::Archive::new(File::open(path)?);
        let mut entries = HashMap::new();
        for entry in archive.entries_with_seek()? {
            let entry = entry?;
            if entry.header().entry_type().is_file() {
                let place = (entry.raw_file_position(), entry.size());
                // `./index.json` and `index.json` are the same.
                let name: Vec<_> = entry
                    .path()?
                    .components()
                    .filter_map(|part| match part {
                        Component::Normal(part) => part.to_str().map(str::to_owned),
                        _ => None,
                    })
                    .collect();
                entries.insert(name.join("/"), place);
            }
        }
        Ok(Self { path: path.to_owned(), entries })
    }

    /// A file in it, and how many bytes it has; none if it has no such file.
    pub fn file(&self, name: &str) -> io::Result<Option<(io::Take<File>, u64)>> {
        let Some((first, size)) = self.entries.get(name).copied() else { return Ok(None) };
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(first))?;
        Ok(Some((file.take(size), size)))
    }
}
