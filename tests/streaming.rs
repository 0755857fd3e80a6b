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

/// Pages of the program's file that a release build has in memory, rounded up. How many there are is
/// the build's doing and not that of transfers: a debug build has 46 MiB, and more with each feature.
const PROGRAM: u64 = 24 * MIB;

/// A server, and the pages of its program's file that it had in memory before it did anything.
struct Watched {
    server: Orlop,
    program: u64,
}

impl Watched {
    async fn start() -> Self {
        let server = Orlop::start(Options::default()).await;
        let program = server.memory_of_files();
        Self { server, program }
    }

    /// Fails if a release build would have held more at any time. More pages of its file come in as
    /// it works; they count as if transfers had taken them.
    #[track_caller]
    fn assert_peak_below(&self, limit: u64) {
        let all = self.server.peak_memory();
        let peak = all - self.program + PROGRAM;
        println!(
            "peak memory {} MiB, limit {} MiB; with all of this build's file {} MiB",
            peak / MIB,
            limit / MIB,
            all / MIB
        );
        assert!(peak < limit, "the server held {} MiB, more than {} MiB", peak / MIB, limit / MIB);
    }
}

/// In by POST, one streamed PATCH and PUT, as docker does, without a length known in advance.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blob_of_3_gib_streams_in_and_out_below_64_mib() {
    let watched = Watched::start().await;
    let http = watched.server.http();
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
    watched.assert_peak_below(64 * MIB);
}

/// All uploads stand half sent before any goes on, so they are truly at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_32_at_once_stay_below_150_mib() {
    const UPLOADS: u64 = 32;
    const BLOCKS: u64 = 64;
    let watched = Watched::start().await;
    let all_are_half_sent = Arc::new(Barrier::new(UPLOADS as usize));

    let uploads = (0..UPLOADS).map(|number| {
        let (http, barrier) = (watched.server.http(), Arc::clone(&all_are_half_sent));
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

    let http = watched.server.http();
    for upload in uploads {
        let (repository, digest) = upload.await.expect("the upload succeeds");
        let answer = http.head(&format!("/v2/{repository}/blobs/{digest}")).await;
        let answer = expect(answer, StatusCode::OK).await;
        assert_eq!(header(&answer, "content-length"), (BLOCKS * MIB).to_string());
    }
    watched.assert_peak_below(150 * MIB);
}
