//! The database and the store of a registry, opened by a command itself, whether a server runs on
//! them or not.

use super::Error;
use super::serve::database_url;
use crate::metadata::Database;
use crate::registry::Registry;
use crate::settings::Settings;
use crate::storage::{BlobStore, make_folder};

pub struct Opened {
    pub database: Database,
    pub registry: Registry,
}

impl Opened {
    /// Opens what the settings name; a data folder or a SQLite file that is missing is made.
    pub async fn open(settings: &Settings) -> Result<Self, Error> {
        make_folder(&settings.storage.data_dir)?;
        let store = BlobStore::open(&settings.storage).await?;
        let url = database_url(settings);
        let database = Database::open(&url, settings.metadata.max_connections).await?;
        let registry = Registry::new(database.clone(), store, settings);
        Ok(Self { database, registry })
    }
}
