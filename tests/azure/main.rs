//! The registry through Azure's own clients, unmodified: the az command line and the Python SDK.

#[allow(dead_code, unused_imports, reason = "each test binary uses its own part of the harness")]
#[path = "../support/mod.rs"]
mod support;

mod attributes;
mod az;
mod deletion;
mod manifests;
mod repositories;
mod sdk;
