//! How the bytes of an upload become a blob that a repository shows: they are put in their place first,
//! then rows say so.
//!
//! The collector may meanwhile remove the same content, which was pushed before and which nobody needs
//! any more (see [`super::garbage`]). In a bucket it cannot meet this push, whose object has a key of its
//! own. On disk the same content has one place. So the push looks for a decision to remove it, before it
//! puts the bytes there, and takes that back; from then on they stay for the collector's delay. One that
//! takes longer than half of it makes sure that they are there, while it holds the blob's row.

use std::time::Duration;

use sqlx::AnyConnection;
use tokio::time::Instant;

use super::lease::{Lease, after};
use super::locks::check_write;
use super::{Item, Registry, RegistryError};
use crate::metadata::doomed_objects::DoomedObject;
use crate::metadata::garbage::{self, Kind, NO_REPOSITORY};
use crate::metadata::uploads::Placed;
use crate::metadata::{self, doomed_objects, now, retry};
use crate::oci::{Digest, RepositoryName};
use crate::storage::{Removal, StorageError, UploadWriter};

/// How much longer than others an object stays that a push may have left: the answer to a commit may
/// have been lost, or the request that makes the object may still be on its way.
const ON_ITS_WAY: Duration = Duration::from_secs(30);

/// Bytes in their place, of which no row may know yet.
struct Published {
    size: u64,
    location: Option<String>,
    /// From when on they cannot have been removed before the collector's delay was over.
    safe_since: Instant,
}

impl Registry {
    /// Makes a session a blob that the repository shows. It goes on only where the bucket is away.
    pub(super) async fn publish(
        &self,
        repository: &RepositoryName,
        mut writer: UploadWriter,
        digest: &Digest,
        lease: Lease,
    ) -> Result<(), RegistryError> {
        let placed =
            Placed { digest: digest.clone(), location: writer.destination().map(str::to_owned) };
        let finish = async {
            writer.settle().await?;
            self.verify(&mut writer, digest).await?;
            let safe_since = Instant::now();
            // What lies under the session's name is another's if the lease was lost meanwhile.
            let (announced, synced) = tokio::join!(self.announce(&lease, &placed), writer.sync());
            announced?;
            synced?;
            let size = writer.written();
            let location = self.store.finish_upload(writer, digest).await?;
            Ok(Published { size, location, safe_since })
        };
        let shown = match lease.during(finish).await {
            Ok(published) => self.show(repository, digest, published, Some(&lease)).await,
            Err(error @ RegistryError::Storage(StorageError::Bucket(_))) => {
                lease.give_back().await?;
                return Err(error);
            }
            Err(error) => Err(error),
        };
        // Otherwise its bytes are of no use, or are in the blob's place already.
        if shown.is_err() && !self.discard(&lease).await? {
            let mut transaction = self.database.begin().await?;
            self.abandon(&mut transaction, &placed).await?;
            transaction.commit().await?;
        }
        shown
    }

    /// As [`Registry::publish`], of bytes whose digest was checked and that no session knows of.
    pub(super) async fn publish_without_session(
        &self,
        repository: &RepositoryName,
        writer: UploadWriter,
        digest: &Digest,
    ) -> Result<(), RegistryError> {
        let placed = Placed { digest: digest.clone(), location: None };
        let (size, safe_since) = (writer.written(), Instant::now());
        let mut connection = self.database.read().await?;
        let is_marked = metadata::blobs::is_marked(&mut connection, digest).await?;
        drop(connection);
        if is_marked {
            let mut transaction = self.database.begin().await?;
            self.spare(&mut transaction, digest).await?;
            transaction.commit().await?;
        }
        let location = self.store.finish_upload(writer, digest).await?;
        let published = Published { size, location, safe_since };
        let shown = self.show(repository, digest, published, None).await;
        if shown.is_err() {
            let mut transaction = self.database.begin().await?;
            self.abandon(&mut transaction, &placed).await?;
            transaction.commit().await?;
        }
        shown
    }

    pub(super) async fn verify(
        &self,
        writer: &mut UploadWriter,
        expected: &Digest,
    ) -> Result<(), RegistryError> {
        let hasher = if writer.hasher().algorithm() == expected.algorithm() {
            writer.hasher().clone()
        } else {
            self.store.rehash_upload(writer, expected.algorithm()).await?
        };
        let actual = hasher.finish();
        if actual == *expected {
            Ok(())
        } else {
            Err(RegistryError::DigestMismatch { expected: expected.clone(), actual })
        }
    }

    /// Lets the session's row say where its bytes are about to be put, and sees to it that they stay
    /// there for a while.
    async fn announce(&self, lease: &Lease, placed: &Placed) -> Result<(), RegistryError> {
        let mut transaction = self.database.begin().await?;
        lease.place(&mut transaction, placed).await?;
        if let Removal::InPlace(_) = self.store.removal() {
            self.spare(&mut transaction, &placed.digest).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Takes back a decision to remove a blob.
    async fn spare(
        &self,
        connection: &mut AnyConnection,
        digest: &Digest,
    ) -> Result<(), RegistryError> {
        if let Some(id) = metadata::blobs::unmark(connection, digest).await? {
            // Nothing may come of the push.
            let review_at = after(now(), self.removal_delay());
            garbage::enqueue(connection, Kind::Blob, NO_REPOSITORY, id, review_at).await?;
        }
        Ok(())
    }

    /// Shows a blob in the repository whose bytes are in the store, and ends the session.
    async fn show(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        published: Published,
        lease: Option<&Lease>,
    ) -> Result<(), RegistryError> {
        let Published { size, location, safe_since } = published;
        let place = location.as_deref();
        let ended = retry(async || {
            let now = now();
            let mut transaction = self.database.begin().await?;
            let key =
                metadata::repositories::share_or_create(&mut transaction, repository, now).await?;
            check_write(&key.attributes, || Item::Repository(repository.clone()))?;
            let blob = metadata::blobs::insert(&mut transaction, digest, size, place, now).await?;
            if let Removal::InPlace(disk) = self.store.removal()
                && safe_since.elapsed() >= self.removal_delay() / 2
                && !disk.has_blob(digest, size).await?
            {
                return Err(RegistryError::BlobCollected(digest.clone()));
            }
            metadata::blobs::link(&mut transaction, key.id, blob.id, now).await?;
            self.review_link(&mut transaction, key.id, blob.id, now).await?;
            if let Some(location) = location.clone().filter(|_| blob.location != location) {
                // The blob was there before, elsewhere.
                let second = DoomedObject { location, digest: digest.clone(), size };
                doomed_objects::insert(&mut transaction, &second, now).await?;
            }
            let ended = match lease {
                Some(lease) => Some(
                    metadata::uploads::delete_leased(&mut transaction, lease.id, lease.token)
                        .await?
                        .ok_or(RegistryError::UploadBusy)?,
                ),
                None => None,
            };
            transaction.commit().await?;
            Ok::<_, RegistryError>(ended)
        })
        .await?;
        let handle = ended.and_then(|upload| upload.storage_handle);
        self.remove_superseded(handle.as_deref(), None).await;
        Ok(())
    }

    /// Sees to it that bytes are removed that may have been put in their place and that no row may
    /// name.
    pub(super) async fn abandon(
        &self,
        connection: &mut AnyConnection,
        placed: &Placed,
    ) -> Result<(), RegistryError> {
        let Placed { digest, location } = placed;
        let remove_at = after(now(), self.removal_delay());
        match (self.store.removal(), location) {
            (Removal::InPlace(_), _) => self.doom(connection, digest, 0).await,
            (Removal::ByKey(_), Some(location)) => {
                let object =
                    DoomedObject { location: location.clone(), digest: digest.clone(), size: 0 };
                let remove_at = after(remove_at, ON_ITS_WAY);
                Ok(doomed_objects::insert(connection, &object, remove_at).await?)
            }
            (Removal::ByKey(_), None) => Ok(()),
        }
    }

    /// Sees to it that bytes on the disk are removed, unless a repository has the blob.
    async fn doom(
        &self,
        connection: &mut AnyConnection,
        digest: &Digest,
        size: u64,
    ) -> Result<(), RegistryError> {
        let now = now();
        let id = metadata::blobs::insert_marked(connection, digest, size, now).await?;
        let review_at = after(now, self.removal_delay());
        garbage::enqueue(connection, Kind::Blob, NO_REPOSITORY, id, review_at).await?;
        Ok(())
    }

    /// For bytes that were found in the store though no row names them: they are removed after the
    /// delay, unless they become a blob until then. `key` is that of the object, if they are in a
    /// bucket.
    ///
    /// An object that a running upload has just made has no row yet either: leave out what is
    /// younger than `registry.upload_expiry_seconds`.
    pub async fn remove_orphan(
        &self,
        digest: &Digest,
        size: u64,
        key: Option<&str>,
    ) -> Result<(), RegistryError> {
        let mut transaction = self.database.begin().await?;
        match (self.store.removal(), key) {
            (Removal::ByKey(_), Some(key)) => {
                let object =
                    DoomedObject { location: key.to_owned(), digest: digest.clone(), size };
                let remove_at = after(now(), self.removal_delay());
                doomed_objects::insert(&mut transaction, &object, remove_at).await?;
            }
            (Removal::ByKey(_), None) => {}
            (Removal::InPlace(_), _) => self.doom(&mut transaction, digest, size).await?,
        }
        transaction.commit().await?;
        Ok(())
    }
}
