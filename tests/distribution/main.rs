//! The distribution API from outside, by plain HTTP: what it takes, what it refuses, and what
//! survives a crash.

#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "each test binary uses its part of the harness")]
mod support;

mod access;
mod attacks;
mod bad_input;
mod blobs;
mod crash;
mod lists;
mod manifests;
mod uploads;
