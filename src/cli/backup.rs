use clap::Args;
use serde_json::json;

use super::Error;
use super::api::{Format, print_json};
use super::local::{Found, Local, ServiceArgs, time};
use super::settings::SettingsArgs;
use crate::registry::backup;
use crate::storage::BlobStore;

/// Copy the whole registry to a folder or a bucket, while it serves
///
/// Rows as they stand at one moment, and the blobs that they name; blobs that the target has from
/// earlier backups are not copied again. Exit code 3: the backup was made, but the store has no
/// sound bytes of some blobs.
#[derive(Args)]
pub struct Backup {
    /// Folder, or s3://BUCKET/PREFIX, of all backups of this registry
    #[arg(long, value_name = "PLACE")]
    to: String,

    /// Then remove all but this many of the newest backups, and the blobs that only they need
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..))]
    keep: Option<u16>,

    #[command(flatten)]
    service: ServiceArgs,

    /// How to show what was done
    #[arg(long, short, value_enum, default_value = "table")]
    output: Format,

    #[command(flatten)]
    settings: SettingsArgs,
}

impl Backup {
    pub async fn run(self) -> Result<(), Error> {
        let Local { settings, database, store } = Local::open(self.settings).await?;
        let target = BlobStore::open(&self.service.at(&self.to, &settings.storage)?).await?;
        let made = backup::back_up(&database, &store, &target).await?;
        database.close().await;
        let pruned = match self.keep {
            Some(keep) => backup::prune(&target, keep.into()).await?,
            None => backup::Pruned::default(),
        };
        if self.output == Format::Json {
            print_json(&json!({
                "id": made.id,
                "takenAt": time(made.taken_at),
                "rows": made.tables.iter().map(|table| table.rows).sum::<u64>(),
                "blobs": made.blobs,
                "bytes": made.blob_bytes,
                "copiedBlobs": made.copied_blobs,
                "copiedBytes": made.copied_bytes,
                "damaged": made.damaged,
                "removedBackups": pruned.backups,
                "removedBlobs": pruned.blobs,
                "removedBytes": pruned.bytes,
            }));
        } else {
            println!(
                "backup {} of {}: {} rows, {} blobs of {} bytes, of which {} blobs of {} bytes were \
                 copied now",
                made.id,
                time(made.taken_at),
                made.tables.iter().map(|table| table.rows).sum::<u64>(),
                made.blobs,
                made.blob_bytes,
                made.copied_blobs,
                made.copied_bytes
            );
            if !pruned.backups.is_empty() {
                let (backups, blobs) = (pruned.backups.len(), pruned.blobs);
                println!("removed {backups} old backups and {blobs} blobs");
            }
        }
        if let Some(id) = pruned.waits_for {
            eprintln!("orlop: nothing was removed, as backup {id} seems to be under way");
        }
        match made.damaged.len() {
            0 => Ok(()),
            count => Err(Found(format!(
                "the backup lacks {count} blobs of which the store has no sound bytes; \
                 `orlop scrub` looks into it"
            ))
            .into()),
        }
    }
}
