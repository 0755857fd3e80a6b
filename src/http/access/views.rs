//! Rows as the API shows them.

use chrono::{DateTime, SecondsFormat};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Error;
use crate::auth::administration::NewSecret;
use crate::auth::{Action, ActionSet};
use crate::metadata::credentials::Credential;
use crate::metadata::identities::Identity;
use crate::oci::RepositoryPattern;

/// A time in RFC 3339.
pub fn time(micros: i64) -> String {
    let time = DateTime::from_timestamp_micros(micros).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IdentityView {
    /// Of a service principal its id, a UUID.
    pub name: String,
    pub display_name: String,
    pub enabled: bool,
    pub created_time: String,
    pub last_update_time: String,
}

impl From<Identity> for IdentityView {
    fn from(identity: Identity) -> Self {
        Self {
            name: identity.name,
            display_name: identity.display_name,
            enabled: identity.enabled,
            created_time: time(identity.created_at),
            last_update_time: time(identity.updated_at),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CredentialView {
    pub id: String,
    pub label: String,
    pub created_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiry_time: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleView>,
}

impl From<Credential> for CredentialView {
    fn from(credential: Credential) -> Self {
        let rules = credential.restriction.unwrap_or_default();
        Self {
            id: credential.uid,
            label: credential.label,
            created_time: time(credential.created_at),
            expiry_time: credential.expires_at.map(time),
            rules: rules.lines().map(RuleView::read).collect(),
        }
    }
}

/// A new credential with the text that is shown this once.
#[derive(Serialize, ToSchema)]
pub struct SecretView {
    pub secret: String,
    #[serde(flatten)]
    pub credential: CredentialView,
}

impl From<NewSecret> for SecretView {
    fn from(new: NewSecret) -> Self {
        Self { secret: new.text, credential: new.credential.into() }
    }
}

/// What is allowed on the repositories of a pattern.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleView {
    /// `*`, a prefix such as `team/*`, or one name.
    pub repositories: String,
    /// Such as `content/read`.
    pub actions: Vec<String>,
}

impl RuleView {
    pub fn new(pattern: &str, actions: &str) -> Self {
        Self { repositories: pattern.into(), actions: actions.split(',').map(Into::into).collect() }
    }

    fn read(line: &str) -> Self {
        let (pattern, actions) = line.split_once(' ').unwrap_or((line, ""));
        Self::new(pattern, actions)
    }

    /// The rules that a body gives.
    pub fn parse_all(rules: &[Self]) -> Result<Vec<(RepositoryPattern, ActionSet)>, Error> {
        rules.iter().map(Self::parse).collect()
    }

    fn parse(&self) -> Result<(RepositoryPattern, ActionSet), Error> {
        let invalid = |message: String| Error::bad_request("REQUEST_INVALID", message);
        let pattern =
            RepositoryPattern::parse(&self.repositories).map_err(|e| invalid(e.to_string()))?;
        let actions = self.actions.iter().map(|name| Action::parse(name));
        let actions: ActionSet =
            actions.collect::<Result<_, _>>().map_err(|e| invalid(e.to_string()))?;
        Ok((pattern, actions))
    }
}
