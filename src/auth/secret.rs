//! Random secrets: their texts, and the hashes that are kept of them.

use rand::distr::{Alphanumeric, SampleString as _};
use sha2::{Digest as _, Sha256};

/// Characters of the random part: 43 of 62 hold over 256 bits, so a plain hash guards them.
const RANDOM_LEN: usize = 43;

/// What a secret is for. Its text starts with a word that tells, so that nothing takes one kind for
/// another and scanners of leaked secrets find it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SecretKind {
    RefreshToken,
    PersonalToken,
    PrincipalSecret,
    /// Of a browser.
    Session,
}

impl SecretKind {
    const ALL: [Self; 4] =
        [Self::RefreshToken, Self::PersonalToken, Self::PrincipalSecret, Self::Session];

    fn prefix(self) -> &'static str {
        match self {
            Self::RefreshToken => "orlop_rt_",
            Self::PersonalToken => "orlop_pat_",
            Self::PrincipalSecret => "orlop_sp_",
            Self::Session => "orlop_ss_",
        }
    }

    /// The kind that the text of a secret claims to be of.
    pub fn of(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| text.starts_with(kind.prefix()))
    }
}

/// A new secret of 256 random bits.
pub fn generate(kind: SecretKind) -> String {
    let mut text = kind.prefix().to_owned();
    Alphanumeric.append_string(&mut rand::rng(), &mut text, RANDOM_LEN);
    text
}

/// A random text that is used once.
pub fn nonce() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), RANDOM_LEN)
}

/// A password that nobody chose.
pub fn generate_password() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), 24)
}

/// A name for a row outside of the database.
pub fn uid() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// SHA-256 in hexadecimal, under which a secret is kept.
pub fn hash(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_tells_its_kind() {
        for kind in SecretKind::ALL {
            assert_eq!(SecretKind::of(&generate(kind)), Some(kind));
        }
        assert_eq!(SecretKind::of(&generate_password()), None);
    }
}
