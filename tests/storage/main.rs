//! Blobs in a bucket of a real S3 server, or of Azure's emulator or what stands for Google's
//! service with `ORLOP_TEST_STORAGE=azure` or `gcs`: what is where, what is left, and what clients see when the bucket is away. That the protocol works there
//! as on disk, the other suites say: they run on it with the same variable.

#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "each test binary uses its part of the harness")]
mod support;

mod outages;
mod profiles;
mod pulls;
mod uploads;

use std::time::{Duration, Instant};

use bytes::Bytes;
use support::http::expect;
use support::{Bucket, Http, Options, Orlop};

const MIB: usize = 1 << 20;

/// A server whose blobs are in a bucket of its own; none without the server of the bucket.
async fn start(config: &str) -> Option<(Orlop, Bucket)> {
    let bucket = Bucket::start().await?;
    let config = Some(config.to_owned());
    let environment = bucket.environment();
    Some((Orlop::start(Options { config, environment, ..Options::default() }).await, bucket))
}

/// Bytes of which no two stretches are alike.
fn content(seed: u64, length: usize) -> Bytes {
    let mut state = 2 * seed + 1;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.take(length.div_ceil(8)).flatten().take(length).collect()
}

async fn pull(http: &Http, digest: &str) -> Bytes {
    let answer = http.get(&format!("/v2/a/blobs/{digest}")).await;
    expect(answer, reqwest::StatusCode::OK).await.bytes().await.expect("the body arrives whole")
}

/// Asks again until the answer is yes.
async fn until(what: &str, mut question: impl AsyncFnMut() -> bool) {
    let give_up_at = Instant::now() + Duration::from_secs(60);
    while !question().await {
        assert!(Instant::now() < give_up_at, "{what}: not within a minute");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
