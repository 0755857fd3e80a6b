//! The server is killed at random moments under load. Whatever it had acknowledged is there
//! afterwards; of what it had not, there is all or nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::{Method, StatusCode};

use super::data;
use super::model::{self, Model, Repository};
use super::operation::{self, Operation};
use super::random::{Random, setting};
use super::stock::Stock;
use super::support::http::{expect, header};
use super::support::{Http, Options, Orlop, digest_of};

const CLIENTS: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_lose_nothing_acknowledged_and_leave_nothing_half_done() {
    let rounds = setting("ORLOP_TORTURE_ROUNDS", 4);
    let mut random = Random::start();
    let mut load = Load::new(&mut random, Uploads::StandFast);
    // On PostgreSQL the next server waits so long for uploads of the one before.
    let config = Some("[registry]\nupload_lease_seconds = 1\n".into());
    let mut orlop = Orlop::start(Options { config, ..Options::default() }).await;
    let mut slowest = Duration::ZERO;
    for round in 1..=rounds {
        load.until_killed(&mut orlop, &mut random).await;
        let started = Instant::now();
        orlop.restart().await;
        slowest = slowest.max(started.elapsed());
        load.check(&orlop, round).await;
    }
    assert!(orlop.stop().await.success());
    let blobs = data::check(&orlop, &orlop.data_dir()).await;
    println!(
        "{rounds} kills, {}, {blobs} blobs at the end, slowest start {slowest:?}",
        load.tally()
    );
}

/// What the end of the server may do to an unfinished upload.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Uploads {
    /// It stands where its client was told.
    StandFast,
    /// It may stand where it stood before, or be gone: only `201` means durable.
    MayGoBack,
}

/// Clients that work until the server is gone, and know what must be there when it is back.
pub struct Load {
    clients: Vec<Client>,
    uploader: Option<Uploader>,
    acknowledged: usize,
}

impl Load {
    pub fn new(random: &mut Random, uploads: Uploads) -> Self {
        let stock = Arc::new(Stock::new(random));
        let clients = (0..CLIENTS).map(|number| Client::new(number, random.fork(), &stock));
        let clients = clients.collect();
        Self { clients, uploader: Some(Uploader::new(random.fork(), uploads)), acknowledged: 0 }
    }

    /// Kills the server at a random moment.
    pub async fn until_killed(&mut self, orlop: &mut Orlop, random: &mut Random) {
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let at_work: Vec<_> = self
            .clients
            .drain(..)
            .map(|client| tokio::spawn(client.work(orlop.http(), Arc::clone(&acknowledged))))
            .collect();
        let uploader = self.uploader.take().expect("it came back");
        let uploading = tokio::spawn(uploader.work(orlop.http()));
        let enough = 1 + random.below(60);
        while acknowledged.load(Relaxed) < enough {
            assert!(!at_work.iter().any(|client| client.is_finished()), "{}", orlop.output());
            tokio::task::yield_now().await;
        }
        // Not to wait for anything, but to hit any moment of an operation.
        tokio::time::sleep(Duration::from_micros(random.below(20_000) as u64)).await;
        orlop.kill().await;
        for client in at_work {
            self.clients.push(client.await.expect("the client's operations go well"));
        }
        self.uploader = Some(uploading.await.expect("the uploads go well"));
        self.acknowledged += acknowledged.load(Relaxed);
    }

    pub async fn check(&mut self, orlop: &Orlop, round: usize) {
        let checking =
            self.clients.drain(..).map(|client| tokio::spawn(client.check(orlop.http())));
        for client in checking.collect::<Vec<_>>() {
            self.clients.push(client.await.unwrap_or_else(|_| panic!("round {round}")));
        }
        self.uploader.as_mut().expect("it came back").check(&orlop.http()).await;
    }

    pub fn tally(&self) -> String {
        let seen_done = self.clients.iter().map(|client| client.seen_done).sum::<usize>();
        let Uploader { finished, begun_anew, .. } = self.uploader.as_ref().expect("it came back");
        format!(
            "{} operations acknowledged, {seen_done} cut ones turned out done, {finished} uploads \
             went on, {begun_anew} began anew",
            self.acknowledged
        )
    }
}

/// Works on repositories of its own, and knows what they must hold.
struct Client {
    stock: Arc<Stock>,
    random: Random,
    repositories: Vec<String>,
    model: Model,
    /// What was going on at the kill, and what the model is if it was done.
    cut: Option<(Operation, Model)>,
    seen_done: usize,
}

impl Client {
    fn new(number: usize, random: Random, stock: &Arc<Stock>) -> Self {
        let repositories: Vec<_> = (0..2).map(|n| format!("client{number}/r{n}")).collect();
        let model = repositories.iter().map(|name| (name.clone(), Repository::default())).collect();
        let stock = Arc::clone(stock);
        Self { stock, random, repositories, model, cut: None, seen_done: 0 }
    }

    /// Until the server is gone.
    async fn work(mut self, http: Http, acknowledged: Arc<AtomicUsize>) -> Self {
        loop {
            let operation = Operation::random(&mut self.random, &self.stock, &self.repositories);
            let mut after = self.model.clone();
            let expected = model::apply(&mut after, &self.stock, &operation);
            let Some(status) = operation.perform(&http, &self.stock).await else {
                self.cut = Some((operation, after));
                return self;
            };
            assert_eq!(status, expected, "{operation:?}");
            self.model = after;
            acknowledged.fetch_add(1, Relaxed);
        }
    }

    /// What is there must be what was acknowledged, with or without what was going on.
    async fn check(mut self, http: Http) -> Self {
        let mut seen = BTreeMap::new();
        for name in &self.repositories {
            seen.insert(name.clone(), Repository::observe(&http, &self.stock, name).await);
        }
        if let Some((operation, after)) = self.cut.take()
            && seen != self.model
        {
            assert_eq!(seen, after, "after {operation:?}, before which there was {:?}", self.model);
            self.seen_done += 1;
            self.model = after;
        }
        assert_eq!(seen, self.model);
        self
    }
}

/// Uploads one blob after the other in chunks, and goes on after a kill where the session stands.
struct Uploader {
    random: Random,
    uploads: Uploads,
    content: Bytes,
    session: Option<Session>,
    finished: usize,
    begun_anew: usize,
}

struct Session {
    location: String,
    acknowledged: usize,
    /// How far it came if the request that was going on at the kill was done.
    sent: usize,
    is_closing: bool,
}

impl Uploader {
    fn new(random: Random, uploads: Uploads) -> Self {
        let content = Bytes::new();
        Self { random, uploads, content, session: None, finished: 0, begun_anew: 0 }
    }

    async fn work(mut self, http: Http) -> Self {
        loop {
            if self.step(&http).await.is_none() {
                return self;
            }
        }
    }

    /// One request; none if the server is gone.
    async fn step(&mut self, http: &Http) -> Option<()> {
        let Some(session) = &mut self.session else {
            let length = 1 + self.random.below(1 << 20);
            self.content = self.random.bytes(length).into();
            let opening = http.request(Method::POST, "/v2/uploader/blobs/uploads/");
            let location = operation::location(&operation::send(opening).await?);
            let location = location.expect("a session is opened");
            let start = Session { location, acknowledged: 0, sent: 0, is_closing: false };
            self.session = Some(start);
            return Some(());
        };
        let rest = self.content.slice(session.acknowledged..);
        session.is_closing = rest.is_empty() || self.random.once_in(6);
        if session.is_closing {
            let digest = digest_of(&self.content);
            session.sent = self.content.len();
            let closing = http.request(Method::PUT, &session.location);
            let closing = closing.query(&[("digest", digest)]).body(rest);
            assert_eq!(operation::status(closing).await?, 201);
            self.session = None;
        } else {
            let chunk = rest.slice(..1 + self.random.below(rest.len()));
            session.sent = session.acknowledged + chunk.len();
            let patch = http.request(Method::PATCH, &session.location).body(chunk);
            assert_eq!(operation::status(patch).await?, 202);
            session.acknowledged = session.sent;
        }
        Some(())
    }

    /// The session must stand where it was acknowledged to stand or where the cut request led,
    /// and go on from there to its end.
    async fn check(&mut self, http: &Http) {
        let Some(session) = self.session.take() else { return };
        let blob = format!("/v2/uploader/blobs/{}", digest_of(&self.content));
        let status = http.get(&session.location).await;
        if status.status() == StatusCode::NOT_FOUND {
            let may_be_gone = session.is_closing || self.uploads == Uploads::MayGoBack;
            assert!(may_be_gone, "an open session is gone");
            // Without the blob, it was cut between the bytes and the rows: the client begins anew.
            self.begun_anew += usize::from(http.get(&blob).await.status() != StatusCode::OK);
            return;
        }
        let status = expect(status, StatusCode::NO_CONTENT).await;
        let range = header(&status, "range");
        let last: usize = range.strip_prefix("0-").and_then(|last| last.parse().ok()).unwrap();
        let received = if last == 0 { session.acknowledged.min(1) } else { last + 1 };
        let may_go_back = self.uploads == Uploads::MayGoBack;
        if may_go_back && last == 0 {
            // It may hold nothing or one byte, which the protocol cannot tell apart.
            expect(http.delete(&session.location).await, StatusCode::NO_CONTENT).await;
            self.begun_anew += 1;
            return;
        }
        assert!(
            received == session.acknowledged
                || received == session.sent
                || (may_go_back && received < session.acknowledged),
            "the session has {received} bytes, not {} or {}",
            session.acknowledged,
            session.sent
        );
        expect(http.get(&blob).await, StatusCode::NOT_FOUND).await;
        let rest = self.content.slice(received..);
        let finished = http.finish_upload(&session.location, &digest_of(&self.content), rest).await;
        if may_go_back && finished.status() == StatusCode::NOT_FOUND {
            // Its bytes are gone, which is noticed only now.
            self.begun_anew += 1;
            return;
        }
        expect(finished, StatusCode::CREATED).await;
        let content = expect(http.get(&blob).await, StatusCode::OK).await.bytes().await.unwrap();
        assert_eq!(content, self.content);
        self.finished += 1;
    }
}
