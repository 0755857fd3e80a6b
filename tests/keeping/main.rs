//! What keeps content safe over time: looks for damage (`orlop scrub`), backups and what is restored
//! from them, on each database and store.

#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "each test binary uses its part of the harness")]
mod support;

mod backups;
mod content;
mod manifests;
mod place;
mod scrubs;
