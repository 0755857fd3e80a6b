//! Who is asking, and what they may do.
//!
//! A request shows a password, a secret or an access token; [`Auth::authenticate`] makes a
//! [`Caller`] of it, which answers what it may do. Rights come from roles on patterns of
//! repositories ([`Rights`]); an access token covers the part of them that was asked for when it was
//! issued ([`Auth::issue`]).
//!
//! Nothing here knows of HTTP beyond the value of `Authorization`, or of content.

mod action;
pub mod administration;
mod attempts;
mod basic;
mod bootstrap;
mod browser;
mod caller;
mod error;
pub mod federation;
mod issue;
mod keys;
mod passwords;
mod recent;
mod rights;
mod role;
mod scope;
mod secret;
mod sign_in;
mod token;

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use http::HeaderValue;
use sha2::{Digest as _, Sha256};

pub use action::{Action, ActionError, ActionSet, RegistryAction};
pub use basic::Password;
pub use bootstrap::FirstAdmin;
pub use browser::{Arrival, Departure, TIME_TO_SIGN_IN, is_local_path};
pub use caller::{ANONYMOUS, Caller, Subject};
pub use error::AuthError;
pub use issue::{Credentials, IssuedToken, TokenRequest};
pub use keys::PublicKey;
pub use rights::Rights;
pub use role::{Role, RoleError};
pub use scope::{Access, Scope};

use crate::metadata::{Database, now};
use crate::oci::{RepositoryName, RepositoryPattern};
use crate::outbound::Reach;
use crate::settings::AuthSettings;
use attempts::Attempts;
use federation::Providers;
use keys::Keys;
use passwords::Passwords;
use recent::Recent;
use token::Claims;

/// Access tokens whose signature need not be checked again, at most.
const MAX_VERIFIED: usize = 8192;
/// After this another replica's new signing key is known, and an old one no longer signs here.
const KEYS_KEPT_FOR: Duration = Duration::from_secs(60);
/// Tokens that name an unknown key ask the database no more often than so.
const KEYS_ASKED_FOR_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Access control of a registry. Cheap to clone.
#[derive(Clone)]
pub struct Auth(Arc<Inner>);

struct Inner {
    database: Database,
    passwords: Passwords,
    attempts: Attempts,
    providers: Providers,
    keys: RwLock<Arc<Keys>>,
    /// Access tokens that were good, by their SHA-256, until they expire.
    verified: Recent<[u8; 32], Verified>,
    anonymous: Rights,
    access_token_seconds: u32,
    refresh_token_seconds: u32,
    federated_sign_in_seconds: u32,
    session_seconds: u32,
    strict_revocation: bool,
}

#[derive(Clone)]
struct Verified {
    kid: String,
    caller: Caller,
    service: Arc<str>,
}

impl Auth {
    /// Reads the keys, and makes the first one at the first start.
    ///
    /// # Errors
    /// [`AuthError`] if the database fails, a key is damaged or a setting is not valid.
    pub async fn open(database: Database, settings: &AuthSettings) -> Result<Self, AuthError> {
        let mut anonymous = Rights::default();
        for pattern in &settings.anonymous_pull {
            anonymous.add_role(Role::AcrPull, RepositoryPattern::parse(pattern)?);
        }
        let keys = Keys::load(&database).await?;
        Ok(Self(Arc::new(Inner {
            database,
            passwords: Passwords::new(),
            attempts: Attempts::new(),
            providers: Providers::new(Reach::new(&settings.private_issuers))
                .map_err(AuthError::Client)?,
            keys: RwLock::new(Arc::new(keys)),
            verified: Recent::new(MAX_VERIFIED / 2),
            anonymous,
            access_token_seconds: settings.access_token_seconds,
            refresh_token_seconds: settings.refresh_token_seconds,
            federated_sign_in_seconds: settings.federated_sign_in_seconds,
            session_seconds: settings.session_seconds,
            strict_revocation: settings.strict_revocation,
        })))
    }

    /// Who is asking, by the value of `Authorization` of any request. `service` is the name under
    /// which the registry is asked; tokens for another one are refused.
    ///
    /// # Errors
    /// [`AuthError`] if there are credentials and they are not good. Only a request without any is
    /// anonymous.
    pub async fn authenticate(
        &self,
        authorization: Option<&HeaderValue>,
        remote: IpAddr,
        service: &str,
    ) -> Result<Caller, AuthError> {
        let Some(value) = authorization else { return Ok(self.anonymous()) };
        let value = value.to_str().map_err(|_| AuthError::Malformed("is not text"))?;
        let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
        if scheme.eq_ignore_ascii_case("bearer") {
            self.verify(rest.trim(), service).await
        } else if scheme.eq_ignore_ascii_case("basic") {
            let password = Password::from_basic(rest.trim())?;
            let sign_in = self.sign_in(&password, remote).await?;
            Ok(Caller::with_credential(sign_in))
        } else {
            Err(AuthError::Malformed("is of another scheme"))
        }
    }

    /// What the identity behind the caller may do by its roles, whatever its token covers.
    ///
    /// # Errors
    /// [`AuthError::Metadata`] if the database fails.
    pub async fn rights_of(&self, caller: &Caller) -> Result<Rights, AuthError> {
        self.current_rights(caller.subject()).await
    }

    /// Whether the identity behind the caller has the right by its roles, whatever its token
    /// covers: then a wider token helps.
    ///
    /// # Errors
    /// [`AuthError::Metadata`] if the database fails.
    pub async fn could(
        &self,
        caller: &Caller,
        action: Action,
        repository: &RepositoryName,
    ) -> Result<bool, AuthError> {
        Ok(self.current_rights(caller.subject()).await?.may(action, repository))
    }

    /// As [`Auth::could`], for a right on the registry.
    ///
    /// # Errors
    /// [`AuthError::Metadata`] if the database fails.
    pub async fn could_in_registry(
        &self,
        caller: &Caller,
        action: RegistryAction,
    ) -> Result<bool, AuthError> {
        Ok(self.current_rights(caller.subject()).await?.may_in_registry(action))
    }

    /// The public keys that verify access tokens.
    ///
    /// # Errors
    /// [`AuthError::Metadata`] if the database fails.
    pub async fn public_keys(&self) -> Result<Vec<PublicKey>, AuthError> {
        Ok(self.keys(KEYS_KEPT_FOR).await?.public())
    }

    /// The signing keys as they were in the database not longer than `age` ago. Another replica
    /// may have made a new one.
    async fn keys(&self, age: Duration) -> Result<Arc<Keys>, AuthError> {
        let keys = Arc::clone(&self.0.keys.read().unwrap_or_else(PoisonError::into_inner));
        if keys.is_older_than(age) { self.load_keys().await } else { Ok(keys) }
    }

    /// The signing keys, looked up again if there is none of this name.
    async fn keys_with(&self, kid: &str) -> Result<Arc<Keys>, AuthError> {
        let keys = self.keys(KEYS_KEPT_FOR).await?;
        if keys.get(kid).is_some() {
            return Ok(keys);
        }
        self.keys(KEYS_ASKED_FOR_AGAIN_AFTER).await
    }

    async fn load_keys(&self) -> Result<Arc<Keys>, AuthError> {
        let keys = Arc::new(Keys::load(&self.0.database).await?);
        *self.0.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&keys);
        Ok(keys)
    }

    /// Whoever shows no credentials.
    pub fn anonymous(&self) -> Caller {
        Caller::anonymous(self.0.anonymous.clone())
    }

    /// The caller of an access token.
    async fn verify(&self, token: &str, service: &str) -> Result<Caller, AuthError> {
        let caller = self.verified(token, service).await?;
        let lists = caller.may_in_registry(RegistryAction::CatalogRead);
        if !lists && !self.0.strict_revocation {
            return Ok(caller);
        }
        let current = self.current_rights(caller.subject()).await?;
        Ok(caller.limited_to(current))
    }

    /// Checks signature and claims, or remembers having done so.
    async fn verified(&self, token: &str, service: &str) -> Result<Caller, AuthError> {
        let hash: [u8; 32] = Sha256::digest(token).into();
        let keys = self.keys(KEYS_KEPT_FOR).await?;
        let verified = self.0.verified.get(&hash);
        // Its key may have been taken back since, by another replica too.
        if let Some(verified) = verified.filter(|verified| keys.get(&verified.kid).is_some()) {
            if *verified.service != *service {
                return Err(AuthError::InvalidToken("it is for another service"));
            }
            return Ok(verified.caller);
        }
        let kid = token::kid(token)?;
        let claims: Claims = token::verify(token, &kid, &*self.keys_with(&kid).await?, service)?;
        let caller = Caller::with_token(claims.subject(), Access::rights(&claims.access));
        let verified = Verified { kid, caller: caller.clone(), service: service.into() };
        self.0.verified.insert(hash, verified, good_until(&claims));
        Ok(caller)
    }
}

fn good_until(claims: &Claims) -> Instant {
    let micros = claims.exp.saturating_mul(1_000_000).saturating_sub(now());
    Instant::now() + Duration::from_micros(micros.try_into().unwrap_or(0))
}
