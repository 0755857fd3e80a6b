//! Pushes against the collector, many times, with no time between a decision and its deed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use orlop::metadata::Database;
use orlop::registry::Registry;
use orlop::settings::Settings;
use orlop::storage::BlobStore;
use reqwest::{Method, StatusCode};
use tokio::task::JoinSet;

use super::support::http::{OCI_MANIFEST, expect, send};
use super::support::{Http, Orlop, digest_of};
use super::{AT_ONCE, age, collect, collect_until, pull, start};

const CLIENTS: usize = 4;
const ROUNDS: usize = 25;
const CONTENTS: [&str; 3] = ["content one", "content two", "content three"];

/// A collector that rests at no time: in this process where it can be, as starting a program takes
/// longer than a round.
struct Collector<'a> {
    orlop: &'a Orlop,
    inside: Option<(Registry, Database)>,
}

impl<'a> Collector<'a> {
    async fn new(orlop: &'a Orlop, grace_seconds: u32) -> Self {
        // The credentials of a bucket are in the environment of the server alone.
        let Some(folder) = orlop.blobs_on_disk() else { return Self { orlop, inside: None } };
        let mut settings = Settings::default();
        settings.storage.data_dir = folder;
        settings.registry.deleted_retention_days = 0;
        settings.gc.grace_seconds = grace_seconds;
        settings.gc.delay_seconds = 0;
        let database = Database::open(orlop.database_url(), 2).await.expect("it is there");
        let store = BlobStore::open(&settings.storage).await.expect("it is there");
        let registry = Registry::new(database.clone(), store, &settings);
        Self { orlop, inside: Some((registry, database)) }
    }

    /// Makes it look at all links.
    async fn hurry(&self) {
        let Some((_, database)) = &self.inside else { return age(self.orlop).await };
        let mut transaction = database.begin().await.expect("it is there");
        let hurry = sqlx::query("UPDATE gc_queue SET review_at = 0");
        hurry.execute(&mut *transaction).await.expect("it does it");
        transaction.commit().await.expect("it does it");
    }

    /// How many blobs it removed.
    async fn round(&self) -> u64 {
        let Some((registry, _)) = &self.inside else {
            return collect(self.orlop).await["blobs"].as_u64().expect("it is a number");
        };
        registry.purge_deleted().await.expect("it can be done");
        registry.collect_garbage().await.expect("it can be done").blobs
    }
}

/// Pushes a blob until the server takes it; counts how often it said that the collector was quicker.
async fn push(http: &Http, repository: &str, content: &'static str, again: &AtomicU32) {
    let digest = digest_of(content);
    let path = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
    loop {
        let request = http.request(Method::POST, &path).body(content);
        let answer = send(request).await;
        match answer.status() {
            StatusCode::CREATED => return,
            StatusCode::SERVICE_UNAVAILABLE => {
                let text = answer.text().await.unwrap();
                assert!(text.contains("push it once more"), "{text}");
                again.fetch_add(1, Ordering::Relaxed);
            }
            _ => drop(expect(answer, StatusCode::CREATED).await),
        }
    }
}

/// Each client has a repository of its own, and all push the same contents.
async fn client(http: Http, number: usize, again: Arc<AtomicU32>) {
    let repository = format!("r{number}");
    for round in 0..ROUNDS {
        let content = CONTENTS[(round + number) % CONTENTS.len()];
        let digest = digest_of(content);
        push(&http, &repository, content, &again).await;
        assert_eq!(pull(&http, &repository, &digest).await, StatusCode::OK, "round {round}");
        if round % 3 == 0 {
            let to = format!("m{number}");
            let path = format!("/v2/{to}/blobs/uploads/?mount={digest}&from={repository}");
            expect(send(http.request(Method::POST, &path)).await, StatusCode::CREATED).await;
            assert_eq!(pull(&http, &to, &digest).await, StatusCode::OK, "round {round}");
            let path = format!("/v2/{to}/blobs/{digest}");
            expect(http.delete(&path).await, StatusCode::ACCEPTED).await;
        }
        let path = format!("/v2/{repository}/blobs/{digest}");
        expect(http.delete(&path).await, StatusCode::ACCEPTED).await;
    }
}

#[tokio::test]
async fn no_acknowledged_push_is_lost_to_the_collector() {
    // The grace does not count for what clients delete.
    let orlop = start(AT_ONCE).await;
    let again = Arc::new(AtomicU32::new(0));
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(client(orlop.http(), number, Arc::clone(&again)));
    }
    let is_over = AtomicBool::new(false);
    let collector = Collector::new(&orlop, 3600).await;
    let collecting = async {
        let mut removed = 0;
        while !is_over.load(Ordering::Relaxed) {
            removed += collector.round().await;
        }
        removed
    };
    let pushing = async {
        clients.join_all().await;
        is_over.store(true, Ordering::Relaxed);
    };
    let (removed, ()) = tokio::join!(collecting, pushing);
    let again = again.load(Ordering::Relaxed);
    println!("the collector removed {removed} blobs; {again} pushes were told to come again");
    assert!(removed > 0);
    collect_until(&orlop, 0).await;
}

/// Manifests get hold of blobs while these lose their grace.
#[tokio::test]
async fn a_manifest_finds_its_blobs_or_is_refused() {
    let orlop = start(AT_ONCE).await;
    let http = orlop.http();
    let collector = Collector::new(&orlop, 0).await;
    let is_over = AtomicBool::new(false);
    let collecting = async {
        while !is_over.load(Ordering::Relaxed) {
            collector.hurry().await;
            collector.round().await;
        }
    };
    let pushing = async {
        let mut refused = 0;
        for round in 0..40 {
            let layer = format!("layer {round}");
            let blob = http.push_blob("a", layer.clone()).await;
            let content = format!(
                r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","artifactType":"text/plain",
                "config":{{"mediaType":"text/plain","digest":"{blob}","size":{}}},"layers":[]}}"#,
                layer.len()
            );
            let tag = format!("t{round}");
            let answer = http.put_manifest("a", &tag, OCI_MANIFEST, content).await.status();
            if answer == StatusCode::CREATED {
                assert_eq!(pull(&http, "a", &blob).await, StatusCode::OK);
            } else {
                assert_eq!(answer, StatusCode::BAD_REQUEST);
                refused += 1;
            }
        }
        is_over.store(true, Ordering::Relaxed);
        refused
    };
    let ((), refused) = tokio::join!(collecting, pushing);
    let kept = 40 - refused;
    println!("{kept} manifests found their blobs");
    age(&orlop).await;
    collect_until(&orlop, kept).await;
}
