//! Collecting garbage: what nobody needs any more goes, and its space comes back, while pushes and pulls
//! go on.
//!
//! Nobody searches for garbage. Whatever may make some notes it in a queue in its own transaction, with
//! the time at which to look at it, and a round looks at what is due:
//!
//! 1. a **manifest** that no tag and no index names, if it refers to a subject that is gone, or if
//!    manifests without tags are to go: it is deleted as by a client, and can be restored;
//! 2. a **link** of a blob to a repository where no manifest needs the blob, nor a deleted one that can
//!    be restored, once the grace is over since it was made, found by a client that wanted to push the
//!    blob, or needed for the last time: the link goes, and the blob is looked at;
//! 3. a **blob** that no repository has. In a bucket its row goes, and its object after the delay. On
//!    disk, where the same content would come to the same place again, it is marked first and, if
//!    nobody brings it within the delay ([`super::publishing`]), its bytes and its row go while the row
//!    is held.
//!
//! A round may run at each replica. What it decides, it decides in short transactions of which one runs
//! at a time (`Alone::Sweep`), by rows that it holds as pushes do.

use std::error::Error;
use std::time::Duration;

use sqlx::AnyConnection;
use uuid::Uuid;

use super::gc_round::Round;
use super::lease::after;
use super::{Registry, RegistryError};
use crate::metadata::doomed_objects::{self, DoomedObject};
use crate::metadata::garbage::{self, Kind, NO_REPOSITORY};
use crate::metadata::garbage_reviews::{self, HeldBlob, UnnamedManifest};
use crate::metadata::{self, Alone, now, retry};
use crate::storage::{BucketStore, DiskStore, Removal};

/// Entries that one transaction looks at, so that none is long.
const BATCH: i64 = 200;

/// Objects that are removed by one request; S3 takes 1,000.
const OBJECTS: i64 = 500;

/// After a failure, things are looked at again after this time. As long a replica has for the objects
/// that it took.
const RETRY: Duration = Duration::from_secs(120);

/// After a failure of the bucket, objects are removed again after this time.
const OBJECTS_RETRY: Duration = Duration::from_secs(10);

/// What a round has removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Manifests that were deleted, and can be restored.
    pub manifests: u64,
    /// Blobs that went from a repository.
    pub links: u64,
    /// Blobs, or second copies of some, whose bytes were removed.
    pub blobs: u64,
    /// Bytes of those.
    pub bytes: u64,
}

impl std::ops::AddAssign for Collected {
    fn add_assign(&mut self, other: Self) {
        self.manifests += other.manifests;
        self.links += other.links;
        self.blobs += other.blobs;
        self.bytes += other.bytes;
    }
}

/// What became of a batch, and what is left to do when it is committed.
#[derive(Default)]
struct Reviewed {
    /// Things that were looked at.
    things: usize,
    collected: Collected,
    /// Bytes on the disk that were set aside.
    aside: Vec<Uuid>,
}

impl Registry {
    /// Looks at all that is due. A failure ends the work on a part, not the round; the last is given.
    pub async fn collect_garbage(&self) -> Result<Collected, RegistryError> {
        let round = Round::begin();
        // Both go on: each may hold, or be next to get, the connection that the other waits for.
        let result = tokio::select! {
            result = self.collect_all(&round) => result,
            never = self.follow_round(&round) => match never {},
        };
        self.end_round(&round, result.is_err()).await;
        result.map(|()| round.collected())
    }

    async fn collect_all(&self, round: &Round) -> Result<(), RegistryError> {
        let mut result = Ok(());
        for kind in [Kind::Manifest, Kind::Link, Kind::Blob] {
            result = result.and(self.review_all(kind, round).await);
        }
        if let Removal::ByKey(bucket) = self.store.removal() {
            result = result.and(self.remove_objects(bucket, round).await);
        }
        result
    }

    /// Lets all manifests without a tag be looked at, if such are to go: also those that lost their
    /// tags when they were not. Costs a look at every manifest, unlike all else here.
    pub async fn find_untagged(&self) -> Result<(), RegistryError> {
        let Some(review_at) = self.untagged_review_at(now()) else { return Ok(()) };
        let mut transaction = self.database.begin_alone(Alone::Sweep).await?;
        garbage::enqueue_untagged(&mut transaction, review_at).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// How many things wait to be looked at, or to be removed, whenever their time is.
    pub async fn garbage_waiting(&self) -> Result<i64, RegistryError> {
        let mut connection = self.database.read().await?;
        Ok(garbage::waiting(&mut connection).await?)
    }

    async fn review_all(&self, kind: Kind, round: &Round) -> Result<(), RegistryError> {
        let mut result = Ok(());
        loop {
            let now = now();
            let mut connection = self.database.read().await?;
            let due = garbage::due_repository(&mut connection, kind, now).await?;
            drop(connection);
            let Some(repository_id) = due else { return result };
            let reviewed = retry(async || self.review(kind, repository_id, now).await).await;
            match reviewed {
                Ok(reviewed) => {
                    round.add(reviewed.things, reviewed.collected);
                    self.remove_aside(&reviewed.aside).await;
                }
                Err(error) => {
                    self.postpone(kind, repository_id, now).await?;
                    result = Err(error);
                }
            }
        }
    }

    /// Looks at a batch of one kind in one repository.
    async fn review(
        &self,
        kind: Kind,
        repository_id: i64,
        now: i64,
    ) -> Result<Reviewed, RegistryError> {
        let mut transaction = self.database.begin_alone(Alone::Sweep).await?;
        let ids = garbage::due(&mut transaction, kind, repository_id, now, BATCH).await?;
        // Another replica was quicker.
        if ids.is_empty() {
            return Ok(Reviewed::default());
        }
        let connection = &mut transaction;
        let reviewed = match kind {
            Kind::Manifest => self.review_manifests(connection, repository_id, &ids, now).await?,
            Kind::Link => self.review_links(connection, repository_id, &ids, now).await?,
            Kind::Blob => self.review_blobs(connection, &ids, now).await?,
        };
        garbage::dequeue(&mut transaction, kind, repository_id, &ids, now).await?;
        transaction.commit().await?;
        Ok(Reviewed { things: ids.len(), ..reviewed })
    }

    /// Leaves things for later that could not be looked at, so that others are.
    async fn postpone(
        &self,
        kind: Kind,
        repository_id: i64,
        now: i64,
    ) -> Result<(), RegistryError> {
        let mut transaction = self.database.begin_alone(Alone::Sweep).await?;
        let ids = garbage::due(&mut transaction, kind, repository_id, now, BATCH).await?;
        let review_at = after(now, RETRY);
        garbage::enqueue_all(&mut transaction, kind, repository_id, &ids, review_at).await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn review_manifests(
        &self,
        connection: &mut AnyConnection,
        repository_id: i64,
        ids: &[i64],
        now: i64,
    ) -> Result<Reviewed, RegistryError> {
        // In a deleted repository all manifests are deleted.
        let Some((_, repository)) =
            metadata::repositories::hold_by_id(connection, repository_id).await?
        else {
            return Ok(Reviewed::default());
        };
        let mut deleted = 0;
        for manifest in garbage_reviews::unnamed_manifests(connection, repository_id, ids).await? {
            let Some(keep) = self.keep_unnamed(&manifest) else { continue };
            let due_at = after(manifest.updated_at, keep);
            let is_locked = [repository.attributes, manifest.attributes]
                .iter()
                .any(|attributes| !attributes.delete_enabled || !attributes.write_enabled);
            if due_at > now || is_locked {
                let review_at = due_at.max(after(now, self.grace()));
                garbage::enqueue(connection, Kind::Manifest, repository_id, manifest.id, review_at)
                    .await?;
                continue;
            }
            metadata::manifests::delete(connection, manifest.id, now).await?;
            deleted += 1;
        }
        if deleted > 0 {
            metadata::repositories::touch(connection, repository_id, -deleted, 0, now).await?;
        }
        let collected = Collected { manifests: deleted.unsigned_abs(), ..Collected::default() };
        Ok(Reviewed { collected, ..Reviewed::default() })
    }

    /// How long a manifest that nothing names is kept after its push; for ever, if none.
    pub(super) fn keep_unnamed(&self, manifest: &UnnamedManifest) -> Option<Duration> {
        match manifest.subject {
            Some(_) => (self.gc.orphaned_referrers && !manifest.has_subject).then(|| self.grace()),
            None => self.keep_untagged(),
        }
    }

    async fn review_links(
        &self,
        connection: &mut AnyConnection,
        repository_id: i64,
        ids: &[i64],
        now: i64,
    ) -> Result<Reviewed, RegistryError> {
        // Links of a deleted repository are deleted; they go when they can be restored no more.
        let Some((_, repository)) =
            metadata::repositories::hold_by_id(connection, repository_id).await?
        else {
            return Ok(Reviewed::default());
        };
        let grace = i64::from(self.gc.grace_seconds) * 1_000_000;
        let mut removed = Vec::new();
        if repository.attributes.write_enabled {
            let until = now - grace;
            removed = garbage_reviews::remove_links(connection, repository_id, ids, until).await?;
            garbage::enqueue_all(connection, Kind::Blob, NO_REPOSITORY, &removed, now).await?;
        }
        let kept = garbage_reviews::needless_links(connection, repository_id, ids).await?;
        for (id, linked_at) in kept {
            let review_at = (linked_at + grace).max(after(now, Duration::from_secs(1)));
            garbage::enqueue(connection, Kind::Link, repository_id, id, review_at).await?;
        }
        let collected = Collected { links: removed.len() as u64, ..Collected::default() };
        Ok(Reviewed { collected, ..Reviewed::default() })
    }

    async fn review_blobs(
        &self,
        connection: &mut AnyConnection,
        ids: &[i64],
        now: i64,
    ) -> Result<Reviewed, RegistryError> {
        let unlinked = garbage_reviews::hold_unlinked(connection, ids).await?;
        match self.store.removal() {
            Removal::ByKey(_) => self.doom_objects(connection, unlinked, now).await,
            Removal::InPlace(disk) => self.remove_files(connection, disk, unlinked, now).await,
        }
    }

    /// Forgets blobs, which are held; their objects go later.
    async fn doom_objects(
        &self,
        connection: &mut AnyConnection,
        unlinked: Vec<HeldBlob>,
        now: i64,
    ) -> Result<Reviewed, RegistryError> {
        let remove_at = after(now, self.removal_delay());
        let ids: Vec<_> = unlinked.iter().map(|blob| blob.id).collect();
        metadata::blobs::delete(connection, &ids).await?;
        for HeldBlob { digest, size, location, .. } in unlinked {
            let location = BucketStore::key(&digest, location.as_deref());
            let object = DoomedObject { location, digest, size };
            doomed_objects::insert(connection, &object, remove_at).await?;
        }
        Ok(Reviewed::default())
    }

    /// Removes blobs, which are held, whose time has come, and marks the others.
    async fn remove_files(
        &self,
        connection: &mut AnyConnection,
        disk: &DiskStore,
        unlinked: Vec<HeldBlob>,
        now: i64,
    ) -> Result<Reviewed, RegistryError> {
        let delay = self.removal_delay();
        let mut fresh = Vec::new();
        let mut due = Vec::new();
        for blob in unlinked {
            let Some(marked_at) = blob.marked_at else {
                fresh.push(blob.id);
                continue;
            };
            let remove_at = after(marked_at, delay);
            if remove_at > now {
                garbage::enqueue(connection, Kind::Blob, NO_REPOSITORY, blob.id, remove_at).await?;
            } else {
                due.push(blob);
            }
        }
        metadata::blobs::mark(connection, &fresh, now).await?;
        // Not at this very time: those entries are about to be taken off the queue.
        let review_at = after(now, delay).max(now + 1);
        garbage::enqueue_all(connection, Kind::Blob, NO_REPOSITORY, &fresh, review_at).await?;

        let ids: Vec<_> = due.iter().map(|blob| blob.id).collect();
        let digests: Vec<_> = due.iter().map(|blob| blob.digest.clone()).collect();
        metadata::blobs::delete(connection, &ids).await?;
        let aside = disk.set_blobs_aside(&digests).await?;
        let collected = Collected {
            blobs: due.len() as u64,
            bytes: due.iter().map(|blob| blob.size).sum(),
            ..Collected::default()
        };
        Ok(Reviewed { collected, aside, ..Reviewed::default() })
    }

    /// Removes files that were set aside. What cannot be removed is found later, as what is left of an
    /// upload.
    async fn remove_aside(&self, aside: &[Uuid]) {
        let Removal::InPlace(disk) = self.store.removal() else { return };
        if let Err(error) = disk.remove_uploads(aside).await {
            let error = &error as &dyn Error;
            tracing::warn!(error, "bytes of removed blobs are left among the uploads");
        }
    }

    /// Removes the objects whose time has come.
    async fn remove_objects(
        &self,
        bucket: &BucketStore,
        round: &Round,
    ) -> Result<(), RegistryError> {
        loop {
            let objects = retry(async || self.take_objects().await).await?;
            if objects.is_empty() {
                return Ok(());
            }
            let keys: Vec<_> = objects.iter().map(|object| &*object.location).collect();
            let removed = bucket.remove_objects(&keys).await;
            let mut transaction = self.database.begin().await?;
            if let Err(error) = removed {
                let again_at = after(now(), OBJECTS_RETRY);
                for object in &objects {
                    doomed_objects::insert(&mut transaction, object, again_at).await?;
                }
                transaction.commit().await?;
                return Err(error.into());
            }
            doomed_objects::delete(&mut transaction, &objects).await?;
            transaction.commit().await?;
            let bytes = objects.iter().map(|object| object.size).sum();
            let blobs = objects.len() as u64;
            round.add(objects.len(), Collected { blobs, bytes, ..Collected::default() });
        }
    }

    /// Takes objects that no other replica takes meanwhile.
    async fn take_objects(&self) -> Result<Vec<DoomedObject>, RegistryError> {
        let mut connection = self.database.read().await?;
        let is_due = doomed_objects::is_due(&mut connection, now()).await?;
        drop(connection);
        if !is_due {
            return Ok(Vec::new());
        }
        let now = now();
        let mut transaction = self.database.begin_alone(Alone::Sweep).await?;
        let mut taken =
            doomed_objects::take(&mut transaction, now, after(now, RETRY), OBJECTS).await?;
        // A commit of which its push never heard may have used one.
        let used = doomed_objects::in_use(&mut transaction, &taken).await?;
        if !used.is_empty() {
            let (kept, rest) =
                taken.into_iter().partition(|object| used.contains(&object.location));
            doomed_objects::delete(&mut transaction, &Vec::<_>::from_iter(kept)).await?;
            taken = rest;
        }
        transaction.commit().await?;
        Ok(taken)
    }

    /// Lets a new link of a blob be looked at when its grace is over.
    pub(super) async fn review_link(
        &self,
        connection: &mut AnyConnection,
        repository_id: i64,
        blob_id: i64,
        now: i64,
    ) -> Result<(), RegistryError> {
        let review_at = after(now, self.grace());
        garbage::enqueue(connection, Kind::Link, repository_id, blob_id, review_at).await?;
        Ok(())
    }

    /// Lets a manifest be looked at that lost a tag, or came without one.
    pub(super) async fn review_unnamed(
        &self,
        connection: &mut AnyConnection,
        manifest_id: i64,
        now: i64,
    ) -> Result<(), RegistryError> {
        let referrer_at = self.gc.orphaned_referrers.then(|| after(now, self.grace()));
        let untagged_at = self.untagged_review_at(now);
        garbage::enqueue_manifest(connection, manifest_id, referrer_at, untagged_at).await?;
        Ok(())
    }

    /// Lets all be looked at that belongs to manifests which go for good.
    pub(super) async fn review_around(
        &self,
        connection: &mut AnyConnection,
        manifest_ids: &[i64],
        now: i64,
    ) -> Result<(), RegistryError> {
        let around = garbage::Around {
            // A client may have found a blob of one before it went, and be about to push another.
            links: after(now, self.grace()),
            referrers: self.gc.orphaned_referrers.then(|| after(now, self.grace())),
            children: self.untagged_review_at(now),
        };
        garbage::enqueue_around_manifests(connection, manifest_ids, around).await?;
        Ok(())
    }

    fn untagged_review_at(&self, now: i64) -> Option<i64> {
        self.keep_untagged().map(|keep| after(now, keep))
    }

    pub(super) fn keep_untagged(&self) -> Option<Duration> {
        let days = self.gc.untagged_days;
        (days > 0).then(|| Duration::from_secs(u64::from(days) * 24 * 3600))
    }

    pub(super) fn grace(&self) -> Duration {
        Duration::from_secs(self.gc.grace_seconds.into())
    }

    pub(super) fn removal_delay(&self) -> Duration {
        Duration::from_secs(self.gc.delay_seconds.into())
    }
}
