//! What the settings file may say.

mod auth;

pub use auth::AuthSettings;
