use std::collections::VecDeque;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use object_store::multipart::PartId;
use object_store::{ObjectStoreExt as _, PutPayload};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::handle::{Handle, Multipart, Part, Tail};
use super::{BucketStore, UPLOADED, is_missing};
use crate::oci::{Algorithm, Hasher};
use crate::storage::{SPLIT, Session, StorageError, blocking, hash};

/// Bytes that an upload holds without having room for a part: most blobs are not larger.
const WITHOUT_ROOM: u64 = 256 << 10;

/// Receives and hashes the bytes of an upload session, in order, and sends them to the store by
/// parts. A part is held in memory until the store has it, so that it can be sent again.
pub struct ObjectWriter {
    store: BucketStore,
    id: Uuid,
    /// Where the object will be if it is sent in one go. Nobody else ever writes there.
    key: String,
    /// Where it will be if it is sent by parts.
    multipart_key: String,
    hasher: Hasher,
    written: u64,
    /// What the row says: where the session stood when this request took it up.
    kept: Handle,
    /// Where it stands now, without what is in memory.
    handle: Handle,
    /// Bytes after the last part, not in memory but in an object of their own: they come before
    /// `waiting`, which is empty then.
    parked: Option<Tail>,
    /// Bytes after the last part.
    waiting: Waiting,
    /// For the part that is being filled.
    room: Option<OwnedSemaphorePermit>,
    sending: Option<AbortOnDropHandle<Result<Part, StorageError>>>,
    /// Whether the row does not know of the multipart upload yet.
    is_news: bool,
    /// Whether the object is complete, so that nothing can be added.
    is_complete: bool,
}

impl ObjectWriter {
    /// Makes the object at `key`, and not at one that nobody else ever uses.
    pub(in crate::storage) fn at(mut self, key: String) -> Self {
        self.multipart_key.clone_from(&key);
        self.key = key;
        self
    }

    pub(super) fn new(store: BucketStore, session: Session, kept: Handle) -> Self {
        let handle = Handle { tail: None, ..kept.clone() };
        Self {
            store,
            id: session.id,
            key: format!("{UPLOADED}{}", Uuid::new_v4()),
            multipart_key: format!("{UPLOADED}{}", session.id),
            hasher: session.hasher,
            written: session.received,
            parked: kept.tail.clone(),
            kept,
            handle,
            waiting: Waiting::default(),
            room: None,
            sending: None,
            is_news: false,
            is_complete: false,
        }
    }

    /// Bytes of the session so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// The hash over the bytes of the session so far.
    pub fn hasher(&self) -> &Hasher {
        &self.hasher
    }

    /// Adds bytes; hashing and sending go on at once.
    pub async fn write(mut self, batch: Vec<Bytes>) -> Result<Self, StorageError> {
        let length: usize = batch.iter().map(Bytes::len).sum();
        let copy = batch.clone(); // Of the handles, not of the bytes.
        let mut hasher = self.hasher;
        if length < SPLIT {
            hash(&mut hasher, &copy);
            self.hasher = hasher;
        } else {
            self.hasher = blocking(move || {
                hash(&mut hasher, &copy);
                Ok(hasher)
            })
            .await?;
        }
        if length == 0 {
            return Ok(self);
        }
        if self.parked.is_some() || self.waiting.size + length as u64 > WITHOUT_ROOM {
            self.take_room().await;
            self.unpark().await?;
        }
        self.written += length as u64;
        self.waiting.extend(batch);
        while self.waiting.size >= self.next_part_size() {
            self.send_part(self.next_part_size()).await?;
        }
        Ok(self)
    }

    /// Whether other uploads wait for the room that this one has taken.
    pub fn is_in_the_way(&self) -> bool {
        self.room.is_some() && self.store.room.is_wanted()
    }

    /// Gives room to other uploads, while the client is slow: puts aside what does not fill a part
    /// yet.
    pub async fn make_room(mut self) -> Result<Self, StorageError> {
        self.park().await?;
        self.room = None;
        Ok(self)
    }

    /// What the session's row must know before more is sent, if there is something new. Without it
    /// nobody could find the parts after a crash.
    pub fn news(&mut self) -> Option<String> {
        std::mem::take(&mut self.is_news).then(|| {
            let multipart = self.handle.multipart.clone();
            Handle { multipart, ..self.kept.clone() }.to_text()
        })
    }

    /// Makes what was written survive a crash, and gives what the session's row is to say of it.
    pub async fn keep(mut self) -> Result<String, StorageError> {
        self.sent().await?;
        self.park().await?;
        self.handle.tail = self.parked.take();
        Ok(self.handle.to_text())
    }

    /// The key of the object that [`ObjectWriter::finish`] is going to make, unless what the session's
    /// row says of it names that already.
    pub fn destination(&self) -> Option<&str> {
        self.handle.multipart.is_none().then_some(&*self.key)
    }

    /// Makes the bytes an object, and gives its key.
    pub async fn finish(mut self) -> Result<String, StorageError> {
        let Some(Multipart { key, .. }) = self.handle.multipart.clone() else {
            self.unpark().await?;
            let bytes = self.waiting.take(self.waiting.size);
            self.store.put(&self.key, &bytes).await?;
            return Ok(self.key);
        };
        self.complete().await?;
        Ok(key)
    }

    /// The hash by another algorithm, for clients that name theirs after they sent the bytes. Parts
    /// cannot be read, so the object is completed first, though no row names it.
    pub async fn rehash(&mut self, algorithm: Algorithm) -> Result<Hasher, StorageError> {
        let mut hasher = Hasher::new(algorithm);
        let Some(Multipart { key, .. }) = self.handle.multipart.clone() else {
            self.unpark().await?;
            hash(&mut hasher, self.waiting.bytes.make_contiguous());
            return Ok(hasher);
        };
        self.complete().await?;
        let digest = self.hasher.clone().finish();
        let reader = self.store.read(&digest, self.written, Some(&key));
        let mut stream = Box::pin(reader.stream(0..self.written).await?);
        while let Some(bytes) = stream.try_next().await? {
            hasher.update(&bytes);
        }
        Ok(hasher)
    }

    /// Sends the rest and makes the parts an object.
    async fn complete(&mut self) -> Result<(), StorageError> {
        if self.is_complete {
            return Ok(());
        }
        self.unpark().await?;
        if self.waiting.size > 0 {
            self.send_part(self.waiting.size).await?;
        }
        self.sent().await?;
        let Some(multipart) = &self.handle.multipart else { return Ok(()) };
        let path = self.store.path(&multipart.key);
        let parts = self.handle.parts.iter();
        let parts = parts.map(|part| PartId { content_id: part.etag.clone() }).collect();
        match self.store.service.complete_multipart(&path, &multipart.id, parts).await {
            Ok(_) => {}
            // An attempt before this one, by us or by another replica, did it, but its answer or
            // the commit after it was lost.
            Err(error) if is_missing(&error) => match self.store.service.head(&path).await {
                Ok(object) if object.size == self.written => {}
                Err(error) if !is_missing(&error) => return Err(error.into()),
                _ => return Err(StorageError::UploadLost),
            },
            // A part was overwritten, by a request that did not know that it had lost the session.
            Err(error) if is_about_parts(&error) => return Err(StorageError::UploadLost),
            Err(error) => return Err(error.into()),
        }
        self.is_complete = true;
        Ok(())
    }

    async fn take_room(&mut self) {
        if self.room.is_none() {
            self.room = Some(self.store.room.take(self.next_part_size()).await);
        }
    }

    /// Puts what waits into an object of its own.
    async fn park(&mut self) -> Result<(), StorageError> {
        if self.waiting.size > 0 {
            // Under a new key: what the row names stays as it is until the row names another.
            let key = format!("uploads/{}/{}", self.id, Uuid::new_v4());
            let size = self.waiting.size;
            self.store.put(&key, &self.waiting.take(size)).await?;
            self.parked = Some(Tail { key, size });
        }
        Ok(())
    }

    /// Takes back into memory what was put aside, by this request or the one before.
    async fn unpark(&mut self) -> Result<(), StorageError> {
        let Some(tail) = self.parked.take() else { return Ok(()) };
        let bytes = self.store.get_tail(&tail).await?;
        self.waiting.extend([bytes]);
        if self.kept.tail.as_ref() != Some(&tail) {
            self.store.remove(&tail.key).await?;
        }
        Ok(())
    }

    /// Takes a part off the bytes that wait and sends it, while what comes next is received.
    async fn send_part(&mut self, size: u64) -> Result<(), StorageError> {
        self.sent().await?;
        let multipart = self.multipart().await?;
        let number = self.handle.parts.len();
        let payload: PutPayload = self.waiting.take(size).into_iter().collect();
        let room = self.room.take();
        let store = self.store.clone();
        self.sending = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            let path = store.path(&multipart.key);
            let sent = store.service.put_part(&path, &multipart.id, number, payload).await;
            drop(room);
            match sent {
                Ok(part) => Ok(Part { etag: part.content_id, size }),
                Err(error) if is_missing(&error) => Err(StorageError::UploadLost),
                Err(error) => Err(error.into()),
            }
        })));
        Ok(())
    }

    /// Waits for the part that is being sent: one that arrives after its upload was aborted would
    /// stay in the store for ever.
    pub async fn sent(&mut self) -> Result<(), StorageError> {
        if let Some(sending) = self.sending.take() {
            let part = sending.await.map_err(std::io::Error::other)??;
            self.handle.parts.push(part);
        }
        Ok(())
    }

    /// The multipart upload, which is started with the first part.
    async fn multipart(&mut self) -> Result<Multipart, StorageError> {
        if let Some(multipart) = &self.handle.multipart {
            return Ok(multipart.clone());
        }
        let key = self.multipart_key.clone();
        let id = self.store.service.create_multipart(&self.store.path(&key)).await?;
        let multipart = Multipart { key, id };
        self.handle.multipart = Some(multipart.clone());
        self.is_news = true;
        Ok(multipart)
    }

    /// Bytes that the next part is to have; one that is being sent counts.
    fn next_part_size(&self) -> u64 {
        self.handle.next_part_size(usize::from(self.sending.is_some()))
    }
}

/// Whether the store does not have the parts that we name.
fn is_about_parts(error: &object_store::Error) -> bool {
    let text = error.to_string();
    ["InvalidPart", "InvalidBlockList"].iter().any(|code| text.contains(code))
}

/// Bytes that wait for a part to be full.
#[derive(Default)]
struct Waiting {
    bytes: VecDeque<Bytes>,
    size: u64,
}

impl Waiting {
    fn extend(&mut self, batch: impl IntoIterator<Item = Bytes>) {
        for bytes in batch {
            self.size += bytes.len() as u64;
            self.bytes.push_back(bytes);
        }
    }

    /// The first `size` bytes, which must be there.
    fn take(&mut self, size: u64) -> Vec<Bytes> {
        let mut taken = Vec::new();
        let mut missing = size;
        while missing > 0 {
            let Some(mut bytes) = self.bytes.pop_front() else { break };
            if bytes.len() as u64 > missing {
                let first = usize::try_from(missing).expect("less than what is in memory");
                let rest = bytes.split_off(first);
                self.bytes.push_front(rest);
            }
            missing -= bytes.len() as u64;
            taken.push(bytes);
        }
        self.size -= size - missing;
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_cut_exactly_and_in_order() {
        let mut waiting = Waiting::default();
        waiting.extend(["ab", "", "cde", "f"].map(Bytes::from));
        assert_eq!(waiting.take(3).concat(), b"abc");
        assert_eq!(waiting.size, 3);
        waiting.extend([Bytes::from("g")]);
        assert_eq!(waiting.take(4).concat(), b"defg");
        assert_eq!((waiting.size, waiting.bytes.len()), (0, 0));
    }
}
