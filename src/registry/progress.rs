use std::sync::atomic::{AtomicU64, Ordering};

/// How far a transfer is, for whoever shows it. What is to come grows while it is found.
#[derive(Debug, Default)]
pub struct Progress {
    items: AtomicU64,
    items_done: AtomicU64,
    bytes: AtomicU64,
    bytes_done: AtomicU64,
}

impl Progress {
    pub fn expect(&self, items: u64, bytes: u64) {
        self.items.fetch_add(items, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub fn received(&self, bytes: u64) {
        self.bytes_done.fetch_add(bytes, Ordering::Relaxed);
    }

    pub fn done(&self) {
        self.items_done.fetch_add(1, Ordering::Relaxed);
    }

    /// Blobs, manifests and repositories: done, and known so far.
    pub fn items(&self) -> (u64, u64) {
        (self.items_done.load(Ordering::Relaxed), self.items.load(Ordering::Relaxed))
    }

    /// Bytes of blobs that are read: done, and known so far.
    pub fn bytes(&self) -> (u64, u64) {
        (self.bytes_done.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }
}
