use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::fields;

/// `[auth]`: who may come in without credentials, and how long tokens live.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthSettings {
    /// Patterns of repositories that everybody may pull from, such as `public/*`.
    #[serde(deserialize_with = "fields::patterns")]
    pub anonymous_pull: Vec<String>,
    /// Seconds that an access token lives.
    #[serde(deserialize_with = "fields::between::<1, 86_400, _, _>")]
    pub access_token_seconds: u32,
    /// Seconds that a refresh token lives.
    #[serde(deserialize_with = "fields::between::<1, 315_360_000, _, _>")]
    pub refresh_token_seconds: u32,
    /// Seconds that what is issued on a foreign ID token lives at most.
    #[serde(deserialize_with = "fields::between::<1, 31_536_000, _, _>")]
    pub federated_sign_in_seconds: u32,
    /// Seconds that the session of a browser lives.
    #[serde(deserialize_with = "fields::between::<1, 31_536_000, _, _>")]
    pub session_seconds: u32,
    /// Networks of private addresses where issuers may be asked for their keys.
    #[serde(deserialize_with = "fields::networks")]
    pub private_issuers: Vec<IpNet>,
    /// Whether each use of an access token looks the rights up again.
    pub strict_revocation: bool,
}

impl Default for AuthSettings {
    fn default() -> Self {
        Self {
            anonymous_pull: Vec::new(),
            access_token_seconds: 300,
            refresh_token_seconds: 30 * 24 * 3600,
            federated_sign_in_seconds: 3600,
            session_seconds: 8 * 3600,
            private_issuers: Vec::new(),
            strict_revocation: false,
        }
    }
}
