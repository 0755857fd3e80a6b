//! Forged, stolen, stale and stretched tokens.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use orlop::auth::{Action, AuthError};
use orlop::settings::AuthSettings;
use serde_json::{Value, json};
use sqlx::Row as _;

use crate::harness::{PASSWORD, Registry, SERVICE, basic, name};

/// The registry's own key, as only its database knows it.
struct OwnKey {
    kid: String,
    private: Vec<u8>,
}

impl OwnKey {
    async fn of(registry: &Registry) -> Self {
        let mut connection = registry.database.read().await.unwrap();
        let row = sqlx::query("SELECT kid, private FROM signing_keys")
            .fetch_one(&mut *connection)
            .await
            .unwrap();
        Self { kid: row.get("kid"), private: row.get("private") }
    }

    fn sign(&self, claims: &Value) -> String {
        self.sign_with_header(&json!({"alg": "ES256", "typ": "JWT", "kid": self.kid}), claims)
    }

    fn sign_with_header(&self, header: &Value, claims: &Value) -> String {
        sign(&self.private, header, claims)
    }
}

fn sign(private: &[u8], header: &Value, claims: &Value) -> String {
    let message = unsigned(header, claims);
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, private).unwrap();
    let signature = pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn unsigned(header: &Value, claims: &Value) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", encode(header), encode(claims))
}

fn seconds() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
}

/// The claims of a good token for pulling `a`.
async fn good_claims(registry: &Registry) -> Value {
    let query = "service=registry.test&scope=repository:a:pull";
    registry.get(query, Some(&basic("admin", PASSWORD))).await.claims()
}

async fn assert_refused(registry: &Registry, token: &str, what: &str) {
    let answer = registry.bearer(token).await;
    assert!(matches!(answer, Err(AuthError::InvalidToken(_))), "{what}: {answer:?}");
}

#[tokio::test]
async fn a_token_made_by_the_right_key_with_the_right_claims_is_good() {
    let registry = Registry::start().await;
    let key = OwnKey::of(&registry).await;
    let token = key.sign(&good_claims(&registry).await);
    assert!(registry.bearer(&token).await.is_ok());
}

#[tokio::test]
async fn tokens_without_a_signature_are_refused() {
    let registry = Registry::start().await;
    let key = OwnKey::of(&registry).await;
    let claims = good_claims(&registry).await;
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let message = unsigned(&json!({"alg": alg, "typ": "JWT", "kid": key.kid}), &claims);
        assert_refused(&registry, &format!("{message}."), alg).await;
        assert_refused(&registry, &message, alg).await;
    }
    let message = unsigned(&json!({"alg": "ES256", "kid": key.kid}), &claims);
    assert_refused(&registry, &format!("{message}."), "ES256 without a signature").await;
    // A signature of zeros, which careless implementations take for good (CVE-2022-21449).
    let zeros = URL_SAFE_NO_PAD.encode([0; 64]);
    assert_refused(&registry, &format!("{message}.{zeros}"), "zeros").await;
}

#[tokio::test]
async fn the_public_key_is_no_secret_of_another_algorithm() {
    let registry = Registry::start().await;
    let key = OwnKey::of(&registry).await;
    let claims = good_claims(&registry).await;
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &key.private).unwrap();
    let jwk = serde_json::to_string(&registry.auth.public_keys().await.unwrap()[0]).unwrap();
    for secret in [pair.public_key().as_ref(), jwk.as_bytes(), key.private.as_slice()] {
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let mut header = Header::new(algorithm);
            header.kid = Some(key.kid.clone());
            let secret = EncodingKey::from_secret(secret);
            let token = jsonwebtoken::encode(&header, &claims, &secret).unwrap();
            assert_refused(&registry, &token, "HMAC").await;
        }
    }
}

#[tokio::test]
async fn keys_that_a_token_brings_along_do_not_count() {
    let registry = Registry::start().await;
    let own = OwnKey::of(&registry).await;
    let claims = good_claims(&registry).await;
    let foreign =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .unwrap();
    let pair =
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, foreign.as_ref()).unwrap();
    let point = pair.public_key().as_ref();
    let (x, y) = point[1..].split_at(32);
    let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
    let jwk = json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "kid": own.kid, "x": x, "y": y});
    for header in [
        json!({"alg": "ES256", "kid": own.kid}),
        json!({"alg": "ES256", "kid": own.kid, "jwk": jwk}),
        json!({"alg": "ES256", "jwk": jwk}),
        json!({"alg": "ES256", "kid": own.kid, "jku": "http://127.0.0.1:1/jwks.json"}),
        json!({"alg": "ES256", "kid": own.kid, "x5u": "http://127.0.0.1:1/cert.pem"}),
        json!({"alg": "ES256", "kid": own.kid, "x5c": ["MIIB"]}),
        json!({"alg": "ES256", "kid": "another"}),
        json!({"alg": "ES256", "kid": ""}),
        json!({"alg": "ES256", "kid": "../../dev/null"}),
        json!({"alg": "ES256", "kid": "' OR 1=1 --"}),
        json!({"alg": "ES256", "kid": 1}),
        json!({"alg": "ES256"}),
    ] {
        let token = sign(foreign.as_ref(), &header, &claims);
        assert_refused(&registry, &token, &header.to_string()).await;
    }
    let token = own.sign_with_header(&json!({"alg": "ES256"}), &claims);
    assert_refused(&registry, &token, "signed well, but no kid").await;
}

#[tokio::test]
async fn every_claim_must_be_right() {
    let registry = Registry::start().await;
    let key = OwnKey::of(&registry).await;
    let good = good_claims(&registry).await;
    let now = seconds();
    let wrong = [
        ("iss", json!("https://issuer.example.com")),
        ("iss", json!(["another"])),
        ("iss", Value::Null),
        ("aud", json!("another.test")),
        ("aud", json!([])),
        ("aud", Value::Null),
        ("exp", json!(now - 1)),
        ("exp", json!("never")),
        ("exp", Value::Null),
        ("nbf", json!(now + 3600)),
        ("nbf", Value::Null),
        ("sub", Value::Null),
        ("access", Value::Null),
        ("access", json!("everything")),
    ];
    for (claim, value) in wrong {
        let mut claims = good.clone();
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(claim);
        } else {
            claims[claim] = value.clone();
        }
        assert_refused(&registry, &key.sign(&claims), &format!("{claim} {value}")).await;
    }
}

#[tokio::test]
async fn a_token_does_not_grow() {
    let registry = Registry::start().await;
    let query = "service=registry.test&scope=repository:a:pull";
    let answer = registry.get(query, Some(&basic("admin", PASSWORD))).await;
    let token = answer.text("token");
    let caller = registry.bearer(token).await.unwrap();
    assert!(caller.may(Action::ContentRead, &name("a")));
    assert!(!caller.may(Action::ContentRead, &name("b")));
    assert!(!caller.may(Action::ContentWrite, &name("a")));

    let parts: Vec<_> = token.split('.').collect();
    let mut claims = answer.claims();
    claims["access"][0]["actions"] = json!(["pull", "push", "delete"]);
    let wider = URL_SAFE_NO_PAD.encode(claims.to_string());
    let stretched = format!("{}.{wider}.{}", parts[0], parts[2]);
    assert_refused(&registry, &stretched, "wider scope").await;
    for end in
        [format!("{token}x"), format!("{token}="), format!(" {token}.x"), token.to_uppercase()]
    {
        assert!(registry.bearer(&end).await.is_err(), "{end}");
    }
    // Refusing the forgeries has not spoiled the good one.
    assert!(registry.bearer(token).await.is_ok());
}

#[tokio::test]
async fn texts_that_are_no_tokens_are_refused() {
    let registry = Registry::start().await;
    let long = "a".repeat(100_000);
    for text in ["", ".", "..", "...", "a.b.c", "e30.e30.", "🦀.🦀.🦀", &long] {
        let Ok(value) = http::HeaderValue::from_bytes(format!("Bearer {text}").as_bytes()) else {
            continue;
        };
        let remote = crate::harness::REMOTE;
        assert!(registry.auth.authenticate(Some(&value), remote, SERVICE).await.is_err(), "{text}");
    }
}

#[tokio::test]
async fn a_refresh_token_opens_nothing_by_itself() {
    let registry = Registry::start().await;
    let answer = registry.get("offline_token=true", Some(&basic("admin", PASSWORD))).await;
    let refresh_token = answer.text("refresh_token");
    assert_refused(&registry, refresh_token, "refresh token").await;
    assert!(registry.caller(&basic("admin", refresh_token)).await.is_err());
    assert!(registry.caller(&basic("", refresh_token)).await.is_err());
}

#[tokio::test]
async fn an_access_token_is_no_refresh_token() {
    let registry = Registry::start().await;
    let answer = registry.get("service=registry.test", Some(&basic("admin", PASSWORD))).await;
    let form = [("grant_type", "refresh_token"), ("refresh_token", answer.text("token"))];
    for path in ["/oauth2/token", "/oauth2/exchange"] {
        assert_eq!(registry.post(path, &form).await.status.as_u16(), 401, "{path}");
    }
}

#[tokio::test]
async fn rights_that_were_taken_away_are_gone_at_the_next_refresh() {
    let registry = Registry::start().await;
    registry.add_user("alice", "AcrPush", "team/*").await;
    let query = "service=registry.test&offline_token=true&scope=repository:team/app:pull,push";
    let answer = registry.get(query, Some(&basic("alice", PASSWORD))).await;
    let token = answer.text("token").to_owned();
    let form = [
        ("grant_type", "refresh_token"),
        ("service", SERVICE),
        ("scope", "repository:team/app:pull,push"),
        ("refresh_token", answer.text("refresh_token")),
    ];
    assert_eq!(
        registry.post("/oauth2/token", &form).await.claims()["access"],
        json!([
            {"type": "repository", "name": "team/app", "actions": ["pull", "push"]}
        ])
    );

    let assignments = registry.admin(Method::GET, "assignments", Value::Null).await;
    let id = assignments["assignments"][1]["id"].as_str().unwrap();
    registry.admin(Method::DELETE, &format!("assignments/{id}"), Value::Null).await;
    assert_eq!(registry.post("/oauth2/token", &form).await.claims()["access"], json!([]));
    // The access token lives out its minutes, but its holder could not get another.
    let caller = registry.bearer(&token).await.unwrap();
    assert!(caller.may(Action::ContentRead, &name("team/app")));
    let could = registry.auth.could(&caller, Action::ContentRead, &name("team/app")).await;
    assert!(!could.unwrap());

    registry.admin(Method::DELETE, "users/alice", Value::Null).await;
    assert_eq!(registry.post("/oauth2/token", &form).await.status.as_u16(), 401);
}

#[tokio::test]
async fn strict_revocation_takes_rights_away_at_once() {
    let settings = AuthSettings { strict_revocation: true, ..AuthSettings::default() };
    let registry = Registry::start_with(settings).await;
    registry.add_user("alice", "AcrPush", "team/*").await;
    let alice = basic("alice", PASSWORD);
    let query = "service=registry.test&scope=repository:team/app:pull,push";
    let token = registry.get(query, Some(&alice)).await.text("token").to_owned();
    let repository = name("team/app");
    let may = async |action| registry.bearer(&token).await.unwrap().may(action, &repository);
    assert!(may(Action::ContentWrite).await);

    registry.assign("alice", "AcrPull", "team/*").await;
    let assignments = registry.admin(Method::GET, "assignments", Value::Null).await;
    let id = assignments["assignments"][1]["id"].as_str().unwrap();
    registry.admin(Method::DELETE, &format!("assignments/{id}"), Value::Null).await;
    assert!(may(Action::ContentRead).await);
    assert!(!may(Action::ContentWrite).await);

    // A new password ends what was issued on the old one.
    registry.admin(Method::PUT, "users/alice/password", json!({})).await;
    assert!(!may(Action::ContentRead).await);
}

#[tokio::test]
async fn a_name_given_anew_does_not_inherit_tokens() {
    let settings = AuthSettings { strict_revocation: true, ..AuthSettings::default() };
    let registry = Registry::start_with(settings).await;
    registry.add_user("alice", "AcrPull", "team/*").await;
    let query = "service=registry.test&scope=repository:team/app:pull";
    let answer = registry.get(query, Some(&basic("alice", PASSWORD))).await;
    registry.admin(Method::DELETE, "users/alice", Value::Null).await;
    registry.add_user("alice", "Owner", "team/*").await;
    let caller = registry.bearer(answer.text("token")).await.unwrap();
    assert!(!caller.may(Action::ContentRead, &name("team/app")));
}
