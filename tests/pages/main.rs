//! The web pages: what they show and to whom, what their forms do, and how they are in a browser.

#[allow(dead_code, unused_imports, reason = "each test binary uses its own part of the harness")]
#[path = "../support/mod.rs"]
mod support;

mod acts;
mod browser;
mod content;
mod live;
mod real;
mod samples;
mod security;
mod site;
mod storage;
