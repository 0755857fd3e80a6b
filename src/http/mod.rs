//! HTTP: one file a resource. A handler extracts, calls the registry, and answers.

pub mod error;
pub mod oauth2;

pub use error::Error;
