use serde::Deserialize;

/// `[auth]`: who may come in without credentials, and how long tokens live.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthSettings {
    /// Patterns of repositories that everybody may pull from, such as `public/*`.
    pub anonymous_pull: Vec<String>,
    /// Seconds that an access token lives.
    pub access_token_seconds: u32,
    /// Seconds that a refresh token lives.
    pub refresh_token_seconds: u32,
    /// Whether each use of an access token looks the rights up again.
    pub strict_revocation: bool,
}

impl Default for AuthSettings {
    fn default() -> Self {
        Self {
            anonymous_pull: Vec::new(),
            access_token_seconds: 300,
            refresh_token_seconds: 30 * 24 * 3600,
            strict_revocation: false,
        }
    }
}
