//! Sign-in of people with a browser: the authorization code flow of OpenID Connect with PKCE
//! (RFC 7636), and the sessions that come of it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::federation::trusted_url;
use super::secret::{self, SecretKind};
use super::sign_in::SignIn;
use super::{Auth, AuthError, Caller};
use crate::metadata::authorization_requests::{self, AuthorizationRequest};
use crate::metadata::refresh_tokens::{self, RefreshTokenKind};
use crate::metadata::{now, trusted_issuers};

/// Microseconds that somebody may take to sign in at the issuer.
const TIME_TO_SIGN_IN: i64 = 10 * 60 * 1_000_000;

/// Where a browser goes to sign in.
pub struct Departure {
    pub location: String,
    /// To be kept in a cookie: only the browser that left may come back.
    pub state: String,
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
        let request = AuthorizationRequest {
            state: secret::nonce(),
            issuer_id: issuer.id,
            nonce: secret::nonce(),
            code_verifier: secret::nonce(),
            redirect_uri: redirect_uri.into(),
            return_to: return_to.into(),
            expires_at: now() + TIME_TO_SIGN_IN,
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
        let mut transaction = self.0.database.begin().await?;
        authorization_requests::insert(&mut transaction, &request).await?;
        transaction.commit().await?;
        Ok(Departure { location: location.into(), state: request.state })
    }

    /// Exchanges the code that a browser brings back, and signs it in.
    ///
    /// # Errors
    /// [`AuthError::SignInLost`] if no browser left with this state, or [`AuthError`] as for any
    /// ID token.
    pub async fn finish_browser_sign_in(
        &self,
        state: &str,
        code: &str,
    ) -> Result<Arrival, AuthError> {
        let mut transaction = self.0.database.begin().await?;
        let request = authorization_requests::take(&mut transaction, state).await?;
        transaction.commit().await?;
        let request = request.ok_or(AuthError::SignInLost)?;
        let mut connection = self.0.database.read().await?;
        let issuer = trusted_issuers::by_id(&mut connection, request.issuer_id).await?;
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
        let answer: TokenAnswer =
            self.0.providers.post_form(endpoint, &form).await.map_err(away)?;
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
fn is_local_path(path: &str) -> bool {
    path.starts_with('/')
        && !path.starts_with("//")
        && path.len() <= 2048
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
