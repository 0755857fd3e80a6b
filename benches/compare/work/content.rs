//! Content that is made and hashed beforehand: that is the client's part.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// Blobs of one size that differ at their end only, so that each costs no hashing of its own.
#[derive(Clone)]
pub struct Blobs {
    begin: Arc<[u8]>,
    hashed: Sha256,
}

pub struct Blob {
    begin: Arc<[u8]>,
    end: [u8; 8],
    pub digest: String,
}

impl Blobs {
    /// Of `size` bytes, at least 8.
    pub fn new(size: usize) -> Self {
        let mut state = 1_u64;
        let mut begin = Vec::with_capacity(size);
        while begin.len() < size - 8 {
            // Not all the same byte, so that nothing on the way can save itself the work.
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            begin.extend_from_slice(&state.to_le_bytes());
        }
        begin.truncate(size - 8);
        let hashed = Sha256::new_with_prefix(&begin);
        Self { begin: begin.into(), hashed }
    }

    pub fn blob(&self, number: u64) -> Blob {
        let end = number.to_le_bytes();
        let hash = self.hashed.clone().chain_update(end).finalize();
        let digest = format!("sha256:{}", hex::encode(hash));
        Blob { begin: Arc::clone(&self.begin), end, digest }
    }
}

impl Blob {
    pub fn size(&self) -> usize {
        self.begin.len() + self.end.len()
    }

    pub fn parts(&self) -> [&[u8]; 2] {
        [&self.begin, &self.end]
    }
}
