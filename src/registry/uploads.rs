//! Upload sessions: a blob on its way in (distribution-spec, "Pushing blobs").

use std::time::Duration;

use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::ingest::{Incoming, Ingested, ingest};
use super::locks::check_write;
use super::{Item, Registry, RegistryError};
use crate::metadata::uploads::{HeldUpload, Upload};
use crate::metadata::{self, Alone, Database, now, retry};
use crate::oci::{Algorithm, Digest, Hasher, RepositoryName};
use crate::storage::{StorageError, UploadWriter};

/// How long a request waits for a session that another one holds. A client whose connection broke
/// comes back before the server has seen the break.
const LEASE_PATIENCE: Duration = Duration::from_secs(2);

/// Expired sessions removed in one transaction.
const EXPIRY_BATCH: i64 = 100;

/// The bytes that a request says it carries: `Content-Range: <first>-<last>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkRange {
    pub first: u64,
    /// Not before `first`.
    pub last: u64,
}

impl ChunkRange {
    fn length(self) -> u64 {
        (self.last - self.first).saturating_add(1)
    }
}

/// The right to write to a session, until it is given back or runs out.
pub(super) struct Lease {
    database: Database,
    id: Uuid,
    token: Uuid,
    /// How long it holds without renewal: after that its holder is taken for dead.
    life: Duration,
    session_life: Duration,
}

impl Lease {
    /// How often it is to be renewed, so that a lost renewal does not lose it.
    pub(super) fn renew_every(&self) -> Duration {
        self.life / 3
    }

    pub(super) async fn renew(&self) -> Result<(), RegistryError> {
        let now = now();
        let mut transaction = self.database.begin().await?;
        let held = metadata::uploads::renew_lease(
            &mut transaction,
            self.id,
            self.token,
            after(now, self.life),
            after(now, self.session_life),
        )
        .await?;
        transaction.commit().await?;
        if held { Ok(()) } else { Err(RegistryError::UploadBusy) }
    }

    /// Keeps how far the session came, and lets others write to it.
    async fn release(self, upload: &Upload) -> Result<(), RegistryError> {
        let expires_at = after(now(), self.session_life);
        let mut transaction = self.database.begin().await?;
        let held =
            metadata::uploads::save(&mut transaction, upload, self.token, expires_at).await?;
        transaction.commit().await?;
        if held { Ok(()) } else { Err(RegistryError::UploadBusy) }
    }
}

fn after(now: i64, duration: Duration) -> i64 {
    now.saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX))
}

impl Registry {
    /// Opens a session; the blob is to be hashed by `algorithm`.
    pub async fn start_upload(
        &self,
        repository: &RepositoryName,
        algorithm: Algorithm,
        actor: &str,
    ) -> Result<Upload, RegistryError> {
        let upload = Upload {
            id: Uuid::new_v4(),
            repository: repository.clone(),
            hasher: Hasher::new(algorithm),
            received: 0,
        };
        let now = now();
        let expires_at = after(now, self.upload_expiry());
        let mut transaction = self.database.begin().await?;
        if let Some(key) = metadata::repositories::find(&mut transaction, repository).await? {
            check_write(&key.attributes, || Item::Repository(repository.clone()))?;
        }
        metadata::uploads::insert(&mut transaction, &upload, actor, now, expires_at).await?;
        transaction.commit().await?;
        Ok(upload)
    }

    /// How far a session came.
    pub async fn upload(
        &self,
        repository: &RepositoryName,
        id: Uuid,
    ) -> Result<Upload, RegistryError> {
        let mut connection = self.database.read().await?;
        metadata::uploads::find(&mut connection, repository, id, now())
            .await?
            .ok_or(RegistryError::UploadUnknown)
    }

    /// Adds a body to a session. What arrives of a body that breaks off is kept.
    ///
    /// Goes on to its end when the caller goes away, so that nothing is left half done.
    pub async fn append_upload(
        &self,
        repository: &RepositoryName,
        id: Uuid,
        range: Option<ChunkRange>,
        body: Incoming,
    ) -> Result<Upload, RegistryError> {
        let registry = self.clone();
        let repository = repository.clone();
        to_its_end(async move {
            let (lease, upload) = registry.lease(&repository, id).await?;
            let (upload, received) = registry.receive(&lease, upload, range, body).await;
            registry.give_back(lease, &upload, received).await?;
            Ok(upload)
        })
        .await
    }

    /// Adds a last body, often empty, and makes the session the blob `digest` of the repository.
    /// When it returns, the blob survives a crash of the machine. Content of another digest ends
    /// the session.
    pub async fn finish_upload(
        &self,
        repository: &RepositoryName,
        id: Uuid,
        range: Option<ChunkRange>,
        body: Incoming,
        digest: &Digest,
    ) -> Result<(), RegistryError> {
        let registry = self.clone();
        let repository = repository.clone();
        let digest = digest.clone();
        to_its_end(async move {
            let (lease, upload) = registry.lease(&repository, id).await?;
            let (upload, received) = registry.receive(&lease, upload, range, body).await;
            let writer = match received {
                Ok(writer) => writer,
                Err(error) => return registry.give_back(lease, &upload, Err(error)).await,
            };
            let size = writer.written();
            let mut finished = registry.verify(id, writer, &digest).await;
            if finished.is_ok() {
                finished = registry.publish(&repository, id, &digest, size, Some(&lease)).await;
            }
            if finished.is_err() {
                // Its bytes are of no use, or are in the blob's place already.
                registry.discard(lease).await?;
            }
            finished
        })
        .await
    }

    /// Takes a whole blob in one request, without a session that others could see.
    pub async fn push_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        body: Incoming,
    ) -> Result<(), RegistryError> {
        let registry = self.clone();
        let repository = repository.clone();
        let digest = digest.clone();
        to_its_end(async move {
            let id = Uuid::new_v4();
            let pushed = registry.push_whole(&repository, id, &digest, body).await;
            if pushed.is_err() {
                registry.store.remove_upload(id).await?;
            }
            pushed
        })
        .await
    }

    async fn push_whole(
        &self,
        repository: &RepositoryName,
        id: Uuid,
        digest: &Digest,
        body: Incoming,
    ) -> Result<(), RegistryError> {
        let writer = self.store.create_upload(id, Hasher::new(digest.algorithm())).await?;
        let ingested = ingest(writer, body, None, self.max_blob_bytes()).await?;
        if let Some(error) = ingested.interrupted {
            return Err(error);
        }
        let size = ingested.writer.written();
        self.verify(id, ingested.writer, digest).await?;
        self.publish(repository, id, digest, size, None).await
    }

    /// Ends a session and forgets what it received.
    pub async fn cancel_upload(
        &self,
        repository: &RepositoryName,
        id: Uuid,
    ) -> Result<(), RegistryError> {
        let (lease, _) = self.lease(repository, id).await?;
        self.discard(lease).await
    }

    /// Frees the sessions that requests of a process held which is no more. Only for the one process
    /// of a database, before its first request.
    pub async fn free_uploads(&self) -> Result<(), RegistryError> {
        let mut transaction = self.database.begin().await?;
        for (id, received) in metadata::uploads::free_leases(&mut transaction).await? {
            // The process ended when the bytes had become a blob and the rows did not say so yet.
            if !self.store.has_upload(id, received).await? {
                metadata::uploads::delete(&mut transaction, id).await?;
            }
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Removes sessions that expired, and bytes of sessions that are no more.
    pub async fn expire_uploads(&self) -> Result<(), RegistryError> {
        loop {
            let mut transaction = self.database.begin_alone(Alone::Sweep).await?;
            let ids =
                metadata::uploads::delete_expired(&mut transaction, now(), EXPIRY_BATCH).await?;
            transaction.commit().await?;
            if ids.is_empty() {
                break;
            }
            for id in ids {
                self.store.remove_upload(id).await?;
            }
        }
        for id in self.store.idle_uploads(self.upload_expiry()).await? {
            let mut connection = self.database.read().await?;
            if !metadata::uploads::exists(&mut connection, id).await? {
                self.store.remove_upload(id).await?;
            }
        }
        Ok(())
    }

    /// Takes the right to write to a session. If another request has it, waits until that lets go
    /// or turns out to be dead, but not for one that lives on.
    async fn lease(
        &self,
        repository: &RepositoryName,
        id: Uuid,
    ) -> Result<(Lease, Upload), RegistryError> {
        let lease = Lease {
            database: self.database.clone(),
            id,
            token: Uuid::new_v4(),
            life: Duration::from_secs(self.settings.upload_lease_seconds.into()),
            session_life: self.upload_expiry(),
        };
        let give_up_at = Instant::now() + LEASE_PATIENCE;
        let mut first_seen = None;
        loop {
            let now = now();
            let mut transaction = self.database.begin().await?;
            let HeldUpload { upload, leased_until } =
                metadata::uploads::hold(&mut transaction, repository, id, now)
                    .await?
                    .ok_or(RegistryError::UploadUnknown)?;
            let Some(until) = leased_until.filter(|until| *until > now) else {
                let until = after(now, lease.life);
                metadata::uploads::take_lease(&mut transaction, id, lease.token, until).await?;
                transaction.commit().await?;
                if leased_until.is_some()
                    && let Err(error) = self.store.detach_upload(id, upload.received).await
                {
                    return self.give_back(lease, &upload, Err(error.into())).await;
                }
                return Ok((lease, upload));
            };
            drop(transaction);
            let lives = *first_seen.get_or_insert(until) != until;
            if lives && Instant::now() >= give_up_at {
                return Err(RegistryError::UploadBusy);
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Writes a body to a session that stands as `upload` says. Gives how it stands afterwards:
    /// after an error as before, but for a body that breaks off, of which what arrived is kept.
    async fn receive(
        &self,
        lease: &Lease,
        upload: Upload,
        range: Option<ChunkRange>,
        body: Incoming,
    ) -> (Upload, Result<UploadWriter, RegistryError>) {
        if range.is_some_and(|range| range.first != upload.received) {
            let received = upload.received;
            return (upload, Err(RegistryError::ChunkOutOfOrder { received }));
        }
        let Ingested { writer, interrupted } = match self.write(lease, &upload, body).await {
            Ok(ingested) => ingested,
            Err(error) => return (upload, Err(error)),
        };
        let actual = writer.written() - upload.received;
        let grown = Upload {
            hasher: writer.hasher().clone(),
            received: writer.written(),
            ..upload.clone()
        };
        match (interrupted, range) {
            (Some(error @ RegistryError::Interrupted(_)), _) => (grown, Err(error)),
            (Some(error), _) => (upload, Err(error)),
            (None, Some(range)) if range.length() != actual => {
                let declared = range.length();
                (upload, Err(RegistryError::ChunkLength { declared, actual }))
            }
            (None, _) => (grown, Ok(writer)),
        }
    }

    async fn write(
        &self,
        lease: &Lease,
        upload: &Upload,
        body: Incoming,
    ) -> Result<Ingested, RegistryError> {
        let hasher = upload.hasher.clone();
        let writer = self.store.resume_upload(upload.id, upload.received, hasher).await?;
        ingest(writer, body, Some(lease), self.max_blob_bytes()).await
    }

    async fn verify(
        &self,
        id: Uuid,
        writer: UploadWriter,
        expected: &Digest,
    ) -> Result<(), RegistryError> {
        let hasher = if writer.hasher().algorithm() == expected.algorithm() {
            writer.hasher().clone()
        } else {
            self.store.rehash_upload(id, writer.written(), expected.algorithm()).await?
        };
        let actual = hasher.finish();
        if actual == *expected {
            Ok(())
        } else {
            Err(RegistryError::DigestMismatch { expected: expected.clone(), actual })
        }
    }

    /// Makes durable bytes of a session a blob that the repository shows.
    async fn publish(
        &self,
        repository: &RepositoryName,
        id: Uuid,
        digest: &Digest,
        size: u64,
        lease: Option<&Lease>,
    ) -> Result<(), RegistryError> {
        if let Some(lease) = &lease {
            // What lies under the session's name is another's if the lease was lost meanwhile.
            lease.renew().await?;
        }
        self.store.finish_upload(id, digest).await?;
        retry(async || {
            let now = now();
            let mut transaction = self.database.begin().await?;
            let key =
                metadata::repositories::share_or_create(&mut transaction, repository, now).await?;
            check_write(&key.attributes, || Item::Repository(repository.clone()))?;
            let blob_id = metadata::blobs::insert(&mut transaction, digest, size, now).await?;
            metadata::blobs::link(&mut transaction, key.id, blob_id, now).await?;
            if let Some(lease) = &lease
                && !metadata::uploads::delete_leased(&mut transaction, id, lease.token).await?
            {
                return Err(RegistryError::UploadBusy);
            }
            transaction.commit().await?;
            Ok(())
        })
        .await
    }

    /// Lets others go on with a session after `received`; one whose bytes are lost ends.
    async fn give_back<T>(
        &self,
        lease: Lease,
        upload: &Upload,
        received: Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        if let Err(RegistryError::Storage(StorageError::UploadLost)) = received {
            self.discard(lease).await?;
        } else {
            lease.release(upload).await?;
        }
        received
    }

    async fn discard(&self, lease: Lease) -> Result<(), RegistryError> {
        let mut transaction = self.database.begin().await?;
        let held =
            metadata::uploads::delete_leased(&mut transaction, lease.id, lease.token).await?;
        transaction.commit().await?;
        if held {
            self.store.remove_upload(lease.id).await?;
        }
        Ok(())
    }

    fn upload_expiry(&self) -> Duration {
        Duration::from_secs(self.settings.upload_expiry_seconds.into())
    }

    fn max_blob_bytes(&self) -> u64 {
        self.settings.max_blob_bytes.unwrap_or(u64::MAX)
    }
}

/// Runs `work` in a task of its own, which goes on when the caller is dropped.
async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, RegistryError>> + Send + 'static,
) -> Result<T, RegistryError> {
    tokio::spawn(work)
        .await
        .unwrap_or_else(|error| Err(StorageError::Io(std::io::Error::other(error)).into()))
}
