//! What is stored over time, and what goes on with it.

use futures_util::stream;
use orlop::metadata::gc_rounds::{self, GcRound};
use orlop::metadata::storage_samples::{self, DAY, HOUR};
use orlop::metadata::{Database, now};
use reqwest::{Body, Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::support::http::{expect, send};
use super::support::{Http, Options, Orlop};
use super::{get, until};

async fn samples(http: &Http, days: u32) -> Vec<Value> {
    let history = get(http, &format!("/api/v1/storage/history?days={days}")).await;
    history["samples"].as_array().unwrap().clone()
}

async fn activity(http: &Http) -> Value {
    get(http, "/api/v1/storage/activity").await
}

#[tokio::test]
async fn each_hour_one_sample_tells_what_is_stored() {
    let mut orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    // The first, of an empty registry, comes by itself.
    until("a sample", async || !samples(&http, 1).await.is_empty()).await;
    http.push_artifact("a", "1", b"0123456789").await;
    http.push_artifact("b", "1", b"0123456789").await;
    assert!(orlop.stop().await.success());
    let database = Database::open(orlop.database_url(), 1).await.unwrap();
    let mut transaction = database.begin().await.unwrap();
    sqlx::query("DELETE FROM storage_samples").execute(&mut *transaction).await.unwrap();
    for days in [40, 20, 2] {
        storage_samples::add(&mut transaction, now() - days * DAY).await.unwrap();
    }
    transaction.commit().await.unwrap();
    database.close().await;

    orlop.restart().await;
    let http = orlop.http();
    until("a new sample", async || samples(&http, 1).await.len() == 1).await;
    assert_eq!(samples(&http, 30).await.len(), 3);
    let all = samples(&http, 100).await;
    assert_eq!(all.len(), 4);
    assert!(all.is_sorted_by_key(|sample| sample["time"].as_str().unwrap().to_owned()), "{all:?}");
    let last = &all[3];
    // Both have the empty config and the layer.
    assert_eq!((&last["blobs"], &last["size"]), (&json!(2), &json!(12)));
    assert_eq!((&last["manifests"], &last["tags"]), (&json!(2), &json!(2)));
    assert_eq!(last["repositories"], 2);
    assert!(last["time"].as_str().unwrap().ends_with(":00:00.000000Z"), "{last}");
    let refused = http.get("/api/v1/storage/history?days=many").await;
    expect(refused, StatusCode::BAD_REQUEST).await;
}

#[tokio::test]
async fn rounds_of_the_collector_tell_what_they_did_and_silent_ones_are_over() {
    let config = "[gc]\nenabled = false\ngrace_seconds = 1\ndelay_seconds = 0\n".to_owned();
    let orlop = Orlop::start(Options { config: Some(config), ..Options::default() }).await;
    let http = orlop.http();
    assert_eq!(activity(&http).await["garbageCollection"], json!([]));
    http.push_blob("a", "0123456789").await;
    let rounds = async || activity(&http).await["garbageCollection"].as_array().unwrap().clone();
    until("the blob is collected", async || {
        orlop.run(&["gc"]).await;
        orlop.stored_blobs().await.is_empty()
    })
    .await;
    let sum = |rounds: &[Value], of: &str| -> u64 {
        rounds.iter().map(|round| round[of].as_u64().unwrap()).sum()
    };
    let found = rounds().await;
    assert_eq!((sum(&found, "blobs"), sum(&found, "bytes"), sum(&found, "links")), (1, 10, 1));
    let is = |round: &Value, state: &str| round["state"] == state && round["failed"] == false;
    assert!(found.iter().all(|round| is(round, "finished")), "{found:#?}");
    // Of those that found nothing the last is kept.
    orlop.run(&["gc"]).await;
    let found = rounds().await;
    assert!(found[1..].iter().all(|round| round["reviewed"] != 0), "{found:#?}");

    let round = |started_at: i64, updated_at: i64| GcRound {
        id: Uuid::new_v4(),
        started_at,
        updated_at,
        finished_at: None,
        has_failed: false,
        reviewed: 10,
        due: 40,
        manifests: 0,
        links: 0,
        blobs: 0,
        bytes: 0,
    };
    let database = Database::open(orlop.database_url(), 1).await.unwrap();
    for round in [round(now() - HOUR, now()), round(now() - 2 * HOUR, now() - HOUR)] {
        let mut transaction = database.begin().await.unwrap();
        gc_rounds::save(&mut transaction, &round).await.unwrap();
        transaction.commit().await.unwrap();
    }
    database.close().await;
    let found = rounds().await;
    let states: Vec<_> = found.iter().rev().take(2).map(|round| &round["state"]).collect();
    assert_eq!(states, ["stopped", "running"], "{found:#?}");
    assert_eq!(found[found.len() - 1]["due"], 40);
}

#[tokio::test]
async fn a_scrub_tells_how_far_it_is_and_the_last_result_stays() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    for n in 0..3 {
        http.push_artifact("a", &n.to_string(), &vec![n; 100_000]).await;
    }
    let seen = activity(&http).await;
    assert!(seen["scrub"].is_null() && seen["lastScrub"].is_null(), "{seen}");
    orlop.run(&["scrub"]).await;
    let last = activity(&http).await["lastScrub"].clone();
    assert_eq!((&last["state"], &last["faults"]), (&json!("finished"), &json!(0)));
    assert_eq!((&last["blobs"], &last["totalBlobs"]), (&json!(4), &json!(4)));
    assert_eq!((&last["manifests"], &last["totalManifests"]), (&json!(3), &json!(3)));
    assert_eq!(last["totalBytes"], 300_002);

    // One that is held down is seen while it runs, and once it has died it does not run for ever.
    let slow = orlop.run(&["scrub", "--rate", "20000"]);
    let look = async {
        until("it runs", async || activity(&http).await["scrub"]["state"] == "running").await;
        let seen = activity(&http).await;
        assert_eq!(seen["scrub"]["totalBytes"], 300_002);
        assert_eq!(seen["lastScrub"], last);
    };
    // The loser is dropped, and its process killed with it.
    tokio::select! {
        told = slow => panic!("it ended: {told}"),
        () = look => {}
    }
    until("it is over", async || activity(&http).await["scrub"]["state"] == "stopped").await;
    orlop.run(&["scrub"]).await;
    let seen = activity(&http).await;
    assert!(seen["scrub"].is_null() && seen["lastScrub"]["state"] == "finished", "{seen}");
}

#[tokio::test]
async fn an_upload_is_seen_while_its_bytes_arrive() {
    let config = "[registry]\nupload_lease_seconds = 1\n".to_owned();
    let orlop = Orlop::start(Options { config: Some(config), ..Options::default() }).await;
    let http = orlop.http();
    let location = http.start_upload("team/app").await;
    let uploads = async || activity(&http).await["uploads"].as_array().unwrap().clone();
    let upload = uploads().await[0].clone();
    assert_eq!((&upload["repository"], &upload["actor"]), (&json!("team/app"), &json!("admin")));
    assert_eq!((&upload["received"], &upload["receiving"]), (&json!(0), &json!(false)));

    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Vec<u8>, std::io::Error>>(1);
    let parts = stream::unfold(receiver, async |mut receiver| {
        let part = receiver.recv().await?;
        Some((part, receiver))
    });
    let body = Body::wrap_stream(Box::pin(parts));
    let request = http.request(Method::PATCH, &location).header("content-length", 8 << 20);
    let sending = tokio::spawn(send(request.body(body)));
    sender.send(Ok(vec![7; 4 << 20])).await.unwrap();
    until("bytes arrive", async || {
        let upload = uploads().await[0].clone();
        let received = upload["received"].as_u64().unwrap();
        assert!(received <= 4 << 20, "{upload}");
        upload["receiving"] == true && received >= 2 << 20 && upload["expected"] == (8 << 20)
    })
    .await;
    sender.send(Ok(vec![7; 4 << 20])).await.unwrap();
    drop(sender);
    expect(sending.await.unwrap(), StatusCode::ACCEPTED).await;
    let upload = uploads().await[0].clone();
    assert_eq!((&upload["received"], &upload["receiving"]), (&json!(8 << 20), &json!(false)));
    assert!(upload["expected"].is_null());
    expect(http.delete(&location).await, StatusCode::NO_CONTENT).await;
    assert_eq!(uploads().await, Vec::<Value>::new());
}
