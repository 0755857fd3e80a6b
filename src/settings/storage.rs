use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// `[storage]`: where the bytes are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StorageSettings {
    /// Folder of all data; made if it is missing.
    pub data_dir: PathBuf,
}

impl Default for StorageSettings {
    fn default() -> Self {
        Self { data_dir: "./data".into() }
    }
}
