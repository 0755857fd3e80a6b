//! What the registry is told: defaults, over them one TOML file, over it the environment, over it
//! the command line.
//!
//! The types here are the description of every setting; [`Settings::load`] reads them from their
//! sources and refuses what it does not understand. `config/orlop.toml` shows every setting with
//! its default.

mod auth;
mod error;
mod fields;
mod gc;
mod known;
mod log;
mod metadata;
mod policy;
mod registry;
mod scrub;
mod server;
mod sources;
mod storage;

use serde::{Deserialize, Serialize};

pub use auth::AuthSettings;
pub use error::SettingsError;
pub use gc::GcSettings;
pub use log::{LogFormat, LogSettings};
pub use metadata::{DatabaseUrl, MetadataSettings};
pub use policy::PolicySettings;
pub use registry::RegistrySettings;
pub use scrub::ScrubSettings;
pub use server::ServerSettings;
pub use sources::{Flag, Sources};
pub use storage::StorageSettings;

/// Every setting, with its default where no source says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub policy: Vec<PolicySettings>,
    pub server: ServerSettings,
    pub log: LogSettings,
    pub metadata: MetadataSettings,
    pub storage: StorageSettings,
    pub registry: RegistrySettings,
    pub gc: GcSettings,
    pub auth: AuthSettings,
    pub scrub: ScrubSettings,
}

impl Settings {
    /// The settings as a file says them; secrets are hidden.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("settings are tables of text, numbers, truths and lists")
    }

    /// What no single setting shows to be wrong.
    fn check(&self) -> Result<(), SettingsError> {
        match (&self.server.tls_cert, &self.server.tls_key) {
            (Some(_), None) => {
                Err(SettingsError::Alone { given: "server.tls_cert", missing: "server.tls_key" })
            }
            (None, Some(_)) => {
                Err(SettingsError::Alone { given: "server.tls_key", missing: "server.tls_cert" })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULTS: &str = include_str!("../../config/orlop.toml");

    #[test]
    fn the_commented_file_says_the_defaults() {
        let settings: Settings = toml::from_str(DEFAULTS).unwrap();
        assert_eq!(settings, Settings::default());
    }

    #[test]
    fn the_commented_file_mentions_every_setting() {
        let mut section = String::new();
        let mut mentioned = Vec::new();
        for line in DEFAULTS.lines() {
            let line = line.trim_start_matches(['#', ' ']);
            if let Some(list) = line.strip_prefix("[[") {
                mentioned.push(list.trim_end_matches(']').to_owned());
            } else if let Some(name) = line.strip_prefix('[') {
                section = name.trim_end_matches(']').to_owned();
            }
            if let Some((key, _)) = line.split_once(" = ") {
                mentioned.push(format!("{section}.{key}"));
            }
        }
        for key in known::keys() {
            assert!(mentioned.contains(&key), "{key} is missing in config/orlop.toml");
        }
    }

    #[test]
    fn optional_settings_in_the_commented_file_are_valid_examples() {
        let uncommented: String = DEFAULTS
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(example) if example.contains(" = ") || example.starts_with("[[") => {
                    format!("{example}\n")
                }
                _ => format!("{line}\n"),
            })
            .collect();
        let settings: Settings = toml::from_str(&uncommented).unwrap();
        settings.check().unwrap();
        assert!(settings.server.tls_cert.is_some());
        assert!(settings.policy.iter().any(|policy| policy.immutable));
    }

    #[test]
    fn settings_survive_being_shown() {
        let shown = Settings::default().to_toml();
        assert_eq!(toml::from_str::<Settings>(&shown).unwrap(), Settings::default());
    }
}
