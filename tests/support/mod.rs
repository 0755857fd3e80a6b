//! The harness of the end-to-end tests: a running server, a plain HTTP client for it, and the real
//! client programs. Every test has its own server, folders and client configuration, so all of them
//! run in parallel and none touches the user's own files.

pub mod azurite;
pub mod bucket;
pub mod database;
pub mod docker_registry;
pub mod faulty_disk;
pub mod google;
pub mod http;
pub mod oidc_provider;
pub mod s3;
pub mod server;
pub mod small_disk;
pub mod tool;

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

pub use azurite::Azurite;
pub use bucket::Bucket;
pub use database::{PostgresServer, TestDatabase};
pub use docker_registry::DockerRegistry;
pub use faulty_disk::FaultyDisk;
pub use google::Google;
pub use http::Http;
pub use oidc_provider::OidcProvider;
pub use s3::S3;
pub use server::{ADMIN, Options, Orlop, PASSWORD};
pub use tool::{Tool, Workspace};

/// `sha256:<hex>` of the bytes, computed apart from the server's own code.
pub fn digest_of(bytes: impl AsRef<[u8]>) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// Where a run leaves what is worth reading afterwards: `target/test-results`.
pub fn results() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target/tmp has a parent");
    let results = target.join("test-results");
    std::fs::create_dir_all(&results).expect("cannot create the folder for test results");
    results
}
