use http::{HeaderValue, header};
use serde_json::{Value, json};

use super::{Error, Origin};
use crate::auth::{Action, RegistryAction};
use crate::oci::RepositoryName;

/// A scope as a client is to ask for it (distribution, "Token Scope Documentation").
pub fn repository_scope(repository: &RepositoryName, action: Action) -> String {
    // Who pushes reads too: clients look which blobs are there already.
    let words = match action {
        Action::ContentWrite => "pull,push",
        other => other.scope_word(),
    };
    format!("repository:{repository}:{words}")
}

pub fn registry_scope(action: RegistryAction) -> Option<&'static str> {
    match action {
        RegistryAction::CatalogRead => Some("registry:catalog:*"),
        RegistryAction::Admin => None,
    }
}

/// Tells a client where to get a token, and for what. Some clients split this at its commas, so
/// none is followed by a blank.
fn challenge(origin: &Origin, scope: Option<&str>, error: Option<&str>) -> HeaderValue {
    let Origin { url, host } = origin;
    let mut text = format!(r#"Bearer realm="{url}/oauth2/token",service="{host}""#);
    for (name, value) in [("scope", scope), ("error", error)] {
        if let Some(value) = value {
            text.push_str(&format!(r#",{name}="{value}""#));
        }
    }
    HeaderValue::try_from(text).expect("hosts, scopes and error names are visible ASCII")
}

impl Error {
    /// Credentials are missing.
    pub fn sign_in_first(origin: &Origin, scope: Option<&str>) -> Self {
        let message = "sign in first: this needs credentials";
        Self::new(http::StatusCode::UNAUTHORIZED, "UNAUTHORIZED", message)
            .with_header(header::WWW_AUTHENTICATE, challenge(origin, scope, None))
    }

    /// The token does not cover this, but a wider one would.
    pub fn insufficient_scope(origin: &Origin, scope: &str) -> Self {
        let message = format!("the token does not cover this: ask for one with scope {scope}");
        let challenge = challenge(origin, Some(scope), Some("insufficient_scope"));
        Self::new(http::StatusCode::UNAUTHORIZED, "UNAUTHORIZED", message)
            .with_header(header::WWW_AUTHENTICATE, challenge)
    }

    /// Azure's registry answers so whatever right is missing: its clients then ask for a token of
    /// the scope.
    pub fn acr_unauthorized(origin: &Origin, scope: Option<&str>, error: Option<&str>) -> Self {
        let message = "authentication required, visit https://aka.ms/acr/authorization for more \
                       information.";
        Self::new(http::StatusCode::UNAUTHORIZED, "UNAUTHORIZED", message)
            .with_detail(scope.map(entries).unwrap_or_default())
            .with_header(header::WWW_AUTHENTICATE, challenge(origin, scope, error))
    }

    /// Adds the challenge that every 401 must have.
    #[must_use]
    pub fn challenged(self, origin: &Origin, scope: Option<&str>) -> Self {
        if self.status() != http::StatusCode::UNAUTHORIZED {
            return self;
        }
        let challenge = challenge(origin, scope, Some("invalid_token"));
        self.with_header(header::WWW_AUTHENTICATE, challenge)
    }
}

/// A scope such as `repository:NAME:pull,push` as a list of single actions.
fn entries(scope: &str) -> Value {
    let mut parts = scope.rsplitn(2, ':');
    let actions = parts.next().unwrap_or_default();
    let (kind, name) = parts.next().and_then(|rest| rest.split_once(':')).unwrap_or_default();
    let entry = |action| json!({ "Type": kind, "Name": name, "Action": action });
    actions.split(',').map(entry).collect()
}
