//! `orlop migrate`: another database, another store, or both.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use indicatif::HumanBytes;

use super::Error;
use super::progress::shown;
use super::serve::database_url;
use super::settings::SettingsArgs;
use crate::metadata::Database;
use crate::registry::{MigratedBlobs, Migration, Progress};
use crate::settings::{Settings, Sources, StorageSettings};
use crate::storage::BlobStore;
use crate::telemetry;

/// What the variables of the new settings begin with, instead of `ORLOP__`.
const NEW: &str = "ORLOP_TO__";

/// Blobs that failed which are named one by one.
const SHOWN: usize = 100;

/// Move the registry to another database, another store, or both
///
/// First without --finish, while the registry serves: copies its blobs. Then stop all servers and run
/// it with --finish: copies what came since, and the rows. Then start the servers with the new
/// settings. The old database and store stay as they are.
#[derive(Args)]
pub struct Migrate {
    /// Settings file of the registry as it is to be; variables ORLOP_TO__SECTION__KEY go over it
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// Move the rows too; no server may run
    #[arg(long)]
    finish: bool,
    /// Read every blob again at its new place
    #[arg(long)]
    verify: bool,
    /// Move the rows even if blobs are missing or damaged
    #[arg(long, requires = "finish")]
    skip_damaged: bool,
    /// Blobs copied at the same time
    #[arg(long, value_name = "N", default_value = "4")]
    jobs: NonZeroUsize,
    #[command(flatten)]
    settings: SettingsArgs,
}

impl Migrate {
    pub async fn run(self) -> Result<(), Error> {
        let old = self.settings.load()?;
        telemetry::init(&old.log);
        let new = Settings::load(Sources {
            file: Some(self.to),
            environment: std::env::vars_os().filter_map(renamed).collect(),
            flags: Vec::new(),
        })?;
        let (old_url, new_url) = (database_url(&old), database_url(&new));
        let moves_database = old_url != new_url;
        let moves_store = place(&old.storage) != place(&new.storage);
        if !moves_database && !moves_store {
            return Err("the new settings name the same database and the same store".into());
        }
        let store = BlobStore::open(&old.storage).await?;
        let new_store = match moves_store {
            true => Some(BlobStore::open(&new.storage).await?),
            false => None,
        };
        let database = match self.finish {
            true => Database::open_alone(&old_url).await?,
            false => Database::open(&old_url, old.metadata.max_connections).await?,
        };
        let migration = Migration {
            database: database.clone(),
            store,
            new_store,
            new_database: moves_database.then_some(new_url),
            jobs: self.jobs.get(),
            progress: Arc::new(Progress::default()),
        };
        let progress = Arc::clone(&migration.progress);
        let blobs = shown(progress, migration.copy_blobs(self.verify)).await?;
        let is_whole = show(&blobs);
        if self.finish && (is_whole || self.skip_damaged) {
            let rows = migration.move_rows().await?;
            println!("rows   {rows} moved");
        }
        database.close().await;
        if !is_whole {
            let consequence = if self.finish && !self.skip_damaged {
                "; the rows stay where they are"
            } else {
                ""
            };
            let failed = blobs.failed.len();
            return Err(
                format!("{failed} blobs are not whole in the new store{consequence}").into()
            );
        }
        println!("{}", if self.finish { "finished: start with the new settings" } else { NEXT });
        Ok(())
    }
}

const NEXT: &str = "the blobs are copied: stop all servers, then run this again with --finish";

/// Tells what became of the blobs; whether all are whole.
fn show(blobs: &MigratedBlobs) -> bool {
    println!(
        "blobs  {} copied ({}), {} there before, {} verified",
        blobs.copied,
        HumanBytes(blobs.bytes),
        blobs.known,
        blobs.verified
    );
    for (digest, error) in blobs.failed.iter().take(SHOWN) {
        println!("    {digest}: {error}");
    }
    if blobs.failed.len() > SHOWN {
        println!("    and {} more", blobs.failed.len() - SHOWN);
    }
    blobs.failed.is_empty()
}

/// A variable of the new settings under the name that settings have.
fn renamed((name, value): (OsString, OsString)) -> Option<(OsString, OsString)> {
    let rest = name.to_str()?.strip_prefix(NEW)?;
    Some((format!("ORLOP__{rest}").into(), value))
}

/// What tells a store from another.
fn place(storage: &StorageSettings) -> (String, Option<&str>) {
    match &storage.url {
        Some(url) => (url.trim_end_matches('/').to_owned(), storage.endpoint.as_deref()),
        None => {
            let folder = std::path::absolute(&storage.data_dir);
            let folder = folder.unwrap_or_else(|_| storage.data_dir.clone());
            (format!("file://{}", folder.display()), None)
        }
    }
}
