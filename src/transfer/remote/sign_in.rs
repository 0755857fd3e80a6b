//! Tokens and passwords for another registry (distribution, "Token Authentication Specification" and
//! "OAuth2 Token Authentication").

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use reqwest::Url;
use serde::Deserialize;

use super::challenge::Challenge;
use super::{Credentials, RemoteRegistry};
use crate::transfer::TransferError;

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
}

impl RemoteRegistry {
    /// What to send for a scope, as far as it is known.
    pub(super) fn authorization(&self, scope: &str) -> Option<HeaderValue> {
        self.0.authorizations.lock().expect("nobody panics with it").get(scope).cloned()
    }

    /// Gets what the challenge asks for, and keeps it for requests of this scope.
    pub(super) async fn sign_in(
        &self,
        challenge: &Challenge,
        scope: &str,
    ) -> Result<(), TransferError> {
        let value = match challenge {
            Challenge::Basic => {
                let failed = |message: &str| TransferError::SignIn {
                    url: self.0.origin.to_string(),
                    message: message.to_owned(),
                };
                let Some(Credentials::Password { name, password }) = &self.0.credentials else {
                    return Err(failed("give a user and a password"));
                };
                format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
            }
            Challenge::Bearer { realm, service, scope: asked } => {
                let scope = asked.as_deref().unwrap_or(scope);
                format!("Bearer {}", self.token(realm, service.as_deref(), scope).await?)
            }
        };
        let url = self.0.origin.to_string();
        let mut value = HeaderValue::try_from(value)
            .map_err(|_| TransferError::SignIn { url, message: "the token is no text".into() })?;
        value.set_sensitive(true);
        let mut known = self.0.authorizations.lock().expect("nobody panics with it");
        known.insert(scope.to_owned(), value);
        Ok(())
    }

    async fn token(
        &self,
        realm: &str,
        service: Option<&str>,
        scope: &str,
    ) -> Result<String, TransferError> {
        let failed = |message: String| TransferError::SignIn { url: realm.to_owned(), message };
        let url = Url::parse(realm).map_err(|error| failed(error.to_string()))?;
        if self.0.origin.scheme() == "https" && url.scheme() != "https" {
            return Err(failed("the password would be sent without encryption".into()));
        }
        let mut fields = vec![("scope", scope)];
        fields.extend(service.map(|service| ("service", service)));
        let request = match &self.0.credentials {
            Some(Credentials::RefreshToken(token)) => {
                fields.extend([("grant_type", "refresh_token"), ("refresh_token", token)]);
                fields.push(("client_id", "orlop"));
                self.0.client.post(url).form(&fields)
            }
            Some(Credentials::Password { name, password }) => {
                self.0.client.get(url).query(&fields).basic_auth(name, Some(password))
            }
            None => self.0.client.get(url).query(&fields),
        };
        let answer = request.send().await?;
        let status = answer.status();
        if !status.is_success() {
            return Err(failed(format!("status {}", status.as_u16())));
        }
        let answer: Answer = answer.json().await?;
        answer.access_token.or(answer.token).ok_or_else(|| failed("no token came".into()))
    }
}
