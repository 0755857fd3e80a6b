//! Backups: all rows as they stood at one moment, and the blobs that they name, in a folder or a
//! bucket; and registries made of them.
//!
//! | in the target | |
//! |---|---|
//! | `blobs/sha256/ab/<hex>` | a blob; all backups share it |
//! | `backups/<id>/<table>-00001.jsonl` | rows, one a line, in a form that no engine owns |
//! | `backups/<id>/backup.json` | what belongs to the backup; written last, so it makes it whole |

mod blobs;
mod description;
mod error;
mod manifests;
mod prune;
mod restore;
mod rows;

pub use description::{Backup, RowFile, TableRows};
pub use error::BackupError;
pub use manifests::ManifestRows;
pub use prune::Pruned;
pub use restore::{Restored, Target, restore};

use std::time::Duration;

use self::blobs::BlobCopies;
use crate::metadata::{Database, now};
use crate::storage::BlobStore;

/// Snapshots taken of the rows before giving up: a blob that is collected between the snapshot and
/// its copy makes a new one necessary.
const ROUNDS: u32 = 5;

/// What a backup that was killed left half copied is removed after this time.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

/// Makes a backup of a registry, which may go on serving.
///
/// Rows first, blobs second: what the rows name was there when they were read, and what is deleted
/// meanwhile stays for as long as it can be restored, and the collector's delay. If a blob is collected
/// before its copy nevertheless, the rows are read again: those do not name it any more.
///
/// # Errors
/// [`BackupError`]; what was copied until then counts for the next backup.
pub async fn back_up(
    database: &Database,
    store: &BlobStore,
    target: &BlobStore,
) -> Result<Backup, BackupError> {
    let started_at = now();
    let id = description::id_of(started_at);
    let mut copies = BlobCopies::default();
    for left in target.idle_uploads(ABANDONED).await? {
        target.remove_remains(left).await?;
    }
    for _ in 0..ROUNDS {
        description::remove_files(target, &id).await?;
        let taken_at = now();
        let (schema, tables) = rows::write(database, target, &id).await?;
        let vanished = copies.copy_all(database, store, target, &tables).await?;
        if vanished > 0 {
            tracing::info!(vanished, "blobs were collected meanwhile: the rows are read again");
            continue;
        }
        let backup = Backup {
            format: description::FORMAT,
            id,
            orlop: env!("CARGO_PKG_VERSION").to_owned(),
            schema,
            started_at,
            taken_at,
            finished_at: now(),
            tables,
            blobs: copies.blobs,
            blob_bytes: copies.blob_bytes,
            copied_blobs: copies.copied_blobs,
            copied_bytes: copies.copied_bytes,
            damaged: copies.damaged,
        };
        backup.write(target).await?;
        return Ok(backup);
    }
    Err(BackupError::Restless)
}

/// The backups in a target that are whole, the oldest first.
pub async fn list(target: &BlobStore) -> Result<Vec<String>, BackupError> {
    Ok(description::ids(target).await?.0)
}

/// Removes all but the `keep` newest backups, and the blobs that only they need.
pub async fn prune(target: &BlobStore, keep: usize) -> Result<Pruned, BackupError> {
    prune::prune(target, keep).await
}
