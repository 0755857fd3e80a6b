//! What is in the store, and whether a row knows of it.

use futures_util::TryStreamExt as _;

use super::{Pass, ScrubError};
use crate::metadata::{now, stored_blobs};
use crate::oci::{Algorithm, Digest, Hasher};
use crate::storage::care::{Place, Stored};

impl Pass<'_> {
    pub(super) async fn orphans(&mut self) -> Result<(), ScrubError> {
        loop {
            let page = self.store().list_after(&self.scrub.place).await?;
            let Some(last) = page.last() else { return Ok(()) };
            let last = last.key.clone();
            self.page(&page).await?;
            self.passed(last).await?;
        }
    }

    async fn page(&self, page: &[Stored]) -> Result<(), ScrubError> {
        let grace = i64::try_from(self.scrubber.grace.as_micros()).unwrap_or(i64::MAX);
        let oldest = now().saturating_sub(grace);
        let old = page.iter().filter(|stored| stored.changed_at <= oldest);
        let old: Vec<_> = old.map(|stored| (stored, stored.place())).collect();
        let digests: Vec<&Digest> = old.iter().filter_map(|(_, place)| place.digest()).collect();
        let keys: Vec<&str> = old.iter().map(|(stored, _)| stored.key.as_str()).collect();
        let mut connection = self.database().read().await?;
        let with_row = stored_blobs::with_row(&mut connection, &digests).await?;
        let named = stored_blobs::named(&mut connection, &keys).await?;
        drop(connection);
        for (stored, place) in &old {
            let row = place.digest().and_then(|digest| with_row.get(digest));
            match (place, row) {
                _ if named.contains(&stored.key) => {}
                (_, Some(None)) => {}
                (_, Some(Some(_))) => self.orphan(stored, place, "duplicate").await?,
                (Place::Other, _) => self.orphan(stored, place, "foreign").await?,
                (_, None) => self.orphan(stored, place, "orphan").await?,
            }
        }
        Ok(())
    }

    /// Something of which no row knew when it was asked.
    async fn orphan(&self, stored: &Stored, place: &Place, kind: &str) -> Result<(), ScrubError> {
        let Stored { key, size, .. } = stored;
        let session = match place {
            Place::Upload(id) => Some(*id),
            _ => None,
        };
        let mut connection = self.database().read().await?;
        let digest = place.digest();
        if stored_blobs::is_being_uploaded(&mut connection, key, session, digest).await? {
            return Ok(());
        }
        drop(connection);
        if self.store().size_of_file(key).await?.is_none() {
            return Ok(()); // It was collected since it was listed.
        }
        let mut outcome = "left as it is";
        if self.scrubber.hands_over && *place != Place::Other {
            let digest = match digest {
                Some(digest) => digest.clone(),
                None => self.digest_of(stored).await?,
            };
            self.scrubber.registry.remove_orphan(&digest, *size, Some(key)).await?;
            outcome = "given to the collector";
        }
        self.record(kind, key.clone(), *size, outcome.to_owned()).await
    }

    /// What an object holds that does not say it.
    async fn digest_of(&self, stored: &Stored) -> Result<Digest, ScrubError> {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        if stored.size > 0 {
            let unknown = hasher.clone().finish();
            let reader = self.store().read(&unknown, stored.size, Some(&stored.key)).await?;
            let mut stream = std::pin::pin!(reader.stream(0..stored.size).await?);
            while let Some(bytes) = stream.try_next().await? {
                self.pace.spend(bytes.len() as u64).await;
                hasher.update(&bytes);
            }
        }
        Ok(hasher.finish())
    }
}
