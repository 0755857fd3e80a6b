//! The registry through the clients that people use. Each test asserts values that were read back.

#[allow(dead_code, unused_imports, reason = "each test binary uses its own part of the harness")]
#[path = "../support/mod.rs"]
mod support;

mod buildah;
mod cosign;
mod crane;
mod credentials;
mod docker;
mod helm;
mod image;
mod notation;
mod oras;
mod regctl;
mod skopeo;
