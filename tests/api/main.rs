//! The management API of content: what it shows and does, and its description.

#[allow(dead_code, unused_imports, reason = "each test binary uses its own part of the harness")]
#[path = "../support/mod.rs"]
mod support;

mod cli;
mod content;
mod description;
mod promotion;
