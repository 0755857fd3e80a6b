//! Orlop, a self-hosted registry for OCI artifacts and container images.
//!
//! Read from the bottom: [`oci`] holds the protocol's values, [`metadata`] the rows, [`storage`]
//! the bytes; [`outbound`] is the way to other servers. [`auth`] tells who is asking and what they may do; [`registry`] does it; [`http`]
//! speaks to clients. Each uses only what stands before it. [`cli`] puts them together, as the
//! [`settings`] say.

#![forbid(unsafe_code)]

pub mod auth;
pub mod cli;
pub mod http;
pub mod metadata;
pub mod oci;
pub mod outbound;
pub mod registry;
pub mod settings;
pub mod storage;
pub mod telemetry;
pub mod transfer;
