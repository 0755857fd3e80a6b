//! Orlop, a self-hosted registry for OCI artifacts and container images.
//!
//! Read from the bottom: [`oci`] holds the protocol's values and [`metadata`] the rows.

#![forbid(unsafe_code)]

pub mod auth;
pub mod http;
pub mod metadata;
pub mod oci;
pub mod settings;
