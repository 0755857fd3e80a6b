//! What the commands share that work on the registry's own database and store, whether a server
//! runs on them or not.

use std::path::Path;

use chrono::{DateTime, SecondsFormat};
use clap::Args;

use super::Error;
use super::serve::database_url;
use super::settings::SettingsArgs;
use crate::metadata::Database;
use crate::registry::Registry;
use crate::settings::{Settings, StorageSettings};
use crate::storage::{BlobStore, make_folder};
use crate::telemetry;

/// The database and the store that the settings name.
pub struct Local {
    pub settings: Settings,
    pub database: Database,
    pub store: BlobStore,
}

impl Local {
    /// # Errors
    /// If the registry is not there, or is of another version than this program.
    pub async fn open(args: SettingsArgs) -> Result<Self, Error> {
        let settings = args.load()?;
        telemetry::init(&settings.log);
        let (url, connections) = (database_url(&settings), settings.metadata.max_connections);
        let database = Database::attach(&url, connections).await?;
        let store = BlobStore::open(&settings.storage).await?;
        Ok(Self { settings, database, store })
    }

    /// As [`Local::open`], but a data folder or a SQLite file that is missing is made.
    pub async fn open_or_make(args: SettingsArgs) -> Result<Self, Error> {
        let settings = args.load()?;
        telemetry::init(&settings.log);
        make_folder(&settings.storage.data_dir)?;
        let store = BlobStore::open(&settings.storage).await?;
        let (url, connections) = (database_url(&settings), settings.metadata.max_connections);
        let database = Database::open(&url, connections).await?;
        Ok(Self { settings, database, store })
    }

    pub fn registry(&self) -> Registry {
        Registry::new(self.database.clone(), self.store.clone(), &self.settings)
    }
}

/// A service of object storage, if it is not the one of the registry's own store.
#[derive(Args)]
pub struct ServiceArgs {
    /// URL of the S3 service, if it is not that of the registry's store
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,

    /// Its region
    #[arg(long)]
    region: Option<String>,
}

impl ServiceArgs {
    /// The settings of the store at a URL or in a folder.
    pub fn at(&self, place: &str, own: &StorageSettings) -> Result<StorageSettings, Error> {
        let url = url(place)?;
        let own_url = match &own.url {
            Some(own) => own.clone(),
            None => self::url(&own.data_dir.to_string_lossy())?,
        };
        if url.trim_end_matches('/') == own_url.trim_end_matches('/') {
            return Err(format!("{place} is the registry's own store").into());
        }
        Ok(own.elsewhere(&url, self.endpoint.as_deref(), self.region.as_deref()))
    }
}

/// A folder as a URL; URLs stay as they are.
fn url(place: &str) -> Result<String, Error> {
    if place.contains("://") {
        return Ok(place.to_owned());
    }
    Ok(format!("file://{}", std::path::absolute(Path::new(place))?.display()))
}

/// What a command has done, but found something that somebody must look into.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Found(pub String);

/// A time of the database as people and programs read it.
pub fn time(micros: i64) -> String {
    let time = DateTime::from_timestamp_micros(micros).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}
