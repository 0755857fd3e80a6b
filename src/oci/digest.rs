use super::text_value;

/// A hash algorithm that digests may use (image-spec, descriptor.md, "Registered algorithms").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    Sha256,
    Sha512,
}

impl Algorithm {
    /// # Errors
    /// [`DigestError::UnknownAlgorithm`] for everything but `sha256` and `sha512`.
    pub fn parse(name: &str) -> Result<Self, DigestError> {
        match name {
            "sha256" => Ok(Self::Sha256),
            "sha512" => Ok(Self::Sha512),
            _ => Err(DigestError::UnknownAlgorithm(name.into())),
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// Length of the hash in hexadecimal characters.
    fn hex_len(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }
}

/// A content address such as `sha256:e3b0…`: algorithm and lower-case hexadecimal hash
/// (image-spec, descriptor.md, "Digests").
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest {
    text: Box<str>,
    algorithm: Algorithm,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DigestError {
    #[error("{0:?} is not a digest: expected ALGORITHM:HEX, such as sha256:e3b0…")]
    Malformed(Box<str>),
    #[error("digest algorithm {0:?} is not supported: use sha256 or sha512")]
    UnknownAlgorithm(Box<str>),
    #[error("{0:?} is not a digest: {1} takes {2} lower-case hexadecimal characters")]
    BadHash(Box<str>, &'static str, usize),
}

impl Digest {
    /// # Errors
    /// [`DigestError`] if the text is not `ALGORITHM:HEX` of a supported algorithm.
    pub fn parse(text: &str) -> Result<Self, DigestError> {
        let shown = || text.chars().take(200).collect::<String>().into_boxed_str();
        let (name, hash) = text.split_once(':').ok_or_else(|| DigestError::Malformed(shown()))?;
        let algorithm = Algorithm::parse(name).map_err(|_| {
            DigestError::UnknownAlgorithm(name.chars().take(64).collect::<String>().into())
        })?;
        let well_formed = hash.len() == algorithm.hex_len()
            && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !well_formed {
            return Err(DigestError::BadHash(shown(), algorithm.as_str(), algorithm.hex_len()));
        }
        Ok(Self { text: text.into(), algorithm })
    }

    /// `hash` must be as long as the algorithm's output; only the hasher calls this.
    pub(super) fn from_hash(algorithm: Algorithm, hash: &[u8]) -> Self {
        let text = format!("{}:{}", algorithm.as_str(), hex::encode(hash));
        Self { text: text.into(), algorithm }
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The hash alone, in lower-case hexadecimal.
    pub fn hex(&self) -> &str {
        &self.text[self.algorithm.as_str().len() + 1..]
    }
}

text_value!(Digest, DigestError);

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_digest_keeps_its_text_and_parts() {
        let digest = Digest::parse(EMPTY).unwrap();
        assert_eq!(digest.as_str(), EMPTY);
        assert_eq!(digest.algorithm(), Algorithm::Sha256);
        assert_eq!(digest.hex(), &EMPTY[7..]);
    }

    #[test]
    fn malformed_digests_are_refused() {
        let upper = EMPTY.to_uppercase().replace("SHA256", "sha256");
        let short = &EMPTY[..70];
        for text in ["", "sha256", "sha256:", ":abc", "sha256:../../x", short, &upper] {
            assert!(Digest::parse(text).is_err(), "{text}");
        }
        assert!(matches!(Digest::parse("md5:abcd"), Err(DigestError::UnknownAlgorithm(_))));
    }
}
