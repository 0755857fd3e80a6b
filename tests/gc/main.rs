//! Garbage: its space comes back, and nothing else goes, while clients push.

#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "each test binary uses its part of the harness")]
mod support;

mod races;
mod reasons;
mod remains;
mod rounds;

use std::time::{Duration, Instant};

use orlop::metadata::Database;
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use support::http::{OCI_MANIFEST, expect};
use support::{Http, Options, Orlop, digest_of};

/// What is deleted is gone for good at once, and no server collects by itself: tests say when.
const AT_ONCE: &str = "\
    [registry]\n\
    deleted_retention_days = 0\n\
    upload_expiry_seconds = 3600\n\
    [gc]\n\
    enabled = false\n\
    grace_seconds = 3600\n\
    delay_seconds = 0\n";

async fn start(config: &str) -> Orlop {
    Orlop::start(Options { config: Some(config.into()), ..Options::default() }).await
}

/// One round of the collector; what it tells.
async fn collect(orlop: &Orlop) -> Value {
    let told = orlop.run(&["gc", "--output", "json"]).await;
    serde_json::from_str(&told).expect("it prints JSON")
}

async fn forecast(orlop: &Orlop) -> Vec<Value> {
    let told = orlop.run(&["gc", "--dry-run", "--output", "json"]).await;
    serde_json::from_str(&told).expect("it prints JSON")
}

/// Collects until the store holds `blobs` blobs.
async fn collect_until(orlop: &Orlop, blobs: usize) {
    let give_up_at = Instant::now() + Duration::from_secs(60);
    while orlop.stored_blobs().await.len() != blobs {
        assert!(
            Instant::now() < give_up_at,
            "not {blobs} blobs, but {:#?}\n{:#?}",
            orlop.stored_blobs().await,
            forecast(orlop).await
        );
        collect(orlop).await;
    }
    // And no more go.
    collect(orlop).await;
    assert_eq!(orlop.stored_blobs().await.len(), blobs);
}

/// Lets time pass for the database: what it notes for later is due, and what it holds is old.
async fn age(orlop: &Orlop) {
    for sql in [
        "UPDATE gc_queue SET review_at = 0",
        "UPDATE gc_objects SET remove_at = 0",
        "UPDATE repository_blobs SET linked_at = 0",
        "UPDATE manifests SET updated_at = 0",
        "UPDATE blobs SET marked_at = 0 WHERE marked_at IS NOT NULL",
    ] {
        change(orlop, sql.into()).await;
    }
}

async fn change(orlop: &Orlop, sql: String) {
    let database = Database::open(orlop.database_url(), 1).await.expect("the database is there");
    let mut transaction = database.begin().await.expect("it can be written");
    sqlx::query(AssertSqlSafe(sql)).execute(&mut *transaction).await.expect("it does it");
    transaction.commit().await.expect("it does it");
    database.close().await;
}

async fn delete(http: &Http, path: &str) {
    expect(http.delete(path).await, StatusCode::ACCEPTED).await;
}

async fn pull(http: &Http, repository: &str, digest: &str) -> StatusCode {
    let answer = http.get(&format!("/v2/{repository}/blobs/{digest}")).await;
    let status = answer.status();
    if status == StatusCode::OK {
        assert_eq!(digest_of(answer.bytes().await.expect("the body arrives whole")), digest);
    }
    status
}

/// A manifest without layers that refers to a subject.
fn referrer(subject: &str, kind: &str) -> String {
    json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": format!("application/vnd.example.{kind}"),
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest_of("{}"), "size": 2},
        "layers": [],
        "subject": {"mediaType": OCI_MANIFEST, "digest": subject, "size": 100},
    })
    .to_string()
}
