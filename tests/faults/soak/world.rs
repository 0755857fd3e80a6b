//! What all clients of the soak share: the servers that live, whether a fault is on, and the counts.

use std::collections::BTreeMap;
use std::sync::{Mutex, RwLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, StatusCode};

use crate::support::Http;

/// How long after a fault answers may still tell of it: connections are made again, locks run out.
const AFTERWARDS: Duration = Duration::from_secs(3);

/// A client gives up a request after this time, as those with a time limit do.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct World {
    /// None while a server is dead.
    servers: RwLock<Vec<Option<Http>>>,
    faults: Mutex<FaultTimes>,
    counts: Mutex<BTreeMap<&'static str, u64>>,
}

struct FaultTimes {
    is_on: bool,
    ended: Option<Instant>,
}

/// A whole answer.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl World {
    pub fn new(servers: Vec<Http>) -> Self {
        Self {
            servers: RwLock::new(servers.into_iter().map(Some).collect()),
            faults: Mutex::new(FaultTimes { is_on: false, ended: None }),
            counts: Mutex::default(),
        }
    }

    pub fn set_server(&self, place: usize, server: Option<Http>) {
        self.servers.write().expect("nobody panics")[place] = server;
    }

    pub fn set_fault(&self, is_on: bool) {
        let mut faults = self.faults.lock().expect("nobody panics");
        faults.is_on = is_on;
        if !is_on {
            faults.ended = Some(Instant::now());
        }
    }

    /// Whether a fault may explain what went wrong since `started`.
    pub fn was_faulty(&self, started: Instant) -> bool {
        let faults = self.faults.lock().expect("nobody panics");
        faults.is_on || faults.ended.is_some_and(|ended| started < ended + AFTERWARDS)
    }

    pub fn count(&self, what: &'static str) {
        *self.counts.lock().expect("nobody panics").entry(what).or_default() += 1;
    }

    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.counts.lock().expect("nobody panics").clone()
    }

    /// Operations that were acknowledged.
    pub fn operations(&self) -> u64 {
        let counts = self.counts();
        counts.iter().filter(|(what, _)| !what.starts_with('(')).map(|(_, count)| count).sum()
    }

    /// Asks the server at `place`, or another if that is dead. None if it went away or failed, which
    /// only a fault excuses.
    pub async fn ask(
        &self,
        place: usize,
        request: impl FnOnce(&Http) -> RequestBuilder,
    ) -> Option<Answer> {
        let started = Instant::now();
        let server = {
            let servers = self.servers.read().expect("nobody panics");
            let from_there = servers[place..].iter().chain(&servers[..place]);
            from_there.flatten().next().cloned()
        };
        let server = server.expect("one server lives always");
        let answer = async {
            let answer = request(&server).timeout(PATIENCE).send().await?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            Ok::<_, reqwest::Error>(Answer { status, headers, body: answer.bytes().await? })
        };
        let answer = match answer.await {
            Ok(answer) if !answer.status.is_server_error() => return Some(answer),
            other => other,
        };
        let is_excused = self.was_faulty(started);
        let told = match answer {
            Ok(answer) => {
                self.count("(answers 5xx)");
                format!("{}: {}", answer.status, String::from_utf8_lossy(&answer.body))
            }
            Err(error) => {
                self.count("(connections lost)");
                format!("{error:?}")
            }
        };
        assert!(is_excused, "without any fault: {told}");
        // Not to be all of the load.
        tokio::time::sleep(Duration::from_millis(50)).await;
        None
    }
}
