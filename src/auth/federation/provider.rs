use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use reqwest::{Client, Response, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::outbound::{OutOfReach, Reach};

/// What an issuer says of itself is asked for again after this.
const FRESH_FOR: Duration = Duration::from_secs(600);
/// While the issuer does not answer, its last keys are good for so long.
const USABLE_FOR: Duration = Duration::from_secs(24 * 3600);
/// An issuer is asked no more often than so, whatever tokens name.
const ASKED_AGAIN_AFTER: Duration = Duration::from_secs(5);
const TIME_LIMIT: Duration = Duration::from_secs(5);
const MAX_BYTES: usize = 1024 * 1024;

/// The OpenID providers that issue ID tokens: where they are, and their keys.
pub struct Providers {
    reach: Reach,
    client: Client,
    known: std::sync::Mutex<HashMap<String, Arc<tokio::sync::Mutex<Known>>>>,
}

/// What is known of a provider.
#[derive(Default)]
struct Known {
    document: Option<(Arc<Document>, Instant)>,
    asked_at: Option<Instant>,
}

/// OpenID Connect Discovery 1.0, section 3, with the keys.
pub struct Document {
    pub authorization_endpoint: Option<String>,
    pub token_endpoint: Option<String>,
    keys: Vec<Jwk>,
}

#[derive(Deserialize)]
struct Configuration {
    issuer: String,
    jwks_uri: String,
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

/// A key and the algorithms that may be used with it.
pub struct VerifyingKey {
    pub key: DecodingKey,
    pub algorithms: &'static [Algorithm],
}

#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    #[error("{0:?} is not a URL that ID tokens can be trusted by: it must be https")]
    Url(String),
    #[error(transparent)]
    OutOfReach(#[from] OutOfReach),
    #[error("it does not answer: {0}")]
    Request(#[from] reqwest::Error),
    #[error("it answers with status {0}")]
    Status(u16),
    #[error("it answers with more than {MAX_BYTES} bytes")]
    TooLong,
    #[error("its answer makes no sense: {0}")]
    Json(#[from] serde_json::Error),
    #[error("it calls itself {0:?}")]
    Issuer(String),
    #[error("it did not answer a moment ago")]
    NotYet,
}

impl Providers {
    pub fn new(reach: Reach) -> Result<Self, ProviderError> {
        let client = reach.client().timeout(TIME_LIMIT).build()?;
        Ok(Self { reach, client, known: std::sync::Mutex::default() })
    }

    /// A URL that may be asked, and whose answer may be trusted.
    ///
    /// # Errors
    /// [`ProviderError::Url`] or [`ProviderError::OutOfReach`].
    pub fn url(&self, text: &str) -> Result<Url, ProviderError> {
        let url = trusted_url(text)?;
        self.reach.check(&url)?;
        Ok(url)
    }

    /// The key that the issuer's tokens with this `kid` are signed by; none if it has no such key.
    pub async fn key(
        &self,
        issuer: &str,
        kid: Option<&str>,
    ) -> Result<Option<VerifyingKey>, ProviderError> {
        let known = self.known(issuer);
        let mut known = known.lock().await;
        let document = self.document_of(&mut known, issuer).await?;
        if let Some(key) = document.key(kid) {
            return Ok(Some(key));
        }
        // The issuer may have a new key since.
        match self.ask(&mut known, issuer).await {
            Ok(document) => Ok(document.key(kid)),
            Err(ProviderError::NotYet) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub async fn document(&self, issuer: &str) -> Result<Arc<Document>, ProviderError> {
        let known = self.known(issuer);
        let mut known = known.lock().await;
        self.document_of(&mut known, issuer).await
    }

    /// Sends a form and reads the JSON of the answer.
    pub async fn post_form<T: DeserializeOwned>(
        &self,
        url: &str,
        form: &[(&str, &str)],
    ) -> Result<T, ProviderError> {
        let response = self.client.post(self.url(url)?).form(form).send().await?;
        read(response).await
    }

    fn known(&self, issuer: &str) -> Arc<tokio::sync::Mutex<Known>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(issuer.into()).or_default())
    }

    async fn document_of(
        &self,
        known: &mut Known,
        issuer: &str,
    ) -> Result<Arc<Document>, ProviderError> {
        let last = known.document.clone();
        match &last {
            Some((document, read_at)) if read_at.elapsed() < FRESH_FOR => Ok(Arc::clone(document)),
            _ => match (self.ask(known, issuer).await, last) {
                (Ok(document), _) => Ok(document),
                (Err(error), Some((document, read_at))) if read_at.elapsed() < USABLE_FOR => {
                    tracing::warn!(issuer, %error, "using the issuer's last known keys");
                    Ok(document)
                }
                (Err(error), _) => Err(error),
            },
        }
    }

    async fn ask(&self, known: &mut Known, issuer: &str) -> Result<Arc<Document>, ProviderError> {
        if known.asked_at.is_some_and(|asked_at| asked_at.elapsed() < ASKED_AGAIN_AFTER) {
            return Err(ProviderError::NotYet);
        }
        known.asked_at = Some(Instant::now());
        let document = Arc::new(self.read_document(issuer).await?);
        known.document = Some((Arc::clone(&document), Instant::now()));
        Ok(document)
    }

    async fn read_document(&self, issuer: &str) -> Result<Document, ProviderError> {
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let configuration: Configuration =
            read(self.client.get(self.url(&url)?).send().await?).await?;
        if configuration.issuer != issuer {
            return Err(ProviderError::Issuer(configuration.issuer));
        }
        let response = self.client.get(self.url(&configuration.jwks_uri)?).send().await?;
        let set: KeySet = read(response).await?;
        Ok(Document {
            authorization_endpoint: configuration.authorization_endpoint,
            token_endpoint: configuration.token_endpoint,
            // Keys of kinds that are not known here are no reason to refuse the others.
            keys: set.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok()).collect(),
        })
    }
}

impl Document {
    /// A token without `kid` is signed by the only key, if there is one only.
    fn key(&self, kid: Option<&str>) -> Option<VerifyingKey> {
        let mut fitting = self.keys.iter().filter(|key| match (&key.common.key_id, kid) {
            (Some(own), Some(kid)) => own == kid,
            (None, Some(_)) => false,
            (_, None) => true,
        });
        let jwk = fitting.next()?;
        if fitting.next().is_some() {
            return None;
        }
        let is_for_signatures =
            matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
        let algorithms = algorithms(jwk);
        if !is_for_signatures || algorithms.is_empty() {
            return None;
        }
        Some(VerifyingKey { key: DecodingKey::from_jwk(jwk).ok()?, algorithms })
    }
}

/// The key fixes the algorithm, not the token; secrets shared with an issuer are no keys here.
fn algorithms(jwk: &Jwk) -> &'static [Algorithm] {
    match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => {
            &[Algorithm::RS256, Algorithm::RS384, Algorithm::RS512, Algorithm::PS256]
        }
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            &[Algorithm::ES256]
        }
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => {
            &[Algorithm::ES384]
        }
        AlgorithmParameters::OctetKeyPair(_) => &[Algorithm::EdDSA],
        _ => &[],
    }
}

/// A URL that nobody on the way can answer in place of its host: by TLS, or on this machine.
pub fn trusted_url(text: &str) -> Result<Url, ProviderError> {
    let refused = || ProviderError::Url(text.chars().take(200).collect());
    let url = Url::parse(text).map_err(|_| refused())?;
    let host = url.host_str().ok_or_else(refused)?;
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let is_local = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_local => Ok(url),
        _ => Err(refused()),
    }
}

async fn read<T: DeserializeOwned>(response: Response) -> Result<T, ProviderError> {
    if !response.status().is_success() {
        return Err(ProviderError::Status(response.status().as_u16()));
    }
    let mut bytes = Vec::new();
    let mut stream = response.bytes_stream();
    while let Some(chunk) = stream.next().await {
        bytes.extend_from_slice(&chunk?);
        if bytes.len() > MAX_BYTES {
            return Err(ProviderError::TooLong);
        }
    }
    Ok(serde_json::from_slice(&bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issuers_are_asked_by_tls_or_on_this_machine() {
        for url in [
            "https://issuer.example.com/x",
            "http://127.0.0.1:1",
            "http://[::1]/",
            "http://localhost:2/",
        ] {
            assert!(trusted_url(url).is_ok(), "{url}");
        }
        for url in [
            "http://issuer.example.com",
            "http://127.0.0.1.example.com",
            "file:///etc/passwd",
            "x",
            "",
        ] {
            assert!(trusted_url(url).is_err(), "{url}");
        }
    }
}
