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
    pub async fn ask(&mut self, head: &str, body: &[u8]) -> Answer {
        self.stream.write_all(head.as_bytes()).await.expect("the server reads");
        if !body.is_empty() {
            self.stream.write_all(body).await.expect("the server reads");
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
        let length = field("content-length").and_then(|text| text.parse().ok());
        let body: u64 = if is_head { 0 } else { length.unwrap_or(0) };
        let location = field("location");
        let mut left = body - (read - end) as u64;
        while left > 0 {
            let length = self.stream.read(&mut self.buffer).await.expect("the body comes whole");
            assert!(length > 0, "the body was cut short");
            left -= length as u64;
        }
        Answer { status, location, body }
    }
}

/// Sends one request again and again over `connections` for `time`; answers a second.
pub async fn requests_a_second(
    address: SocketAddr,
    head: &str,
    connections: usize,
    time: Duration,
) -> f64 {
    let mut clients = Vec::new();
    let started = Instant::now();
    for _ in 0..connections {
        let head = head.to_owned();
        clients.push(tokio::spawn(async move {
            let mut connection = Connection::open(address).await;
            let mut answers = 0u32;
            while started.elapsed() < time {
                let answer = connection.ask(&head, &[]).await;
                assert_eq!(answer.status, 200, "{head}");
                answers += 1;
            }
            answers
        }));
    }
    let mut answers = 0.0;
    for client in clients {
        answers += f64::from(client.await.expect("no client fails"));
    }
    answers / started.elapsed().as_secs_f64()
}

/// Reads one resource whole over each of `connections` at once; bytes a second.
pub async fn bytes_a_second(address: SocketAddr, head: &str, connections: usize) -> f64 {
    let started = Instant::now();
    let mut clients = Vec::new();
    for _ in 0..connections {
        let head = head.to_owned();
        clients.push(tokio::spawn(async move {
            let mut connection = Connection::open(address).await;
            let answer = connection.ask(&head, &[]).await;
            assert_eq!(answer.status, 200, "{head}");
            answer.body
        }));
    }
    let mut bytes = 0;
    for client in clients {
        bytes += client.await.expect("no client fails");
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate needs no more digits")]
    let bytes = bytes as f64;
    bytes / started.elapsed().as_secs_f64()
}
