//! The server is killed at random moments under load. Whatever it had acknowledged is there
//! afterwards; of what it had not, there is all or nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::select_all;
use tokio::sync::watch;

use super::data;
use super::model::{Deleted, Model};
use super::operation::Operation;
use super::random::{Random, setting};
use super::stock::Stock;
use super::support::{Http, Options, Orlop};
use super::uploader::{Uploader, Uploads};

const CLIENTS: usize = 3;

/// On PostgreSQL the next server waits so long for uploads of the one before.
const LEASE: &str = "[registry]\nupload_lease_seconds = 1\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_lose_nothing_acknowledged_and_leave_nothing_half_done() {
    kill_and_check(LEASE, Deleted::CanBeRestored).await;
}

/// Clients delete and push the same content again and again, and the collector is killed in the
/// middle of removing it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_while_deleted_content_is_collected_lose_nothing() {
    let collected = "deleted_retention_days = 0\n[gc]\ninterval_seconds = 1\ndelay_seconds = 5\n";
    kill_and_check(&format!("{LEASE}{collected}"), Deleted::IsGoneForGood).await;
}

async fn kill_and_check(config: &str, deleted: Deleted) {
    let rounds = setting::<usize>("ORLOP_TORTURE_ROUNDS", 6).div_ceil(2);
    let mut random = Random::start();
    let mut load = Load::new(&mut random, Uploads::StandFast, deleted);
    let mut orlop =
        Orlop::start(Options { config: Some(config.into()), ..Options::default() }).await;
    let mut starts = Starts::default();
    for round in 1..=rounds {
        load.until_killed(&mut orlop, &mut random).await;
        starts.restart(&mut orlop).await;
        load.check(&orlop, round).await;
    }
    assert!(orlop.stop().await.success());
    let blobs = data::check(&orlop, &orlop.data_dir()).await;
    // Fails where it finds damage.
    orlop.run(&["scrub"]).await;
    println!("{rounds} kills, {}, {blobs} blobs at the end, {}", load.tally(), starts.tally());
}

/// How long the server took from its start until it was ready.
#[derive(Default)]
pub struct Starts(Vec<Duration>);

impl Starts {
    pub async fn restart(&mut self, orlop: &mut Orlop) {
        let started = Instant::now();
        orlop.restart().await;
        self.0.push(started.elapsed());
    }

    pub fn tally(&mut self) -> String {
        self.0.sort_unstable();
        let (median, longest) = (self.0[self.0.len() / 2], self.0[self.0.len() - 1]);
        format!("ready again after {median:.2?} (median), {longest:.2?} at most")
    }
}

/// Clients that work until the server is gone, and know what must be there when it is back.
pub struct Load {
    clients: Vec<Client>,
    uploader: Option<Uploader>,
    acknowledged: usize,
}

impl Load {
    pub fn new(random: &mut Random, uploads: Uploads, deleted: Deleted) -> Self {
        let stock = Arc::new(Stock::new(random));
        let clients =
            (0..CLIENTS).map(|number| Client::new(number, random.fork(), &stock, deleted));
        let clients = clients.collect();
        Self { clients, uploader: Some(Uploader::new(random.fork(), uploads)), acknowledged: 0 }
    }

    /// Kills the server at a random moment.
    pub async fn until_killed(&mut self, orlop: &mut Orlop, random: &mut Random) {
        let (acknowledged, mut count) = watch::channel(0);
        let mut at_work: Vec<_> = self
            .clients
            .drain(..)
            .map(|client| tokio::spawn(client.work(orlop.http(), acknowledged.clone())))
            .collect();
        let uploader = self.uploader.take().expect("it came back");
        let uploading = tokio::spawn(uploader.work(orlop.http()));
        let enough = 1 + random.below(60);
        tokio::select! {
            _ = count.wait_for(|count| *count >= enough) => {}
            _ = select_all(&mut at_work) => panic!("a client ended early: {}", orlop.output()),
        }
        // Not to wait for anything, but to hit any moment of an operation.
        tokio::time::sleep(Duration::from_micros(random.below(20_000) as u64)).await;
        orlop.kill().await;
        for client in at_work {
            self.clients.push(client.await.expect("the client's operations go well"));
        }
        self.uploader = Some(uploading.await.expect("the uploads go well"));
        self.acknowledged += *count.borrow();
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
        let uploads = self.uploader.as_ref().expect("it came back").tally();
        format!(
            "{} operations acknowledged, {seen_done} cut ones turned out done, {uploads}",
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
    fn new(number: usize, random: Random, stock: &Arc<Stock>, deleted: Deleted) -> Self {
        let repositories: Vec<_> = (0..2).map(|n| format!("client{number}/r{n}")).collect();
        let model = Model::new(&repositories, deleted);
        let stock = Arc::clone(stock);
        Self { stock, random, repositories, model, cut: None, seen_done: 0 }
    }

    /// Until the server is gone.
    async fn work(mut self, http: Http, acknowledged: watch::Sender<usize>) -> Self {
        loop {
            let operation = Operation::random(&mut self.random, &self.stock, &self.repositories);
            let mut after = self.model.clone();
            let expected = after.apply(&self.stock, &operation);
            let Some(status) = operation.perform(&http, &self.stock).await else {
                self.cut = Some((operation, after));
                return self;
            };
            assert_eq!(status, expected, "{operation:?}");
            self.model = after;
            acknowledged.send_modify(|count| *count += 1);
        }
    }

    /// What is there must be what was acknowledged, with or without what was going on.
    async fn check(mut self, http: Http) -> Self {
        let seen = self.model.observe(&http, &self.stock).await;
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
