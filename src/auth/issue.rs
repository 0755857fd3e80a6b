use std::net::IpAddr;

use super::secret::{self, SecretKind};
use super::sign_in::{Basis, SignIn};
use super::token::{self, Claims};
use super::{Access, Auth, AuthError, KEYS_KEPT_FOR, Password, Rights, Scope, Subject};
use crate::metadata::refresh_tokens::{self, RefreshToken, RefreshTokenKind};
use crate::metadata::{now, retry};

/// What somebody asks a token with. It never shows in logs.
pub enum Credentials {
    Anonymous,
    Password(Password),
    RefreshToken(String),
    /// Of a trusted issuer, or of this registry: see [`Auth::sign_in_with_token`].
    Token(String),
}

/// What a token is asked for.
#[derive(Debug)]
pub struct TokenRequest {
    /// The audience of the token.
    pub service: String,
    pub scopes: Vec<Scope>,
    /// Whether a refresh token is wanted too.
    pub offline: bool,
}

/// A new access token. It never shows in logs.
pub struct IssuedToken {
    pub access_token: String,
    /// Seconds from `issued_at`.
    pub expires_in: u32,
    /// Microseconds since 1970.
    pub issued_at: i64,
    pub refresh_token: Option<String>,
}

impl Auth {
    /// Issues an access token for the part of the scopes that the identity may have at this moment,
    /// which may be none.
    ///
    /// # Errors
    /// [`AuthError::WrongCredentials`], or [`AuthError::AnonymousNotAllowed`] if there are none and
    /// nothing is open to everybody.
    pub async fn issue(
        &self,
        credentials: &Credentials,
        remote: IpAddr,
        request: &TokenRequest,
    ) -> Result<IssuedToken, AuthError> {
        let sign_in = match credentials {
            Credentials::Anonymous if self.0.anonymous == Rights::default() => {
                return Err(AuthError::AnonymousNotAllowed);
            }
            Credentials::Anonymous => {
                return self.issue_to(Subject::anonymous(), &self.0.anonymous, request).await;
            }
            Credentials::Password(password) => self.sign_in(password, remote).await?,
            Credentials::RefreshToken(token) => self.refresh(token).await?,
            Credentials::Token(token) => self.sign_in_with_token(token).await?,
        };
        let mut issued = self.issue_to(sign_in.subject(), &sign_in.rights, request).await?;
        if request.offline {
            issued.refresh_token = Some(match credentials {
                Credentials::RefreshToken(token) => token.clone(),
                _ => self.issue_refresh_token(&sign_in).await?,
            });
        }
        Ok(issued)
    }

    /// Issues a refresh token for credentials, as clients that sign in once ask for.
    ///
    /// # Errors
    /// As for [`Auth::issue`]; there are none for everybody.
    pub async fn exchange(
        &self,
        credentials: &Credentials,
        remote: IpAddr,
    ) -> Result<String, AuthError> {
        match credentials {
            Credentials::Anonymous => Err(AuthError::AnonymousNotAllowed),
            Credentials::Password(password) => {
                self.issue_refresh_token(&self.sign_in(password, remote).await?).await
            }
            Credentials::Token(token) => {
                self.issue_refresh_token(&self.sign_in_with_token(token).await?).await
            }
            // The same one: exchanging must not make it live longer than its time.
            Credentials::RefreshToken(token) => {
                self.refresh(token).await?;
                Ok(token.clone())
            }
        }
    }

    async fn issue_to(
        &self,
        subject: Subject,
        rights: &Rights,
        request: &TokenRequest,
    ) -> Result<IssuedToken, AuthError> {
        let access = Access::granted(&request.scopes, rights);
        let expires_in = self.0.access_token_seconds;
        let claims = Claims::new(subject, &request.service, access, expires_in);
        Ok(IssuedToken {
            access_token: token::sign(&claims, &*self.keys(KEYS_KEPT_FOR).await?)?,
            expires_in,
            issued_at: claims.iat * 1_000_000,
            refresh_token: None,
        })
    }

    async fn issue_refresh_token(&self, sign_in: &SignIn) -> Result<String, AuthError> {
        let seconds = self.0.refresh_token_seconds;
        let (kind, secret_kind) = (RefreshTokenKind::Refresh, SecretKind::RefreshToken);
        self.keep_signed_in(sign_in, kind, secret_kind, seconds).await
    }

    /// Makes a text that stands for the sign-in for `seconds`, or until what it rests on ends.
    pub(super) async fn keep_signed_in(
        &self,
        sign_in: &SignIn,
        kind: RefreshTokenKind,
        secret_kind: SecretKind,
        seconds: u32,
    ) -> Result<String, AuthError> {
        let text = secret::generate(secret_kind);
        let expires_at = now() + i64::from(seconds) * 1_000_000;
        let (credential_id, sign_in_id) = match &sign_in.basis {
            Basis::Credential(credential) => (Some(credential.id), None),
            Basis::Federated(federated) => (None, Some(federated.id)),
        };
        let token = RefreshToken {
            identity_id: sign_in.identity.id,
            credential_id,
            sign_in_id,
            // Never later than what it is issued on, which may be a refresh token itself.
            expires_at: sign_in.expires_at.map_or(expires_at, |end| end.min(expires_at)),
        };
        retry(async || {
            let mut transaction = self.0.database.begin().await?;
            refresh_tokens::insert(&mut transaction, &secret::hash(&text), kind, &token).await?;
            transaction.commit().await?;
            Ok::<_, AuthError>(())
        })
        .await?;
        Ok(text)
    }
}
