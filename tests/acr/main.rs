//! Azure's data plane by plain HTTP: shapes and pages, locks on both APIs, and what comes back after
//! it was deleted.

#[allow(dead_code, unused_imports, reason = "each test binary uses its own part of the harness")]
#[path = "../support/mod.rs"]
mod support;

mod deletion;
mod lists;
mod locks;
mod purge;
mod races;
mod refusals;
