//! What the settings file may say.

mod auth;
mod registry;
mod server;

pub use auth::AuthSettings;
pub use registry::RegistrySettings;
use serde::Deserialize;
pub use server::ServerSettings;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub server: ServerSettings,
    pub registry: RegistrySettings,
    pub auth: AuthSettings,
}
