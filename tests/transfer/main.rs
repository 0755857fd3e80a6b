//! Content that is carried: imports from other registries and from their storage, OCI image layouts
//! in and out.

#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "each test binary uses its part of the harness")]
mod support;

mod content;
mod distribution;
mod layout;
mod migration;
mod registry;
