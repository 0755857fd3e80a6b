//! A client that costs little itself: HTTP/1.1 over plain connections that stay open.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// The head of an answer, and how many bytes of its body were read and dropped.
pub struct Answer {
    pub status: u16,
    pub location: Option<String>,
    pub body: u64,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        stream.set_nodelay(true).expect("the option is there");
        Self { stream, buffer: vec![0; 256 << 10] }
    }

    /// Sends a request, whose head ends with an empty line, and reads the whole answer.
    pub async fn ask(&mut self, head: &str, body: &[&[u8]]) -> Answer {
        self.stream.write_all(head.as_bytes()).await.expect("the server reads");
        for part in body {
            self.stream.write_all(part).await.expect("the server reads");
        }
        self.answer(head.starts_with("HEAD ")).await
    }

    async fn answer(&mut self, is_head: bool) -> Answer {
        let mut read = 0;
        let end = loop {
            let length = self.stream.read(&mut self.buffer[read..]).await.expect("it answers");
            assert!(length > 0, "the server closed the connection");
            read += length;
            if let Some(end) = self.buffer[..read].windows(4).position(|w| w == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let head = std::str::from_utf8(&self.buffer[..end]).expect("a head is text");
        let status = head[9..12].parse().expect("a status has three digits");
        let field = |name: &str| {
            head.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            })
        };
        let length = field("content-length").and_then(|text| text.parse::<u64>().ok());
        let is_chunked = length.is_none() && field("transfer-encoding").is_some();
        let location = field("location");
        if is_chunked {
            return Answer { status, location, body: self.chunks(end, read).await };
        }
        let body = if is_head { 0 } else { length.unwrap_or(0) };
        let mut left = body - (read - end) as u64;
        while left > 0 {
            let length = self.stream.read(&mut self.buffer).await.expect("the body comes whole");
            assert!(length > 0, "the body was cut short");
            left -= length as u64;
        }
        Answer { status, location, body }
    }

    /// A body in chunks, of which `begin..end` of the buffer came already. Lists are small: it ends
    /// with the empty chunk, which no list holds.
    async fn chunks(&mut self, begin: usize, end: usize) -> u64 {
        let mut body = self.buffer[begin..end].to_vec();
        while !body.ends_with(b"0\r\n\r\n") {
            let length = self.stream.read(&mut self.buffer).await.expect("the body comes whole");
            assert!(length > 0, "the body was cut short");
            body.extend_from_slice(&self.buffer[..length]);
        }
        body.len() as u64
    }
}

/// What was done in a time.
#[derive(Clone, Copy, Default)]
pub struct Done {
    pub requests: u64,
    pub bytes: u64,
    pub time: Duration,
}

/// Sends one request after the other over `connections` for `time`. `head` gives the head of the
/// n-th request of a connection.
pub async fn repeat(
    address: SocketAddr,
    head: impl Fn(usize) -> String + Clone + Send + 'static,
    connections: usize,
    time: Duration,
) -> Done {
    let started = Instant::now();
    let clients = (0..connections).map(|client| {
        let head = head.clone();
        tokio::spawn(async move {
            let mut connection = Connection::open(address).await;
            let mut done = Done::default();
            let mut number = client;
            while started.elapsed() < time {
                let head = head(number);
                let answer = connection.ask(&head, &[]).await;
                assert!(matches!(answer.status, 200 | 206), "{}: {head}", answer.status);
                done.requests += 1;
                done.bytes += answer.body;
                number += connections;
            }
            done
        })
    });
    let mut sum = Done::default();
    for client in clients.collect::<Vec<_>>() {
        let done = client.await.expect("no client fails");
        sum.requests += done.requests;
        sum.bytes += done.bytes;
    }
    Done { time: started.elapsed(), ..sum }
}

/// Reads one resource whole over each of `connections` at once.
pub async fn read_at_once(address: SocketAddr, head: &str, connections: usize) -> Done {
    let started = Instant::now();
    let clients = (0..connections).map(|_| {
        let head = head.to_owned();
        tokio::spawn(async move {
            let mut connection = Connection::open(address).await;
            let answer = connection.ask(&head, &[]).await;
            assert_eq!(answer.status, 200, "{head}");
            answer.body
        })
    });
    let mut bytes = 0;
    for client in clients.collect::<Vec<_>>() {
        bytes += client.await.expect("no client fails");
    }
    Done { requests: connections as u64, bytes, time: started.elapsed() }
}
