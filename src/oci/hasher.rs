use sha2::digest::common::hazmat::SerializableState;
use sha2::{Digest as _, Sha256, Sha512};

use super::{Algorithm, Digest};

/// Hashes bytes as they pass; its state can be saved and taken up again, even by another process,
/// so that a resumed upload never reads again what was received before.
#[derive(Clone)]
pub struct Hasher(State);

#[derive(Clone)]
enum State {
    Sha256(Sha256),
    Sha512(Sha512),
}

#[derive(Debug, thiserror::Error)]
#[error("the saved hash state is damaged")]
pub struct HasherError;

impl Hasher {
    pub fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Sha256 => State::Sha256(Sha256::new()),
            Algorithm::Sha512 => State::Sha512(Sha512::new()),
        })
    }

    /// The digest of `bytes` in one call.
    pub fn digest(algorithm: Algorithm, bytes: &[u8]) -> Digest {
        let mut hasher = Self::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    pub fn algorithm(&self) -> Algorithm {
        match self.0 {
            State::Sha256(_) => Algorithm::Sha256,
            State::Sha512(_) => Algorithm::Sha512,
        }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Sha256(hash) => hash.update(bytes),
            State::Sha512(hash) => hash.update(bytes),
        }
    }

    pub fn finish(self) -> Digest {
        let algorithm = self.algorithm();
        match self.0 {
            State::Sha256(hash) => Digest::from_hash(algorithm, &hash.finalize()),
            State::Sha512(hash) => Digest::from_hash(algorithm, &hash.finalize()),
        }
    }

    /// The state so far, about 100 or 200 bytes, for [`Hasher::restore`].
    pub fn save(&self) -> Vec<u8> {
        match &self.0 {
            State::Sha256(hash) => hash.serialize().to_vec(),
            State::Sha512(hash) => hash.serialize().to_vec(),
        }
    }

    /// # Errors
    /// [`HasherError`] if `saved` was not made by [`Hasher::save`] of the same algorithm.
    pub fn restore(algorithm: Algorithm, saved: &[u8]) -> Result<Self, HasherError> {
        fn state<H: SerializableState>(saved: &[u8]) -> Result<H, HasherError> {
            let saved = saved.try_into().map_err(|_| HasherError)?;
            H::deserialize(saved).map_err(|_| HasherError)
        }
        Ok(Self(match algorithm {
            Algorithm::Sha256 => State::Sha256(state(saved)?),
            Algorithm::Sha512 => State::Sha512(state(saved)?),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_hash_goes_on_to_the_same_digest() {
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let mut first = Hasher::new(algorithm);
            first.update(b"some bytes, ");
            let mut second = Hasher::restore(algorithm, &first.save()).unwrap();
            second.update(b"and the rest");
            let whole = Hasher::digest(algorithm, b"some bytes, and the rest");
            assert_eq!(second.finish(), whole);
        }
    }

    #[test]
    fn a_damaged_state_is_refused() {
        assert!(Hasher::restore(Algorithm::Sha256, b"short").is_err());
    }
}
