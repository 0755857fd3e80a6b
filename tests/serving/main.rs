//! The process around the registry: settings, limits against bad clients, TLS, logs, metrics, and how
//! it ends.

#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "each test binary uses its part of the harness")]
mod support;

mod command_line;
mod least_privilege;
mod limits;
mod observation;
mod served;
mod stopping;
mod tls;
