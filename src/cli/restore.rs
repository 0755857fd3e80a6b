use clap::Args;
use serde_json::json;

use super::Error;
use super::api::{Format, print_json};
use super::local::{ServiceArgs, time};
use super::scrub;
use super::serve::database_url;
use super::settings::SettingsArgs;
use crate::registry::backup::{self, Target};
use crate::storage::BlobStore;
use crate::telemetry;

/// Make a registry of a backup, on the database and the store that the settings name
///
/// The database must be empty; it may be of another kind than the one that was backed up, and so may
/// the store. All of it is read back at the end. Exit code 3: restored, but the backup had no sound
/// bytes of some blobs.
#[derive(Args)]
pub struct Restore {
    /// Folder, or s3://BUCKET/PREFIX, where the backups are
    #[arg(long, value_name = "PLACE")]
    from: String,

    /// Which backup; the newest one by default
    #[arg(long, value_name = "ID")]
    backup: Option<String>,

    /// Only list the backups that are there
    #[arg(long, conflicts_with = "backup")]
    list: bool,

    #[command(flatten)]
    service: ServiceArgs,

    /// How to show what was done
    #[arg(long, short, value_enum, default_value = "table")]
    output: Format,

    #[command(flatten)]
    settings: SettingsArgs,
}

impl Restore {
    pub async fn run(self) -> Result<(), Error> {
        let settings = self.settings.load()?;
        telemetry::init(&settings.log);
        let source = self.service.at(&self.from, &settings.storage)?;
        let source = BlobStore::open_existing(&source).await?;
        if self.list {
            let ids = backup::list(&source).await?;
            if self.output == Format::Json {
                print_json(&json!(ids));
            } else {
                ids.iter().for_each(|id| println!("{id}"));
            }
            return Ok(());
        }
        tokio::fs::create_dir_all(&settings.storage.data_dir).await?;
        let store = BlobStore::open(&settings.storage).await?;
        let target =
            Target { database_url: &database_url(&settings), settings: &settings, store: &store };
        let restored = backup::restore(&source, self.backup.as_deref(), target).await?;
        let backup = &restored.backup;
        if self.output == Format::Json {
            print_json(&json!({
                "id": backup.id,
                "takenAt": time(backup.taken_at),
                "rows": restored.rows,
                "copiedBlobs": restored.copied_blobs,
                "copiedBytes": restored.copied_bytes,
                "readBlobs": restored.report.scrub.blobs,
                "readManifests": restored.report.scrub.manifests,
                "damagedBlobs": restored.report.damaged_blobs,
                "damagedManifests": restored.report.damaged_manifests,
            }));
        } else {
            println!(
                "restored backup {} of {}: {} rows and {} blobs of {} bytes; then read back:",
                backup.id,
                time(backup.taken_at),
                restored.rows,
                restored.copied_blobs,
                restored.copied_bytes
            );
            scrub::show(&restored.report, self.output);
        }
        scrub::outcome(&restored.report)
    }
}
