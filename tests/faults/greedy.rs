//! Greedy and slow clients take no more than their share, and leave nothing behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::random::{Random, setting};
use super::support::http::expect;
use super::support::{Http, Options, Orlop};

const MIB: u64 = 1 << 20;

/// Between two bytes of a slow client.
const PACE: Duration = Duration::from_millis(200);

/// What a slow reader takes in a second.
const SIP: usize = 1 << 10;

const DEADLINE: Duration = Duration::from_secs(180);

/// Connections that are made at the same time: more would overflow the system's queue, and come only
/// after seconds.
const CONNECTING: usize = 100;

/// Memory that the server may hold: of its own, and for each connection and each transfer.
/// `docs/reliability.md` tells them to users.
const OWN: u64 = 96 * MIB;
const PER_CONNECTION: u64 = 32 << 10;
const PER_TRANSFER: u64 = MIB;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn greedy_clients_leave_room_for_good_ones() {
    let idle = setting("ORLOP_TORTURE_IDLE", 2_000);
    let readers = setting("ORLOP_TORTURE_READERS", 60);
    let size = setting("ORLOP_TORTURE_BLOB_MIB", 32) << 20;
    let stopping = 40;
    let good = 200;
    // Long enough for all to be there at once.
    let timeout = 10 + idle / 200;
    let config = format!(
        "[server]\nheader_timeout_seconds = {timeout}\nidle_timeout_seconds = {timeout}\n\
         max_connections = {}\n",
        idle + readers + stopping + good
    );
    // As systemd and container runtimes start it.
    let open_files = Some(1024);
    let orlop =
        Orlop::start(Options { config: Some(config), open_files, ..Options::default() }).await;
    let http = orlop.http();
    let blob = http.push_blob("large", Random::start().bytes(size)).await;
    let token = http.token("/v2/", &["repository:large:pull,push"]).await;
    let alone = good_client(&http, 40).await;
    let before = State::of(&orlop, &http).await;

    let greedy = Greedy {
        host: orlop.host(),
        token,
        blob,
        connecting: Arc::new(Semaphore::new(CONNECTING)),
        enough: Arc::default(),
    };
    let mut at_work = vec![greedy.storm_of_passwords(orlop.anonymous())];
    at_work.extend((0..readers).map(|_| greedy.slow_reader()));
    at_work.extend((0..stopping).map(|n| greedy.body_that_stops(n % 2 == 0)));
    at_work.extend((0..idle).map(|n| greedy.slow_head(n % 10 == 0)));
    let connections = (idle + readers + stopping) as u64;
    let soon = Instant::now() + DEADLINE;
    let mut open = 0;
    while open < connections {
        assert!(Instant::now() < soon, "the server has {open} connections at once at most");
        good_client(&http, 1).await;
        open = open.max(State::of(&orlop, &http).await.connections);
    }
    let beside = good_client(&http, 40).await;
    let peak = orlop.peak_memory();
    let limit = OWN + connections * PER_CONNECTION + (readers + stopping) as u64 * PER_TRANSFER;
    println!(
        "{connections} greedy connections: 40 pushes and pulls in {beside:?}, alone in {alone:?}; \
         peak memory {} MiB, limit {} MiB",
        peak / MIB,
        limit / MIB
    );
    assert!(peak < limit);

    // The server itself ends what stands still; the slow readers and the storm end with us.
    let soon = Instant::now() + DEADLINE;
    while State::of(&orlop, &http).await.connections > before.connections + readers as u64 + 50 {
        assert!(Instant::now() < soon, "idle connections are still open");
        good_client(&http, 1).await;
    }
    greedy.enough.store(true, Relaxed);
    for client in at_work {
        client.await.expect("the client ends");
    }
    let soon = Instant::now() + DEADLINE;
    loop {
        let after = State::of(&orlop, &http).await;
        if after.is_back_at(&before) {
            break;
        }
        assert!(Instant::now() < soon, "not everything was released: {after:?}, before {before:?}");
        good_client(&http, 1).await;
    }
    assert!(!orlop.output().contains("panicked"), "{}", orlop.output());
}

/// Pushes and pulls so often; gives how long it took.
async fn good_client(http: &Http, times: usize) -> Duration {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let started = Instant::now();
    for _ in 0..times {
        let content = format!("good {}", NUMBER.fetch_add(1, Relaxed));
        let digest = http.push_blob("good", content.clone()).await;
        let got = expect(http.get(&format!("/v2/good/blobs/{digest}")).await, StatusCode::OK).await;
        assert_eq!(got.text().await.expect("it comes whole"), content);
    }
    started.elapsed()
}

/// What a server holds.
#[derive(Debug)]
struct State {
    connections: u64,
    files: usize,
    uploads: usize,
}

impl State {
    async fn of(orlop: &Orlop, http: &Http) -> Self {
        let metrics = http.get("/metrics").await.text().await.expect("it comes whole");
        let connections =
            metrics.lines().find_map(|line| line.strip_prefix("orlop_http_connections "));
        let uploads = std::fs::read_dir(orlop.data_dir().join("uploads"));
        Self {
            connections: connections.and_then(|n| n.parse().ok()).expect("there is this metric"),
            files: orlop.open_files(),
            uploads: uploads.expect("it is there").count(),
        }
    }

    /// Some connections of the good client and of the database come and go.
    fn is_back_at(&self, before: &Self) -> bool {
        const SOME: usize = 24;
        self.connections <= before.connections + 4
            && self.files <= before.files + SOME
            && self.uploads == before.uploads
    }
}

struct Greedy {
    host: String,
    token: String,
    blob: String,
    connecting: Arc<Semaphore>,
    enough: Arc<AtomicBool>,
}

impl Greedy {
    /// Says nothing, or never ends what it has to say.
    fn slow_head(&self, speaks: bool) -> JoinHandle<()> {
        let head = if speaks { "GET /v2/ HTTP/1.1\r\nHost: x\r\nX-Slow: " } else { "" };
        self.client(head.into(), speaks.then_some(b'x'))
    }

    /// Sends some of a body: of the length it told, or in chunks.
    fn body_that_stops(&self, has_length: bool) -> JoinHandle<()> {
        let framing =
            if has_length { "Content-Length: 1000000" } else { "Transfer-Encoding: chunked" };
        let start = if has_length { "x".repeat(100_000) } else { "fffff\r\nxxxx".into() };
        let head = format!(
            "POST /v2/large/blobs/uploads/?digest={} HTTP/1.1\r\nHost: {}\r\n\
             Authorization: Bearer {}\r\n{framing}\r\n\r\n{start}",
            self.blob, self.host, self.token
        );
        self.client(head, None)
    }

    fn connect(&self) -> impl Future<Output = TcpStream> + use<> {
        let (host, connecting) = (self.host.clone(), Arc::clone(&self.connecting));
        async move {
            let _place = connecting.acquire().await.expect("nobody closes it");
            TcpStream::connect(host).await.expect("the server takes connections")
        }
    }

    /// Sends `start`, then now and then a byte, until the server closes.
    fn client(&self, start: String, byte: Option<u8>) -> JoinHandle<()> {
        let (connection, enough) = (self.connect(), Arc::clone(&self.enough));
        tokio::spawn(async move {
            let mut stream = connection.await;
            // From now on, any error is the server's right to close.
            let _ = stream.write_all(start.as_bytes()).await;
            let mut answer = [0; 1024];
            while !enough.load(Relaxed) {
                match tokio::time::timeout(PACE, stream.read(&mut answer)).await {
                    Ok(Ok(0) | Err(_)) => return,
                    Ok(Ok(_)) => {}
                    Err(_) => {
                        if let Some(byte) = byte
                            && stream.write_all(&[byte]).await.is_err()
                        {
                            return;
                        }
                    }
                }
            }
        })
    }

    /// Pulls a large blob, a little at a time.
    fn slow_reader(&self) -> JoinHandle<()> {
        let (connection, enough) = (self.connect(), Arc::clone(&self.enough));
        let request = format!(
            "GET /v2/large/blobs/{} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\r\n",
            self.blob, self.host, self.token
        );
        tokio::spawn(async move {
            let mut stream = connection.await;
            stream.write_all(request.as_bytes()).await.expect("it is read");
            let mut read = 0;
            let mut part = vec![0; SIP];
            while !enough.load(Relaxed) {
                let length = stream.read(&mut part).await.expect("a slow reader is served");
                assert!(length > 0, "a slow reader was cut off after {read} bytes");
                read += length;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        })
    }

    fn storm_of_passwords(&self, http: Http) -> JoinHandle<()> {
        let enough = Arc::clone(&self.enough);
        tokio::spawn(async move {
            let mut tries = 0;
            while !enough.load(Relaxed) {
                let guesses = (0..8).map(|n| {
                    let name = if n % 2 == 0 { "admin".into() } else { format!("user{tries}") };
                    let guesser = http.signed_in_as(&name, &format!("wrong{tries}{n}"));
                    async move { guesser.get("/v2/").await.status() }
                });
                for status in futures_util::future::join_all(guesses).await {
                    assert!([401, 429].contains(&status.as_u16()), "{status}");
                }
                tries += 1;
            }
            println!("{} wrong passwords", tries * 8);
        })
    }
}
