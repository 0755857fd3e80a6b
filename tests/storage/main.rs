//! Blobs in a bucket of a real S3 server: what is where, what is left, and what clients see when the
//! bucket is away. That the protocol works there as on disk, the other suites say: they run on it
//! with `ORLOP_TEST_STORAGE=s3`.

#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "each test binary uses its part of the harness")]
mod support;

mod outages;
mod pulls;
mod uploads;

use std::time::{Duration, Instant};

use bytes::Bytes;
use support::http::expect;
use support::{Http, Options, Orlop, S3};

const MIB: usize = 1 << 20;

/// A server whose blobs are in a bucket of its own; none without the S3 server.
async fn start(config: &str) -> Option<(Orlop, S3)> {
    let s3 = S3::start().await?;
    let config = Some(config.to_owned());
    let environment = s3.environment();
    Some((Orlop::start(Options { config, environment, ..Options::default() }).await, s3))
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
