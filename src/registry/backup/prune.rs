//! Removes old backups from a target, and the blobs that only they need.

use std::collections::HashSet;

use super::blobs::Columns;
use super::description::{self, Backup};
use super::{BackupError, rows};
use crate::metadata::now;
use crate::oci::Digest;
use crate::storage::BlobStore;
use crate::storage::care::{Place, shares};

/// An unfinished backup to which nothing was added for so long, in microseconds, is given up.
const ABANDONED: i64 = 24 * 3_600_000_000;

/// What was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    pub backups: Vec<String>,
    pub blobs: u64,
    pub bytes: u64,
    /// Another backup may be under way, which needs blobs that no whole one does: so none was
    /// removed.
    pub waits_for: Option<String>,
}

pub(super) async fn prune(target: &BlobStore, keep: usize) -> Result<Pruned, BackupError> {
    let mut pruned = Pruned::default();
    let (mut whole, partial) = description::ids(target).await?;
    let kept = whole.split_off(whole.len().saturating_sub(keep.max(1)));
    for (id, changed_at) in partial {
        if changed_at > now() - ABANDONED {
            pruned.waits_for = Some(id);
            return Ok(pruned);
        }
        whole.push(id);
    }
    let mut needed = HashSet::new();
    for id in &kept {
        collect(target, &Backup::read(target, id).await?, &mut needed).await?;
    }
    for id in whole {
        description::remove_files(target, &id).await?;
        pruned.backups.push(id);
    }
    for share in shares() {
        for stored in target.list(&share).await? {
            let Place::Digest(digest) = stored.place() else { continue };
            if !needed.contains(&digest) {
                target.remove_file(&stored.key).await?;
                pruned.blobs += 1;
                pruned.bytes += stored.size;
            }
        }
    }
    Ok(pruned)
}

async fn collect(
    target: &BlobStore,
    backup: &Backup,
    needed: &mut HashSet<Digest>,
) -> Result<(), BackupError> {
    let Some(table) = backup.table("blobs") else { return Ok(()) };
    let columns = Columns::of(table)?;
    for file in &table.files {
        for row in rows::read_file(target, file).await? {
            needed.insert(columns.read(&row)?.digest);
        }
    }
    Ok(())
}
