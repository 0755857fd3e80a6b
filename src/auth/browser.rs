//! Sign-in of people with a browser: the authorization code flow of OpenID Connect with PKCE
//! (RFC 7636), and the sessions that come of it.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::federation::{ProviderError, trusted_url};
use super::secret::{self, SecretKind};
use super::sign_in::SignIn;
use super::token::{self, CLOCK_SKEW};
use super::{Auth, AuthError, Caller, KEYS_KEPT_FOR, Password};
use crate::metadata::refresh_tokens::{self, RefreshTokenKind};
use crate::metadata::{now, trusted_issuers};

/// Seconds that somebody may take to sign in at the issuer.
pub const TIME_TO_SIGN_IN: u32 = 600;
/// What no access token is for.
const AUDIENCE: &str = "orlop browser sign-in";

/// Where a browser goes to sign in.
pub struct Departure {
    pub location: String,
    /// To be kept in a cookie: only the browser that left may come back.
    pub pending: String,
}

/// A browser that was sent to an issuer. It carries this itself, signed, so that strangers who
/// begin to sign in leave nothing behind here.
#[derive(Serialize, Deserialize)]
struct Pending {
    iss: String,
    aud: String,
    sub: String,
    exp: i64,
    nbf: i64,
    state: String,
    nonce: String,
    code_verifier: String,
    redirect_uri: String,
    return_to: String,
}

/// A browser that came back.
pub struct Arrival {
    /// The text of its session.
    pub session: String,
    /// The path that it wanted to see.
    pub return_to: String,
    /// Seconds that the session lives.
    pub seconds: u32,
}

#[derive(Deserialize)]
struct TokenAnswer {
    id_token: String,
}

impl Auth {
    /// Sends a browser to an issuer, which sends it back to `redirect_uri`.
    ///
    /// # Errors
    /// [`AuthError::NoBrowserSignIn`], or [`AuthError::IssuerAway`].
    pub async fn begin_browser_sign_in(
        &self,
        issuer: &str,
        redirect_uri: &str,
        return_to: &str,
    ) -> Result<Departure, AuthError> {
        let mut connection = self.0.database.read().await?;
        let found = trusted_issuers::by_name(&mut connection, issuer).await?;
        drop(connection);
        let (Some(issuer), true) = (found, is_local_path(return_to)) else {
            return Err(AuthError::NoBrowserSignIn);
        };
        let client_id = issuer.client_id.as_deref().ok_or(AuthError::NoBrowserSignIn)?;
        let away = |cause| AuthError::IssuerAway { name: issuer.name.clone(), cause };
        let document = self.0.providers.document(&issuer.url).await.map_err(away)?;
        let endpoint =
            document.authorization_endpoint.as_deref().ok_or(AuthError::NoBrowserSignIn)?;
        let now = now() / 1_000_000;
        let request = Pending {
            iss: token::ISSUER.into(),
            aud: AUDIENCE.into(),
            sub: issuer.name.clone(),
            exp: now + i64::from(TIME_TO_SIGN_IN),
            nbf: now - CLOCK_SKEW,
            state: secret::nonce(),
            nonce: secret::nonce(),
            code_verifier: secret::nonce(),
            redirect_uri: redirect_uri.into(),
            return_to: return_to.into(),
        };
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&request.code_verifier));
        let mut location = trusted_url(endpoint).map_err(away)?;
        location.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("scope", "openid"),
            ("client_id", client_id),
            ("redirect_uri", redirect_uri),
            ("state", &request.state),
            ("nonce", &request.nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        let pending = token::sign(&request, &*self.keys(KEYS_KEPT_FOR).await?)?;
        Ok(Departure { location: location.into(), pending })
    }

    /// Exchanges the code that a browser brings back, and signs it in.
    ///
    /// # Errors
    /// [`AuthError::SignInLost`] if this browser did not leave with this state, or [`AuthError`] as
    /// for any ID token.
    pub async fn finish_browser_sign_in(
        &self,
        pending: &str,
        state: &str,
        code: &str,
    ) -> Result<Arrival, AuthError> {
        let lost = |_| AuthError::SignInLost;
        let kid = token::kid(pending).map_err(lost)?;
        let keys = self.keys_with(&kid).await?;
        let request: Pending = token::verify(pending, &kid, &keys, AUDIENCE).map_err(lost)?;
        // Somebody else's link must not sign this browser in as somebody else.
        if request.state != state {
            return Err(AuthError::SignInLost);
        }
        let mut connection = self.0.database.read().await?;
        let issuer = trusted_issuers::by_name(&mut connection, &request.sub).await?;
        drop(connection);
        let issuer = issuer.ok_or(AuthError::SignInLost)?;
        let client_id = issuer.client_id.as_deref().ok_or(AuthError::SignInLost)?;
        let away = |cause| AuthError::IssuerAway { name: issuer.name.clone(), cause };
        let document = self.0.providers.document(&issuer.url).await.map_err(away)?;
        let endpoint = document.token_endpoint.as_deref().ok_or(AuthError::SignInLost)?;
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &request.redirect_uri),
            ("code_verifier", &request.code_verifier),
            ("client_id", client_id),
        ];
        if let Some(secret) = &issuer.client_secret {
            form.push(("client_secret", secret));
        }
        let answer = self.0.providers.post_form(endpoint, &form).await;
        let answer: TokenAnswer = answer.map_err(|cause| match cause {
            ProviderError::Status(400..=499) => {
                tracing::warn!(issuer = issuer.name, %cause, "the issuer did not take the code");
                AuthError::SignInLost
            }
            cause => away(cause),
        })?;
        let claims = self.verify_id_token(&answer.id_token, &issuer, client_id).await?;
        if claims["nonce"].as_str() != Some(&request.nonce) {
            return Err(AuthError::InvalidToken("the ID token was made for another sign-in"));
        }
        let seconds = self.0.session_seconds;
        let sign_in = self.sign_in_with_claims(&answer.id_token, &issuer, &claims, seconds).await?;
        let kind = RefreshTokenKind::Session;
        let session = self.keep_signed_in(&sign_in, kind, SecretKind::Session, seconds).await?;
        Ok(Arrival { session, return_to: request.return_to, seconds })
    }

    /// Signs a browser in by the password that somebody typed. Tokens are refused: a session may do
    /// more than they.
    ///
    /// # Errors
    /// [`AuthError::WrongCredentials`], or [`AuthError::TooManyAttempts`].
    pub async fn sign_in_browser(
        &self,
        given: &Password,
        remote: IpAddr,
    ) -> Result<Arrival, AuthError> {
        if SecretKind::of(&given.password).is_some() {
            return Err(AuthError::WrongCredentials);
        }
        let sign_in = self.sign_in_with_password(given, remote).await?;
        let (kind, seconds) = (RefreshTokenKind::Session, self.0.session_seconds);
        let session = self.keep_signed_in(&sign_in, kind, SecretKind::Session, seconds).await?;
        Ok(Arrival { session, return_to: "/".into(), seconds })
    }

    /// The names of the issuers that sign people in with a browser.
    ///
    /// # Errors
    /// [`AuthError::Metadata`] if the database fails.
    pub async fn browser_issuers(&self) -> Result<Vec<String>, AuthError> {
        let mut connection = self.0.database.read().await?;
        let issuers = trusted_issuers::list(&mut connection).await?;
        let for_people = issuers.into_iter().filter(|issuer| issuer.client_id.is_some());
        Ok(for_people.map(|issuer| issuer.name).collect())
    }

    /// Who a session stands for, with the rights of this moment.
    ///
    /// # Errors
    /// [`AuthError::WrongCredentials`] if it is over.
    pub async fn caller_of_session(&self, session: &str) -> Result<Caller, AuthError> {
        let sign_in = self.sign_in_again(session, RefreshTokenKind::Session).await?;
        Ok(Caller::with_credential(SignIn { in_person: true, ..sign_in }))
    }

    /// # Errors
    /// [`AuthError::Metadata`] if the database fails.
    pub async fn end_session(&self, session: &str) -> Result<(), AuthError> {
        let mut transaction = self.0.database.begin().await?;
        refresh_tokens::delete(&mut transaction, &secret::hash(session)).await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// Whether a path leads nowhere but to this registry.
pub fn is_local_path(path: &str) -> bool {
    path.starts_with('/')
        && !path.starts_with("//")
        && path.len() <= 1024
        && path.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_returns_to_this_registry_only() {
        for path in ["/", "/repositories?x=1#y"] {
            assert!(is_local_path(path), "{path}");
        }
        for path in ["", "x", "//evil.test", "/\\evil.test", "https://evil.test", "/a\r\nb", "/ä"]
        {
            assert!(!is_local_path(path), "{path}");
        }
    }
}
