//! Access tokens: JWTs (RFC 7519) that this registry signs and alone accepts.

use jsonwebtoken::{Algorithm, Header, Validation};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::keys::Keys;
use super::{Access, AuthError, Subject};
use crate::metadata::now;

pub const ISSUER: &str = "orlop";
/// Longer texts are no tokens of this registry.
const MAX_LEN: usize = 32 * 1024;
/// Seconds that the clocks of two replicas may differ.
pub const CLOCK_SKEW: i64 = 30;

/// The claims of an access token. Whoever holds one may do what `access` says until `exp`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    pub iss: String,
    /// Name of the identity.
    pub sub: String,
    /// Its uid, as names can be given anew; none if the caller is anonymous.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oid: Option<String>,
    /// The uid of the credential that the token was issued on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cid: Option<String>,
    /// The uid of the sign-in by a foreign ID token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    pub aud: String,
    pub exp: i64,
    pub nbf: i64,
    pub iat: i64,
    pub jti: String,
    pub access: Vec<Access>,
}

impl Claims {
    pub fn new(subject: Subject, service: &str, access: Vec<Access>, seconds: u32) -> Self {
        let iat = now() / 1_000_000;
        Self {
            iss: ISSUER.into(),
            sub: subject.name,
            oid: subject.identity,
            cid: subject.credential,
            sid: subject.sign_in,
            aud: service.into(),
            exp: iat + i64::from(seconds),
            nbf: iat - CLOCK_SKEW,
            iat,
            jti: uuid::Uuid::new_v4().to_string(),
            access,
        }
    }

    pub fn subject(&self) -> Subject {
        Subject {
            name: self.sub.clone(),
            identity: self.oid.clone(),
            credential: self.cid.clone(),
            sign_in: self.sid.clone(),
        }
    }
}

/// Signs claims, with the issuer that [`verify`] asks for.
pub fn sign(claims: &impl Serialize, keys: &Keys) -> Result<String, AuthError> {
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some(keys.signing.public.kid.clone());
    jsonwebtoken::encode(&header, claims, &keys.signing.encoding)
        .map_err(|_| AuthError::Key("used to sign"))
}

/// The `kid` that a token names. Nothing else of the header counts, keys in it least of all
/// (CVE-2025-24976): the key is one of our own, and the key fixes the algorithm.
pub fn kid(token: &str) -> Result<String, AuthError> {
    if token.len() > MAX_LEN {
        return Err(AuthError::InvalidToken("it is too long"));
    }
    let header = jsonwebtoken::decode_header(token)
        .map_err(|_| AuthError::InvalidToken("it is no token of this registry"))?;
    header.kid.ok_or(AuthError::InvalidToken("it names no key"))
}

/// Checks signature and claims with the key that [`kid`] names.
pub fn verify<T: DeserializeOwned>(
    token: &str,
    kid: &str,
    keys: &Keys,
    audience: &str,
) -> Result<T, AuthError> {
    use jsonwebtoken::errors::ErrorKind;
    let key = keys.get(kid).ok_or(AuthError::InvalidToken("its key is not known"))?;
    let mut validation = Validation::new(Algorithm::ES256);
    validation.leeway = 0;
    validation.validate_nbf = true;
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[audience]);
    validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
    match jsonwebtoken::decode::<T>(token, &key.decoding, &validation) {
        Ok(token) => Ok(token.claims),
        Err(error) => Err(AuthError::InvalidToken(match error.kind() {
            ErrorKind::ExpiredSignature => "its time is over",
            ErrorKind::ImmatureSignature => "its time has not come",
            ErrorKind::InvalidAudience => "it is for another service",
            ErrorKind::InvalidIssuer => "another issuer made it",
            ErrorKind::InvalidSignature => "its signature is wrong",
            ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => {
                "its algorithm is not ES256"
            }
            _ => "its claims are not those of this registry",
        })),
    }
}
