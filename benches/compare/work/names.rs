//! What the works are called, so that goals find them.

use crate::effort::MIB;

pub const GET_TAG: &str = "GET manifest by tag, 32 connections";
pub const COLD_START: &str = "cold start to the first answer";

/// Limits that stand beside the servers.
pub const SHA256: &str = "limit: sha256, one core";
pub const WRITE: &str = "limit: write and fsync";

/// Lists of which pages are compared.
pub const LISTS: [&str; 2] = ["tags", "catalog"];
pub const REFERRERS: &str = "page of 100 referrers of 10,000";

pub fn get_small_blob(connections: usize) -> String {
    format!("GET 1 KiB blob, {}", plural(connections, "connection"))
}

pub fn get_large_blob(size: usize, connections: usize) -> String {
    format!("GET {} MiB blob, {}", size / MIB, plural(connections, "connection"))
}

/// POST and PUT.
pub fn put(size: usize, at_once: usize) -> String {
    format!("PUT {} blob, {at_once} at once", bytes(size))
}

pub fn patch(size: usize) -> String {
    format!("POST, PATCH, PUT {} blob", bytes(size))
}

pub fn peak_of_puts(size: usize) -> String {
    format!("peak memory of 32 PUTs of {} at once", bytes(size))
}

pub fn push_artifacts(count: usize) -> String {
    format!("push {count} small artifacts, 8 clients")
}

pub fn page(list: &str, entries: usize) -> String {
    format!("page of 100 in {list} of {entries}")
}

fn bytes(size: usize) -> String {
    if size >= MIB { format!("{} MiB", size / MIB) } else { format!("{} KiB", size / 1024) }
}

fn plural(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
