use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of one permit.
const UNIT: u64 = 1 << 20;

/// The memory that parts of all uploads may take together. Cheap to clone.
///
/// An upload takes room for a part before it fills it and gives it back when the store has the part.
/// Room is taken for whole parts, so an upload that has it can go on to the end of its part.
#[derive(Clone)]
pub struct Room {
    permits: Arc<Semaphore>,
    all: u32,
    waiting: Arc<AtomicUsize>,
}

impl Room {
    /// Room for `bytes`, at least one unit.
    pub fn new(bytes: u64) -> Self {
        let all = units(bytes);
        let permits = Arc::new(Semaphore::new(all as usize));
        Self { permits, all, waiting: Arc::default() }
    }

    /// Waits for room for a part; one that is larger than all takes all.
    pub async fn take(&self, part: u64) -> OwnedSemaphorePermit {
        let units = units(part).min(self.all);
        if let Ok(taken) = Arc::clone(&self.permits).try_acquire_many_owned(units) {
            return taken;
        }
        let _waiting = Waiting::count(&self.waiting);
        let permits = Arc::clone(&self.permits);
        permits.acquire_many_owned(units).await.expect("nobody closes the semaphore")
    }

    /// Whether an upload waits for room.
    pub fn is_wanted(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }
}

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX >> 3).max(1)
}

/// Counts one that waits, until it is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn count(counter: &'a AtomicUsize) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(counter)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_larger_than_all_room_waits_for_all() {
        let room = Room::new(10 << 20);
        let part = room.take(5 << 20).await;
        let other = room.clone();
        let large = tokio::spawn(async move { drop(other.take(1 << 40).await) });
        while !room.is_wanted() {
            tokio::task::yield_now().await;
        }
        drop(part);
        large.await.unwrap();
        assert!(!room.is_wanted());
    }
}
