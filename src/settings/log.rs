use serde::{Deserialize, Serialize};

use super::fields;

/// `[log]`: what is written to stderr.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSettings {
    #[serde(deserialize_with = "fields::log_format")]
    pub format: LogFormat,
    /// A level, or levels by part of the program as in `info,access=off`.
    #[serde(deserialize_with = "fields::log_level")]
    pub level: String,
}

/// How one line of the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".into() }
    }
}
