//! Upload sessions: a blob on its way in (distribution-spec, "Pushing blobs").

use std::sync::Mutex;
use std::time::Duration;

use sqlx::AnyConnection;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::holders::{Holder, Holders};
use super::ingest::{Batches, Incoming, Ingested, ingest, to_its_end};
use super::lease::{Lease, after};
use super::locks::check_write;
use super::{Item, Registry, RegistryError};
use crate::metadata::uploads::{EndedUpload, HeldUpload, Upload};
use crate::metadata::{self, now};
use crate::oci::{Algorithm, Digest, Hasher, RepositoryName};
use crate::storage::{Session, StorageError, UploadWriter};

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

/// What a request says of the body that it carries.
#[derive(Clone, Copy, Debug, Default)]
pub struct Declared {
    pub range: Option<ChunkRange>,
    /// In bytes.
    pub length: Option<u64>,
}

/// What a body came to that was not taken in whole.
struct Failed {
    /// What arrived of it, if that counts.
    arrived: Option<UploadWriter>,
    error: RegistryError,
}

impl From<RegistryError> for Failed {
    fn from(error: RegistryError) -> Self {
        Self { arrived: None, error }
    }
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
            storage_handle: None,
        };
        let now = now();
        let expires_at = after(now, self.upload_expiry());
        let mut connection = self.database.read().await?;
        if let Some(key) = metadata::repositories::find(&mut connection, repository).await? {
            check_write(&key.attributes, || Item::Repository(repository.clone()))?;
        }
        drop(connection);
        if self.store.needs_row() {
            let mut transaction = self.database.begin().await?;
            metadata::uploads::insert(&mut transaction, &upload, actor, now, expires_at).await?;
            transaction.commit().await?;
        } else {
            let mut connection = self.database.write_unsynced().await?;
            metadata::uploads::insert(&mut connection, &upload, actor, now, expires_at).await?;
        }
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
        declared: Declared,
        body: Incoming,
    ) -> Result<Upload, RegistryError> {
        let registry = self.clone();
        let repository = repository.clone();
        to_its_end(body, |body| async move {
            let (lease, upload) = registry.lease(&repository, id).await?;
            match registry.receive(&lease, &upload, declared, body, None).await {
                Ok(writer) => registry.keep(lease, &upload, writer).await,
                Err(failed) => Err(registry.fail(lease, &upload, failed).await?),
            }
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
        declared: Declared,
        body: Incoming,
        digest: &Digest,
    ) -> Result<(), RegistryError> {
        let registry = self.clone();
        let repository = repository.clone();
        let digest = digest.clone();
        to_its_end(body, |body| async move {
            let (lease, upload) = registry.lease(&repository, id).await?;
            match registry.receive(&lease, &upload, declared, body, Some(&digest)).await {
                Ok(writer) => registry.publish(&repository, writer, &digest, lease).await,
                Err(failed) => Err(registry.fail(lease, &upload, failed).await?),
            }
        })
        .await
    }

    /// Takes a whole blob in one request, without a session that others could see.
    pub async fn push_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        actor: &str,
        body: Incoming,
    ) -> Result<(), RegistryError> {
        if self.store.needs_row() {
            return self.push_in_session(repository, digest, actor, body).await;
        }
        let registry = self.clone();
        let repository = repository.clone();
        let digest = digest.clone();
        to_its_end(body, |body| async move {
            let id = Uuid::new_v4();
            let pushed = registry.push_whole(&repository, id, &digest, body).await;
            if pushed.is_err() {
                registry.store.remove_upload(id, None).await?;
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
        body: Batches,
    ) -> Result<(), RegistryError> {
        let session =
            Session { id, hasher: Hasher::new(digest.algorithm()), received: 0, handle: None };
        let writer = self.store.open_upload(session).await?;
        let Ingested { mut writer, interrupted } =
            ingest(writer, body, None, self.max_blob_bytes()).await?;
        if let Some(error) = interrupted {
            return Err(error);
        }
        self.verify(&mut writer, digest).await?;
        self.publish_without_session(repository, writer, digest).await
    }

    /// A session that only this request knows of.
    async fn push_in_session(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        actor: &str,
        body: Incoming,
    ) -> Result<(), RegistryError> {
        let registry = self.clone();
        let repository = repository.clone();
        let digest = digest.clone();
        let actor = actor.to_owned();
        to_its_end(body, |body| async move {
            let upload = registry.start_upload(&repository, digest.algorithm(), &actor).await?;
            let (lease, upload) = registry.lease(&repository, upload.id).await?;
            match registry.receive(&lease, &upload, Declared::default(), body, Some(&digest)).await
            {
                Ok(writer) => registry.publish(&repository, writer, &digest, lease).await,
                Err(failed) => {
                    if let Some(mut writer) = failed.arrived {
                        lease.during(async { Ok(writer.settle().await?) }).await?;
                    }
                    registry.discard(&lease).await?;
                    Err(failed.error)
                }
            }
        })
        .await
    }

    /// Ends a session and forgets what it received.
    pub async fn cancel_upload(
        &self,
        repository: &RepositoryName,
        id: Uuid,
    ) -> Result<(), RegistryError> {
        let (lease, _) = self.lease(repository, id).await?;
        if self.discard(&lease).await? {
            Ok(())
        } else {
            // The lease ran out, and another request has the session.
            Err(RegistryError::UploadBusy)
        }
    }

    /// Frees the sessions that requests of a process held which is no more. Only for the one process
    /// of a database, before its first request.
    pub async fn free_uploads(&self) -> Result<(), RegistryError> {
        let mut transaction = self.database.begin().await?;
        metadata::uploads::free_leases(&mut transaction).await?;
        for (upload, received) in metadata::uploads::begun(&mut transaction).await? {
            // The process ended when the bytes had become a blob and the rows did not say so yet.
            if !self.store.has_upload(upload.id, received).await? {
                self.forget_ended(&mut transaction, &upload).await?;
            }
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Removes sessions that ended or expired, and bytes of sessions that are no more.
    pub async fn expire_uploads(&self) -> Result<(), RegistryError> {
        while self.remove_expired().await? {}
        for id in self.store.idle_uploads(self.upload_expiry()).await? {
            let mut connection = self.database.read().await?;
            if !metadata::uploads::exists(&mut connection, id).await? {
                self.store.remove_remains(id).await?;
            }
        }
        Ok(())
    }

    /// Removes a batch of sessions that are over: their bytes, then their rows. Whether there were any.
    async fn remove_expired(&self) -> Result<bool, RegistryError> {
        let now = now();
        let mut connection = self.database.read().await?;
        if !metadata::uploads::has_expired(&mut connection, now).await? {
            return Ok(false);
        }
        drop(connection);
        let mut transaction = self.database.begin().await?;
        let ended = metadata::uploads::end_expired(&mut transaction, now, EXPIRY_BATCH).await?;
        transaction.commit().await?;
        for upload in &ended {
            self.store.remove_upload(upload.id, upload.storage_handle.as_deref()).await?;
        }
        let mut transaction = self.database.begin().await?;
        for upload in &ended {
            self.forget_ended(&mut transaction, upload).await?;
        }
        transaction.commit().await?;
        Ok(true)
    }

    /// Removes the bytes of a session that is over, then its row.
    async fn remove_ended(&self, upload: &EndedUpload) -> Result<(), RegistryError> {
        self.store.remove_upload(upload.id, upload.storage_handle.as_deref()).await?;
        let mut transaction = self.database.begin().await?;
        self.forget_ended(&mut transaction, upload).await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn forget_ended(
        &self,
        connection: &mut AnyConnection,
        upload: &EndedUpload,
    ) -> Result<(), RegistryError> {
        if let Some(placed) = &upload.placed {
            self.abandon(connection, placed).await?;
        }
        metadata::uploads::delete(connection, upload.id).await?;
        Ok(())
    }

    /// Ends a session without a blob; whether it was still held. Bytes that cannot be removed now are
    /// removed later.
    pub(super) async fn discard(&self, lease: &Lease) -> Result<bool, RegistryError> {
        let mut transaction = self.database.begin().await?;
        let ended = metadata::uploads::end_leased(&mut transaction, lease.id, lease.token).await?;
        transaction.commit().await?;
        let Some(upload) = ended else { return Ok(false) };
        if let Err(error) = self.remove_ended(&upload).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "the bytes of an ended upload are left for later");
        }
        Ok(true)
    }

    /// Takes the right to write to a session. If another request has it, waits until that lets go
    /// or turns out to be dead, but not for one that lives on.
    async fn lease(
        &self,
        repository: &RepositoryName,
        id: Uuid,
    ) -> Result<(Lease, Upload), RegistryError> {
        match &self.holders {
            Some(holders) => self.lease_in_process(holders, repository, id).await,
            None => self.lease_among_replicas(repository, id).await,
        }
    }

    fn new_lease(&self, id: Uuid, token: Option<Uuid>, holder: Option<Holder>) -> Lease {
        Lease {
            database: self.database.clone(),
            id,
            token,
            life: Duration::from_secs(self.settings.upload_lease_seconds.into()),
            session_life: self.upload_expiry(),
            needs_row: self.store.needs_row(),
            arrival: Mutex::default(),
            holder,
        }
    }

    async fn lease_in_process(
        &self,
        holders: &Holders,
        repository: &RepositoryName,
        id: Uuid,
    ) -> Result<(Lease, Upload), RegistryError> {
        let give_up_at = Instant::now() + LEASE_PATIENCE;
        let holder = loop {
            if let Some(holder) = holders.hold(id) {
                break holder;
            }
            if Instant::now() >= give_up_at {
                return Err(RegistryError::UploadBusy);
            }
            sleep(Duration::from_millis(50)).await;
        };
        let now = now();
        let mut connection = self.database.read().await?;
        let HeldUpload { upload, expires_at, placed, .. } =
            metadata::uploads::hold(&mut connection, repository, id, now)
                .await?
                .ok_or(RegistryError::UploadUnknown)?;
        drop(connection);
        let lease = self.new_lease(id, None, Some(holder));
        if expires_at < after(now, lease.life) {
            lease.renew().await?;
        }
        if let Some(placed) = placed {
            let mut transaction = self.database.begin().await?;
            metadata::uploads::forget_placed(&mut transaction, id).await?;
            self.abandon(&mut transaction, &placed).await?;
            transaction.commit().await?;
        }
        Ok((lease, upload))
    }

    async fn lease_among_replicas(
        &self,
        repository: &RepositoryName,
        id: Uuid,
    ) -> Result<(Lease, Upload), RegistryError> {
        let token = Uuid::new_v4();
        let lease = self.new_lease(id, Some(token), None);
        let give_up_at = Instant::now() + LEASE_PATIENCE;
        let mut first_seen = None;
        loop {
            let now = now();
            let mut transaction = self.database.begin().await?;
            let HeldUpload { upload, leased_until, placed, .. } =
                metadata::uploads::hold(&mut transaction, repository, id, now)
                    .await?
                    .ok_or(RegistryError::UploadUnknown)?;
            let Some(until) = leased_until.filter(|until| *until > now) else {
                let until = after(now, lease.life);
                metadata::uploads::take_lease(&mut transaction, id, token, until).await?;
                if let Some(placed) = placed {
                    self.abandon(&mut transaction, &placed).await?;
                }
                transaction.commit().await?;
                if leased_until.is_some()
                    && let Err(error) = self.store.detach_upload(id, upload.received).await
                {
                    let failed = RegistryError::from(error).into();
                    return Err(self.fail(lease, &upload, failed).await?);
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

    /// Writes a body to a session that stands as `upload` says; nothing of it counts yet.
    async fn receive(
        &self,
        lease: &Lease,
        upload: &Upload,
        Declared { range, length }: Declared,
        body: Batches,
        expected: Option<&Digest>,
    ) -> Result<UploadWriter, Failed> {
        if range.is_some_and(|range| range.first != upload.received) {
            return Err(RegistryError::ChunkOutOfOrder { received: upload.received }.into());
        }
        lease.expect(length.map(|length| upload.received.saturating_add(length)));
        let work = async {
            let writer = self.store.open_upload(session(upload, expected)).await?;
            ingest(writer, body, Some(lease), self.max_blob_bytes()).await
        };
        let Ingested { writer, interrupted } = lease.during(work).await?;
        let actual = writer.written() - upload.received;
        match (interrupted, range) {
            (Some(error @ RegistryError::Interrupted(_)), _) => {
                Err(Failed { arrived: Some(writer), error })
            }
            (Some(error), _) => Err(error.into()),
            (None, Some(range)) if range.length() != actual => {
                Err(RegistryError::ChunkLength { declared: range.length(), actual }.into())
            }
            (None, _) => Ok(writer),
        }
    }

    /// Makes what was received count: its bytes first, then the session's row.
    async fn keep(
        &self,
        lease: Lease,
        upload: &Upload,
        writer: UploadWriter,
    ) -> Result<Upload, RegistryError> {
        let (hasher, received) = (writer.hasher().clone(), writer.written());
        let kept = lease.during(async { Ok(writer.keep().await?) }).await;
        let storage_handle = match kept {
            Ok(storage_handle) => storage_handle,
            Err(error) => {
                lease.give_back().await?;
                return Err(error);
            }
        };
        let grown = Upload { hasher, received, storage_handle, ..upload.clone() };
        lease.release(&grown).await?;
        self.remove_superseded(upload.storage_handle.as_deref(), grown.storage_handle.as_deref())
            .await;
        Ok(grown)
    }

    /// Keeps of a body that was not taken in whole what counts of it, and gives what to answer.
    async fn fail(
        &self,
        lease: Lease,
        upload: &Upload,
        failed: Failed,
    ) -> Result<RegistryError, RegistryError> {
        match failed.arrived {
            Some(writer) => drop(self.keep(lease, upload, writer).await?),
            None if is_lost(&failed.error) => drop(self.discard(&lease).await?),
            None => lease.give_back().await?,
        }
        Ok(failed.error)
    }

    /// What cannot be removed now goes with the session, or when it would have expired.
    pub(super) async fn remove_superseded(&self, before: Option<&str>, after: Option<&str>) {
        if let Err(error) = self.store.remove_superseded(before, after).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "bytes of an upload are left until it would have expired");
        }
    }

    fn upload_expiry(&self) -> Duration {
        Duration::from_secs(self.settings.upload_expiry_seconds.into())
    }

    pub(super) fn max_blob_bytes(&self) -> u64 {
        self.settings.max_blob_bytes.unwrap_or(u64::MAX)
    }
}

/// What the store must know to go on. Before the first byte the digest that is expected decides how
/// to hash.
fn session(upload: &Upload, expected: Option<&Digest>) -> Session {
    let expected = expected.filter(|_| upload.received == 0);
    let hasher = match expected {
        Some(digest) => Hasher::new(digest.algorithm()),
        None => upload.hasher.clone(),
    };
    Session {
        id: upload.id,
        hasher,
        received: upload.received,
        handle: upload.storage_handle.clone(),
    }
}

/// Whether the session cannot go on, as its bytes are gone.
fn is_lost(error: &RegistryError) -> bool {
    matches!(error, RegistryError::Storage(StorageError::UploadLost))
}
