//! Rows of manifests, which hold their bytes.

use std::collections::HashMap;

use bytes::Bytes;

use super::{Pass, ScrubError};
use crate::metadata::stored_manifests::{self, DamagedManifest, StoredManifest};
use crate::metadata::{now, scrubs};
use crate::oci::{Digest, Hasher, RepositoryName};
use crate::registry::backup::{self, ManifestRows};
use crate::storage::BlobStore;

/// Rows read at once, each with its bytes.
const BATCH: i64 = 16;

/// Damaged manifests that are looked for in backups together.
const HEALED_AT_ONCE: i64 = 10_000;

/// Repositories with the same manifest that are asked for its bytes.
const COPIES: i64 = 16;

/// The kind of a finding about a manifest.
const KIND: &str = "manifest";

impl Pass<'_> {
    pub(super) async fn manifests(&mut self) -> Result<(), ScrubError> {
        loop {
            let mut connection = self.database().read().await?;
            let batch = stored_manifests::after(&mut connection, self.id(), BATCH).await?;
            drop(connection);
            if batch.is_empty() {
                return self.heal_manifests().await;
            }
            for manifest in batch {
                let (id, size) = (manifest.id, manifest.content.len() as u64);
                self.pace.spend(size).await;
                self.check_manifest(manifest).await?;
                self.scrub.bytes += size;
                self.scrub.manifests += 1;
                self.passed(id.to_string()).await?;
            }
        }
    }

    /// Looks at one manifest, again if its bytes change meanwhile.
    async fn check_manifest(&self, mut manifest: StoredManifest) -> Result<(), ScrubError> {
        loop {
            if is_of(&manifest.digest, &manifest.content) {
                return self.show_manifest_again(&manifest).await;
            }
            let mut transaction = self.database().begin().await?;
            let marked = stored_manifests::mark_damaged(&mut transaction, &manifest, now()).await?;
            transaction.commit().await?;
            if marked {
                return self.keep_aside(manifest).await;
            }
            let mut connection = self.database().read().await?;
            match stored_manifests::find(&mut connection, manifest.id).await? {
                Some(again) => manifest = again,
                None => return Ok(()), // It was collected.
            }
        }
    }

    async fn show_manifest_again(&self, manifest: &StoredManifest) -> Result<(), ScrubError> {
        if !manifest.is_damaged {
            return Ok(());
        }
        let mut transaction = self.database().begin().await?;
        stored_manifests::mark_sound(&mut transaction, manifest.id, &manifest.content).await?;
        transaction.commit().await?;
        let name = name(&manifest.repository, &manifest.digest);
        let outcome = "sound again, and served".to_owned();
        self.record("recovered", name, manifest.content.len() as u64, outcome).await
    }

    /// Keeps the bytes of a damaged manifest, which is hidden now, for inspection.
    async fn keep_aside(&self, manifest: StoredManifest) -> Result<(), ScrubError> {
        let StoredManifest { repository, digest, content, is_damaged, .. } = manifest;
        let size = content.len() as u64;
        let mut outcome = String::from("hidden");
        if is_damaged {
            outcome += "; known since an earlier scrub";
        } else {
            match self.store().quarantine_bytes(&digest, content).await {
                Ok(key) => outcome += &format!("; bytes kept at {key}"),
                Err(error) => tracing::warn!(%error, %digest, "not kept aside"),
            }
        }
        self.record(KIND, name(&repository, &digest), size, outcome).await
    }

    /// Gives damaged manifests their bytes again, as far as another repository or a backup has them.
    async fn heal_manifests(&self) -> Result<(), ScrubError> {
        let mut last = 0;
        loop {
            let mut connection = self.database().read().await?;
            let damaged =
                stored_manifests::damaged_after(&mut connection, last, HEALED_AT_ONCE).await?;
            drop(connection);
            let Some(DamagedManifest { id, .. }) = damaged.last() else { return Ok(()) };
            last = *id;
            let mut missing: HashMap<Digest, Vec<DamagedManifest>> = HashMap::new();
            for manifest in damaged {
                missing.entry(manifest.digest.clone()).or_default().push(manifest);
            }
            self.heal_from_repositories(&mut missing).await?;
            for copy in &self.scrubber.copies {
                self.heal_from_backups(copy, &mut missing).await?;
            }
        }
    }

    async fn heal_from_repositories(&self, missing: &mut Missing) -> Result<(), ScrubError> {
        for digest in missing.keys().cloned().collect::<Vec<_>>() {
            let mut connection = self.database().read().await?;
            let copies = stored_manifests::copies(&mut connection, &digest, COPIES).await?;
            drop(connection);
            for content in copies {
                self.heal_manifest(&digest, &content, "another repository", missing).await?;
            }
        }
        Ok(())
    }

    /// Backups that cannot be read are told and passed over.
    async fn heal_from_backups(
        &self,
        store: &BlobStore,
        missing: &mut Missing,
    ) -> Result<(), ScrubError> {
        if missing.is_empty() {
            return Ok(());
        }
        let unreadable = |error: backup::BackupError| {
            tracing::warn!(%error, "a backup could not be read for damaged manifests");
        };
        let backups = backup::list(store).await.map_err(unreadable).unwrap_or_default();
        for id in backups.iter().rev() {
            let rows = ManifestRows::open(store, id).await.map_err(unreadable).unwrap_or_default();
            for file in rows.files() {
                if missing.is_empty() {
                    return Ok(());
                }
                self.pace.spend(file.bytes).await;
                let found = rows.read(store, file).await.map_err(unreadable).unwrap_or_default();
                for (digest, content) in found {
                    self.heal_manifest(&digest, &content, "a backup", missing).await?;
                }
            }
        }
        Ok(())
    }

    /// Gives all manifests that are missing under the digest these bytes, if they are theirs.
    async fn heal_manifest(
        &self,
        digest: &Digest,
        content: &Bytes,
        origin: &str,
        missing: &mut Missing,
    ) -> Result<(), ScrubError> {
        if !missing.contains_key(digest) || !is_of(digest, content) {
            return Ok(());
        }
        for DamagedManifest { id, repository, digest } in
            missing.remove(digest).into_iter().flatten()
        {
            let mut transaction = self.database().begin().await?;
            stored_manifests::mark_sound(&mut transaction, id, content).await?;
            let (name, healed) = (name(&repository, &digest), format!("healed from {origin}"));
            let scrub_id = self.scrub.id;
            scrubs::amend(&mut transaction, scrub_id, KIND, &name, "hidden", &healed).await?;
            transaction.commit().await?;
            tracing::info!(name, origin, "scrub: a manifest is healed");
        }
        Ok(())
    }
}

/// Damaged manifests for which no sound bytes were found yet.
type Missing = HashMap<Digest, Vec<DamagedManifest>>;

fn is_of(digest: &Digest, content: &[u8]) -> bool {
    Hasher::digest(digest.algorithm(), content) == *digest
}

fn name(repository: &RepositoryName, digest: &Digest) -> String {
    format!("{repository}@{digest}")
}
