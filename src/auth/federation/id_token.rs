use jsonwebtoken::Validation;
use jsonwebtoken::errors::ErrorKind;
use serde::Deserialize;
use serde_json::Value;

use super::provider::VerifyingKey;
use crate::auth::AuthError;

const MAX_LEN: usize = 16 * 1024;
/// Seconds that the clock of an issuer may differ from ours.
const CLOCK_SKEW: u64 = 30;
const MAX_SUBJECT: usize = 200;

/// What is read of a token before it is verified, to find the key; nothing else may rest on it.
pub struct Claimed {
    pub issuer: String,
    pub kid: Option<String>,
}

/// Whether a password has the form of a token (RFC 7515, section 7.1: a JSON object in Base64).
pub fn is_jwt(text: &str) -> bool {
    text.starts_with("eyJ") && text.bytes().filter(|byte| *byte == b'.').count() == 2
}

pub fn claimed(token: &str) -> Result<Claimed, AuthError> {
    #[derive(Deserialize)]
    struct Issuer {
        iss: String,
    }
    let malformed = |_| AuthError::InvalidToken("it is no ID token");
    if token.len() > MAX_LEN {
        return Err(AuthError::InvalidToken("it is too long"));
    }
    let Issuer { iss } =
        jsonwebtoken::dangerous::insecure_decode_claims(token).map_err(malformed)?;
    let header = jsonwebtoken::decode_header(token).map_err(malformed)?;
    Ok(Claimed { issuer: iss, kid: header.kid })
}

/// Checks signature and claims (OpenID Connect Core 1.0, section 3.1.3.7).
pub fn verify(
    token: &str,
    key: &VerifyingKey,
    issuer: &str,
    audience: &str,
) -> Result<Value, AuthError> {
    let header = jsonwebtoken::decode_header(token)
        .map_err(|_| AuthError::InvalidToken("it is no ID token"))?;
    if !key.algorithms.contains(&header.alg) {
        return Err(AuthError::InvalidToken("its algorithm is not that of the issuer's key"));
    }
    let mut validation = Validation::new(header.alg);
    validation.leeway = CLOCK_SKEW;
    validation.validate_nbf = true;
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[audience]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    match jsonwebtoken::decode::<Value>(token, &key.key, &validation) {
        Ok(token) => Ok(token.claims),
        Err(error) => Err(AuthError::InvalidToken(match error.kind() {
            ErrorKind::ExpiredSignature => "the ID token's time is over",
            ErrorKind::ImmatureSignature => "the ID token's time has not come",
            ErrorKind::InvalidAudience => "the ID token is for another audience",
            ErrorKind::InvalidIssuer => "another issuer made the ID token",
            ErrorKind::InvalidSignature => "the ID token's signature is wrong",
            _ => "the ID token's claims are not complete",
        })),
    }
}

/// The claim `sub`, if a name can be made of it.
pub fn subject(claims: &Value) -> Result<&str, AuthError> {
    let subject = claims["sub"].as_str().unwrap_or_default();
    if subject.is_empty() || subject.len() > MAX_SUBJECT || subject.contains(char::is_control) {
        return Err(AuthError::InvalidToken("the ID token's subject is not usable"));
    }
    Ok(subject)
}
