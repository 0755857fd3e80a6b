//! Several servers on one PostgreSQL database and one store answer as one, and what both databases
//! have in common.

#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "each test binary uses its part of the harness")]
mod support;

mod carrying;
mod failures;
mod races;
mod schema;
mod together;

use support::{Options, Orlop};

/// Servers behind the same name, as a load balancer would have them.
async fn replicas(count: usize) -> Option<Vec<Orlop>> {
    let config = "[server]\npublic_url = \"http://registry.test\"\n\
                  [registry]\nupload_lease_seconds = 1\n";
    Orlop::replicas(count, Options { config: Some(config.into()), ..Options::default() }).await
}
