use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Mutex;
use std::time::Instant;

/// Remembers answers for a while, and only so many of them.
///
/// Entries live in two generations: when the young one is full it becomes the old one, and what
/// was old is forgotten. That bounds the memory without keeping an order.
pub struct Recent<K, V> {
    generations: Mutex<Generations<K, V>>,
    /// Entries of one generation.
    capacity: usize,
}

struct Generations<K, V> {
    young: HashMap<K, Entry<V>>,
    old: HashMap<K, Entry<V>>,
}

struct Entry<V> {
    value: V,
    good_until: Instant,
}

impl<K: Eq + Hash, V: Clone> Recent<K, V> {
    /// Holds at most twice `capacity` entries.
    pub fn new(capacity: usize) -> Self {
        let generations = Generations { young: HashMap::new(), old: HashMap::new() };
        Self { generations: Mutex::new(generations), capacity }
    }

    pub fn get(&self, key: &K) -> Option<V> {
        let generations = self.lock();
        let entry = generations.young.get(key).or_else(|| generations.old.get(key))?;
        (entry.good_until > Instant::now()).then(|| entry.value.clone())
    }

    pub fn insert(&self, key: K, value: V, good_until: Instant) {
        let mut generations = self.lock();
        if generations.young.len() >= self.capacity {
            generations.old = std::mem::take(&mut generations.young);
        }
        generations.young.insert(key, Entry { value, good_until });
    }

    pub fn remove(&self, key: &K) {
        let mut generations = self.lock();
        generations.young.remove(key);
        generations.old.remove(key);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Generations<K, V>> {
        // A panic while it was locked leaves at worst a missing entry.
        self.generations.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_remembered_is_bounded() {
        let recent = Recent::new(10);
        let later = Instant::now() + Duration::from_secs(3600);
        for n in 0..1000 {
            recent.insert(n, n, later);
            assert_eq!(recent.get(&n), Some(n));
        }
        assert!((0..1000).filter(|n| recent.get(n).is_some()).count() <= 20);
    }

    #[test]
    fn what_is_over_is_not_answered() {
        let recent = Recent::new(10);
        recent.insert(1, "one", Instant::now());
        assert_eq!(recent.get(&1), None);
    }
}
