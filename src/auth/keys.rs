use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use sqlx::AnyConnection;

use super::AuthError;
use crate::metadata::{Alone, Database, signing_keys};

/// A key for ES256 (RFC 7518, section 3.4), the only algorithm that tokens are signed with.
pub struct SigningKey {
    pub encoding: EncodingKey,
    pub decoding: DecodingKey,
    pub public: PublicKey,
}

/// A public key as `/.well-known/jwks.json` lists it (RFC 7517).
#[derive(Clone, Debug, Serialize)]
pub struct PublicKey {
    kty: &'static str,
    crv: &'static str,
    alg: &'static str,
    #[serde(rename = "use")]
    usage: &'static str,
    pub kid: String,
    x: String,
    y: String,
}

/// The keys of this registry: one signs, all verify.
pub struct Keys {
    pub signing: Arc<SigningKey>,
    by_kid: HashMap<String, Arc<SigningKey>>,
    loaded_at: Instant,
}

impl SigningKey {
    fn read(private: &[u8]) -> Result<Self, AuthError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, private)
            .map_err(|_| AuthError::Key("read"))?;
        let point = pair.public_key().as_ref();
        // Uncompressed (SEC 1, section 2.3.3): 4, then both coordinates.
        let [4, coordinates @ ..] = point else { return Err(AuthError::Key("read")) };
        let (x, y) = coordinates.split_at(coordinates.len() / 2);
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        // RFC 7638: the members that make the key, in order, without blanks.
        let thumbprint =
            Sha256::digest(format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#));
        let kid = URL_SAFE_NO_PAD.encode(thumbprint);
        Ok(Self {
            encoding: EncodingKey::from_ec_der(private),
            decoding: DecodingKey::from_ec_der(point),
            public: PublicKey { kty: "EC", crv: "P-256", alg: "ES256", usage: "sig", kid, x, y },
        })
    }
}

impl Keys {
    /// The keys of the database; the first one is made if there is none.
    pub async fn load(database: &Database) -> Result<Self, AuthError> {
        let mut rows = signing_keys::live(&mut *database.read().await?).await?;
        if rows.is_empty() {
            let mut transaction = database.begin_alone(Alone::Access).await?;
            rows = signing_keys::live(&mut transaction).await?;
            if rows.is_empty() {
                add(&mut transaction).await?;
                rows = signing_keys::live(&mut transaction).await?;
                transaction.commit().await?;
            }
        }
        let mut keys = Vec::with_capacity(rows.len());
        for row in rows {
            keys.push(Arc::new(SigningKey::read(&row.private)?));
        }
        let signing = keys.first().cloned().ok_or(AuthError::Key("found"))?;
        let by_kid = keys.into_iter().map(|key| (key.public.kid.clone(), key)).collect();
        Ok(Self { signing, by_kid, loaded_at: Instant::now() })
    }

    pub fn is_older_than(&self, age: Duration) -> bool {
        self.loaded_at.elapsed() > age
    }

    pub fn get(&self, kid: &str) -> Option<&Arc<SigningKey>> {
        self.by_kid.get(kid)
    }

    pub fn public(&self) -> Vec<PublicKey> {
        self.by_kid.values().map(|key| key.public.clone()).collect()
    }
}

/// Makes a key, which signs from now on, and answers its `kid`.
pub async fn add(connection: &mut AnyConnection) -> Result<String, AuthError> {
    let private =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map_err(|_| AuthError::Key("made"))?;
    let kid = SigningKey::read(private.as_ref())?.public.kid;
    signing_keys::insert(connection, &kid, private.as_ref()).await?;
    Ok(kid)
}
