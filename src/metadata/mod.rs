//! Rows: what the registry knows about its content, in SQLite or PostgreSQL.
//!
//! One file an aggregate, each with the row types and every query on them. A query takes the
//! connection to run on, so that the caller decides what belongs to one transaction. Nothing here
//! decides what may happen; that is the registry's.

pub mod attributes;
pub mod audit_events;
pub mod blobs;
pub mod credentials;
mod database;
pub mod deleted;
pub mod doomed_objects;
mod error;
pub mod export;
pub mod federated_sign_ins;
pub mod federation_rules;
pub mod garbage;
pub mod garbage_forecast;
pub mod garbage_reviews;
pub mod gc_rounds;
pub mod identities;
mod locking;
pub mod manifest_copies;
pub mod manifest_records;
pub mod manifests;
mod name_range;
mod order;
pub mod overviews;
pub mod pulls;
pub mod refresh_tokens;
mod remembered;
pub mod repositories;
pub mod roles;
mod rows;
pub mod scope_maps;
pub mod scrubs;
pub mod search;
pub mod signing_keys;
mod sqlite_index;
mod sqlite_log;
pub mod storage_samples;
pub mod stored_blobs;
pub mod stored_manifests;
pub mod tag_history;
pub mod tag_records;
pub mod tags;
mod transaction;
pub mod trusted_issuers;
pub mod uploads;

pub use attributes::{AttributeChanges, Attributes};
pub use database::{Alone, Database};
pub use error::{Failure, MetadataError};
pub use locking::retry;
pub use name_range::NameRange;
pub use order::{Order, Place};
pub use remembered::Remembered;
pub use transaction::Transaction;

/// Microseconds since 1970, UTC: the time as all rows keep it.
pub fn now() -> i64 {
    chrono::Utc::now().timestamp_micros()
}
