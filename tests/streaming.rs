//! Transfers cost memory by their number, never by their size.

#[allow(dead_code, unused_imports, reason = "each test binary uses its own part of the harness")]
mod support;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use reqwest::{Body, Method, StatusCode};
use sha2::{Digest as _, Sha256};
use support::http::{expect, header, send};
use support::{Http, Options, Orlop};
use tokio::sync::Barrier;

const MIB: u64 = 1 << 20;

/// Content made as it is sent: blocks of 1 MiB, each marked with the seed and its place, so that a
/// block that is lost, doubled or out of order changes the digest.
#[derive(Clone)]
struct Content {
    seed: u64,
    blocks: u64,
    noise: Arc<[u8]>,
}

impl Content {
    fn new(seed: u64, blocks: u64) -> Self {
        let mut state = seed | 1;
        let words = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        });
        let noise = words.take(MIB as usize / 8).flatten().collect();
        Self { seed, blocks, noise }
    }

    fn size(&self) -> u64 {
        self.blocks * MIB
    }

    fn block(&self, place: u64) -> Bytes {
        let mut block = self.noise.to_vec();
        block[..8].copy_from_slice(&self.seed.to_le_bytes());
        block[8..16].copy_from_slice(&place.to_le_bytes());
        block.into()
    }

    fn digest(&self) -> String {
        let mut hasher = Sha256::new();
        (0..self.blocks).for_each(|place| hasher.update(self.block(place)));
        format!("sha256:{}", hex::encode(hasher.finalize()))
    }

    fn stream(&self) -> impl Stream<Item = std::io::Result<Bytes>> + Send + 'static {
        let content = self.clone();
        stream::iter(0..self.blocks).map(move |place| Ok(content.block(place)))
    }
}

/// Reads a blob to its end and returns its digest and size as they arrived.
async fn pull(http: &Http, repository: &str, digest: &str) -> (String, u64) {
    let answer = http.get(&format!("/v2/{repository}/blobs/{digest}")).await;
    let mut answer = expect(answer, StatusCode::OK).await;
    let (mut hasher, mut size) = (Sha256::new(), 0);
    while let Some(part) = answer.chunk().await.expect("the body arrives whole") {
        hasher.update(&part);
        size += part.len() as u64;
    }
    (format!("sha256:{}", hex::encode(hasher.finalize())), size)
}

#[track_caller]
fn assert_peak_below(server: &Orlop, limit: u64) {
    let peak = server.peak_memory();
    println!("peak memory {} MiB, limit {} MiB", peak / MIB, limit / MIB);
    assert!(peak < limit, "the server held {} MiB, more than {} MiB", peak / MIB, limit / MIB);
}

/// In by POST, one streamed PATCH and PUT, as docker does, without a length known in advance.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blob_of_3_gib_streams_in_and_out_below_64_mib() {
    let server = Orlop::start(Options::default()).await;
    let http = server.http();
    let content = Content::new(0x6f72_6c6f_7001, 3 * 1024);

    let location = http.start_upload("large/blob").await;
    let body = Body::wrap_stream(content.stream());
    let patched = send(http.request(Method::PATCH, &location).body(body)).await;
    let patched = expect(patched, StatusCode::ACCEPTED).await;
    assert_eq!(header(&patched, "range"), format!("0-{}", content.size() - 1));
    let location = header(&patched, "location");
    let digest = content.digest();
    let closed = http.finish_upload(&location, &digest, Body::default()).await;
    let closed = expect(closed, StatusCode::CREATED).await;
    assert_eq!(header(&closed, "docker-content-digest"), digest);

    assert_eq!(pull(&http, "large/blob", &digest).await, (digest, content.size()));
    // In a bucket, the part that is filled and the one that is sent come on top, 5 MiB each.
    let parts = if server.is_on_s3() { 10 * MIB } else { 0 };
    assert_peak_below(&server, 64 * MIB + parts);
}

/// All uploads stand half sent before any goes on, so they are truly at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_32_at_once_stay_below_150_mib() {
    const UPLOADS: u64 = 32;
    const BLOCKS: u64 = 64;
    let server = Orlop::start(Options::default()).await;
    let all_are_half_sent = Arc::new(Barrier::new(UPLOADS as usize));

    let uploads = (0..UPLOADS).map(|number| {
        let (http, barrier) = (server.http(), Arc::clone(&all_are_half_sent));
        tokio::spawn(async move {
            let content = Content::new(number + 1, BLOCKS);
            let digest = content.digest();
            let repository = format!("many/blobs-{number}");
            let location = http.start_upload(&repository).await;
            let body = content.stream().enumerate().then(move |(place, block)| {
                let barrier = Arc::clone(&barrier);
                async move {
                    if place as u64 == BLOCKS / 2 {
                        barrier.wait().await;
                    }
                    block
                }
            });
            let body = Body::wrap_stream(body);
            let closed = http.finish_upload(&location, &digest, body).await;
            expect(closed, StatusCode::CREATED).await;
            (repository, digest)
        })
    });
    let uploads: Vec<_> = uploads.collect();

    let http = server.http();
    for upload in uploads {
        let (repository, digest) = upload.await.expect("the upload succeeds");
        let answer = http.head(&format!("/v2/{repository}/blobs/{digest}")).await;
        let answer = expect(answer, StatusCode::OK).await;
        assert_eq!(header(&answer, "content-length"), (BLOCKS * MIB).to_string());
    }
    assert_peak_below(&server, 150 * MIB);
}
