//! Rows of manifests, which hold their bytes.

use super::{MANIFEST, Pass, ScrubError};
use crate::metadata::manifests;
use crate::oci::Hasher;

/// Rows read at once, each with its bytes.
const BATCH: i64 = 16;

impl Pass<'_> {
    pub(super) async fn manifests(&mut self) -> Result<(), ScrubError> {
        loop {
            let mut connection = self.database().read().await?;
            let batch = manifests::contents_after(&mut connection, self.id(), BATCH).await?;
            drop(connection);
            if batch.is_empty() {
                return Ok(());
            }
            for manifest in batch {
                let size = manifest.content.len() as u64;
                self.pace.spend(size).await;
                let actual = Hasher::digest(manifest.digest.algorithm(), &manifest.content);
                if actual != manifest.digest {
                    let name = format!("{}@{}", manifest.repository, manifest.digest);
                    let outcome = "the database holds other bytes: restore it from a backup";
                    self.record(MANIFEST, name, size, outcome.to_owned()).await?;
                }
                self.scrub.bytes += size;
                self.scrub.manifests += 1;
                self.passed(manifest.id.to_string()).await?;
            }
        }
    }
}
