//! Sums for people to look at that take long where there is much: nobody waits for them, and they are
//! counted once for all who look.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore, futures::Notified};

use super::RegistryError;

/// How long somebody who looks waits for what is being counted.
const PATIENCE: Duration = Duration::from_millis(80);

/// A count holds for so many times what it took, so that looking costs a bounded part of the
/// database's time. What takes less than a blink is always counted anew.
const HOLDS: u32 = 20;
const BLINK: Duration = Duration::from_millis(50);

/// Counts that are remembered, at most about.
const KEPT: usize = 1000;

/// The last counts of some things, and which are under way. Cheap to clone.
pub(super) struct Counts<K, V>(Arc<Shared<K, V>>);

struct Shared<K, V> {
    counts: Mutex<HashMap<K, Count<V>>>,
    has_ended: Notify,
    /// One at a time, so that most of the database's connections are left to others.
    turn: Semaphore,
}

struct Count<V> {
    last: Option<V>,
    holds_until: Instant,
    is_under_way: bool,
}

impl<V> Count<V> {
    fn holds(&self) -> bool {
        self.last.is_some() && Instant::now() < self.holds_until
    }
}

impl<K, V> Clone for Counts<K, V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K, V> Default for Counts<K, V> {
    fn default() -> Self {
        let (counts, has_ended, turn) = (Mutex::default(), Notify::new(), Semaphore::new(1));
        Self(Arc::new(Shared { counts, has_ended, turn }))
    }
}

impl<K: Copy + Eq + Hash + Send + 'static, V: Clone + Send + 'static> Counts<K, V> {
    /// The count of a thing: of now or, where that takes long, of a while ago. None while it is
    /// counted for the first time.
    pub(super) async fn get(
        &self,
        key: K,
        count: impl Future<Output = Result<V, RegistryError>> + Send + 'static,
    ) -> Option<V> {
        let has_ended = self.0.has_ended.notified();
        let mut has_begun = false;
        let kept = self.change(|counts| {
            if counts.len() >= KEPT {
                counts.retain(|_, count| count.is_under_way || count.holds());
            }
            let (last, holds_until, is_under_way) = (None, Instant::now(), false);
            let found = counts.entry(key).or_insert(Count { last, holds_until, is_under_way });
            if found.holds() {
                return found.last.clone();
            }
            has_begun = !found.is_under_way;
            found.is_under_way = true;
            None
        });
        if kept.is_some() {
            return kept;
        }
        if has_begun {
            tokio::spawn(count_for(UnderWay { counts: self.clone(), key }, count));
        }
        let _ = tokio::time::timeout(PATIENCE, self.ended(key, has_ended)).await;
        self.change(|counts| counts.get(&key)?.last.clone())
    }

    /// Waits until the count of a thing has ended; other counts end meanwhile.
    async fn ended(&self, key: K, first: Notified<'_>) {
        first.await;
        loop {
            let next = self.0.has_ended.notified();
            if !self.change(|counts| counts.get(&key).is_some_and(|count| count.is_under_way)) {
                return;
            }
            next.await;
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut HashMap<K, Count<V>>) -> T) -> T {
        change(&mut self.0.counts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Tells those who wait that the count has ended, however that was.
struct UnderWay<K: Copy + Eq + Hash + Send + 'static, V: Clone + Send + 'static> {
    counts: Counts<K, V>,
    key: K,
}

impl<K: Copy + Eq + Hash + Send + 'static, V: Clone + Send + 'static> Drop for UnderWay<K, V> {
    fn drop(&mut self) {
        self.counts.change(|counts| {
            if let Some(count) = counts.get_mut(&self.key) {
                count.is_under_way = false;
            }
        });
        self.counts.0.has_ended.notify_waiters();
    }
}

async fn count_for<K: Copy + Eq + Hash + Send + 'static, V: Clone + Send + 'static>(
    under_way: UnderWay<K, V>,
    count: impl Future<Output = Result<V, RegistryError>>,
) {
    let counts = under_way.counts.clone();
    let _turn = counts.0.turn.acquire().await.expect("the semaphore is never closed");
    let begin = Instant::now();
    match count.await {
        Ok(value) => under_way.counts.change(|counts| {
            if let Some(count) = counts.get_mut(&under_way.key) {
                let took = begin.elapsed();
                let holds = if took < BLINK { Duration::ZERO } else { took * HOLDS };
                (count.last, count.holds_until) = (Some(value), Instant::now() + holds);
            }
        }),
        Err(error) => tracing::warn!(%error, "what takes space could not be counted"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn what_takes_no_time_is_counted_whenever_somebody_looks() {
        let counts = Counts::default();
        assert_eq!(counts.get(1, async { Ok(5) }).await, Some(5));
        assert_eq!(counts.get(1, async { Ok(6) }).await, Some(6));
        assert_eq!(counts.get(2, async { Ok(7) }).await, Some(7));
        let fails = async { Err(RegistryError::UploadUnknown) };
        assert_eq!(counts.get(1, fails).await, Some(6));
    }

    #[tokio::test]
    async fn nobody_waits_for_a_long_count_and_it_is_counted_once() {
        let counts = Counts::default();
        let (gate, begun) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicU32::new(0)));
        let count = || {
            let (gate, begun) = (Arc::clone(&gate), Arc::clone(&begun));
            async move {
                begun.fetch_add(1, Ordering::Relaxed);
                let _ = gate.acquire().await;
                Ok(1)
            }
        };
        assert_eq!(counts.get((), count()).await, None);
        assert_eq!(tokio::join!(counts.get((), count()), counts.get((), count())), (None, None));
        gate.add_permits(1);
        while counts.get((), count()).await.is_none() {}
        assert_eq!(begun.load(Ordering::Relaxed), 1);
        // It took long, so it holds.
        assert_eq!(counts.get((), async { Ok(2) }).await, Some(1));
    }
}
