//! Access control: tokens, administration, attacks.

#[allow(dead_code, unused_imports, reason = "each test binary uses its own part of the harness")]
#[path = "../support/mod.rs"]
mod support;

mod administration;
mod attacks;
mod cves;
mod federation;
mod harness;
mod matrix;
mod pages;
mod tokens;
mod visibility;
