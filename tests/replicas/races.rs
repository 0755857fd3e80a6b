//! Changes through several servers at the same time have the outcome of some order of them.

use std::collections::HashMap;

use futures_util::future::join_all;
use orlop::metadata::Database;
use reqwest::{Method, StatusCode};
use serde_json::json;
use sqlx::Row as _;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::replicas;
use super::support::http::{Http, OCI_MANIFEST, expect, header, send};
use super::support::{Orlop, digest_of};

fn manifest(config: &str, n: usize) -> String {
    json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": "application/vnd.example.test",
        "config": {
            "mediaType": "application/vnd.oci.empty.v1+json", "digest": config, "size": 2,
        },
        "layers": [],
        "annotations": {"n": n.to_string()},
    })
    .to_string()
}

/// The digests that a tag of the repository `a` named, in the order of its history.
async fn history(server: &Orlop, tag: &str) -> Vec<String> {
    let database = Database::open(server.database_url(), 2).await.unwrap();
    let rows = sqlx::query("SELECT digest FROM tag_history WHERE name = $1 ORDER BY id");
    let rows = rows.bind(tag).fetch_all(&mut *database.read().await.unwrap()).await.unwrap();
    database.close().await;
    rows.iter().map(|row| row.get("digest")).collect()
}

/// Reads a tag through one server after the other until there is nothing new to see, and gives
/// what it named.
async fn watch(https: Vec<Http>, tag: &'static str, last: watch::Receiver<bool>) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    for http in https.iter().cycle() {
        let is_last = *last.borrow();
        let answer = http.head(&format!("/v2/a/manifests/{tag}")).await;
        let digest = header(&expect(answer, StatusCode::OK).await, "docker-content-digest");
        if seen.last() != Some(&digest) {
            seen.push(digest);
        }
        if is_last {
            break;
        }
    }
    seen
}

#[tokio::test]
async fn a_tag_moves_in_one_order_whoever_moves_it() {
    const WRITERS: usize = 6;
    const MOVES: usize = 10;
    let Some(servers) = replicas(3).await else { return };
    let https: Vec<_> = servers.iter().map(|server| server.http()).collect();
    let config = https[0].push_blob("a", "{}").await;
    let first = manifest(&config, usize::MAX);
    let pushed = https[0].put_manifest("a", "latest", OCI_MANIFEST, first.clone()).await;
    expect(pushed, StatusCode::CREATED).await;

    let (end, ended) = watch::channel(false);
    let watchers: Vec<_> =
        (0..2).map(|_| tokio::spawn(watch(https.clone(), "latest", ended.clone()))).collect();
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (http, config) = (https[writer % 3].clone(), config.clone());
        writers.spawn(async move {
            let mut pushed = Vec::new();
            for n in 0..MOVES {
                let content = manifest(&config, writer * MOVES + n);
                let digest = digest_of(&content);
                let answer = http.put_manifest("a", "latest", OCI_MANIFEST, content).await;
                expect(answer, StatusCode::CREATED).await;
                pushed.push(digest);
            }
            pushed
        });
    }
    let pushed = writers.join_all().await;
    end.send(true).unwrap();

    let history = history(&servers[0], "latest").await;
    let place: HashMap<_, _> =
        history.iter().enumerate().map(|(place, digest)| (digest.clone(), place)).collect();
    // Every move once, the moves of each writer in its own order.
    assert_eq!(history.len(), 1 + WRITERS * MOVES);
    assert_eq!(place.len(), history.len());
    for pushed in pushed {
        assert!(pushed.iter().is_sorted_by_key(|digest| place[digest]));
    }
    // Readers never see an older state after a newer one, whatever server they ask.
    for watcher in watchers {
        let seen = watcher.await.unwrap();
        assert!(seen.iter().is_sorted_by_key(|digest| place[digest]), "{seen:?}\n{history:?}");
        assert_eq!(seen.last(), history.last());
    }
}

#[tokio::test]
async fn the_same_push_through_all_servers_at_once_is_one_push() {
    let Some(servers) = replicas(3).await else { return };
    for round in 0..10 {
        let layer = format!("layer {round}");
        let repository = format!("r{round}");
        let pushes = servers.iter().map(async |server| {
            server.http().push_artifact(&repository, "latest", layer.as_bytes()).await
        });
        let digests = join_all(pushes).await;
        assert!(digests.iter().all(|digest| *digest == digests[0]));
    }
}

#[tokio::test]
async fn a_blob_is_deleted_or_used_but_not_both() {
    let Some(servers) = replicas(2).await else { return };
    let (here, there) = (servers[0].http(), servers[1].http());
    let (mut deleted, mut used) = (0, 0);
    for round in 0..30 {
        let content = format!("{round:02}");
        let blob = here.push_blob("a", content).await;
        let path = format!("/v2/a/blobs/{blob}");
        let (delete, push) = tokio::join!(
            here.delete(&path),
            there.put_manifest("a", "latest", OCI_MANIFEST, manifest(&blob, round)),
        );
        match (delete.status(), push.status()) {
            (StatusCode::ACCEPTED, StatusCode::BAD_REQUEST) => deleted += 1,
            (StatusCode::METHOD_NOT_ALLOWED, StatusCode::CREATED) => {
                expect(here.get(&path).await, StatusCode::OK).await;
                used += 1;
            }
            other => panic!("round {round}: {other:?}"),
        }
    }
    assert_eq!(deleted + used, 30);
}

#[tokio::test]
async fn owners_who_shut_each_other_out_leave_one() {
    let Some(servers) = replicas(2).await else { return };
    let admin = servers[0].http();
    let bob = json!({"name": "bob", "password": "a long password"});
    let create = admin.request(Method::POST, "/api/v1/users").json(&bob);
    expect(send(create).await, StatusCode::CREATED).await;
    let role = json!({"identity": "bob", "role": "Owner", "repositories": "*"});
    let assign = admin.request(Method::POST, "/api/v1/assignments").json(&role);
    expect(send(assign).await, StatusCode::CREATED).await;
    let bob = servers[1].anonymous().signed_in_as("bob", "a long password");
    let set = async |http: &Http, name: &str, enabled: bool| {
        let body = json!({"enabled": enabled});
        let request = http.request(Method::PATCH, &format!("/api/v1/users/{name}")).json(&body);
        send(request).await.status()
    };
    for round in 0..10 {
        let outcome = tokio::join!(set(&admin, "bob", false), set(&bob, "admin", false));
        let shut_out = |status: StatusCode| status.is_success();
        match outcome {
            (one, other) if shut_out(one) && !shut_out(other) => {
                assert!(set(&admin, "bob", true).await.is_success());
            }
            (one, other) if !shut_out(one) && shut_out(other) => {
                assert!(set(&bob, "admin", true).await.is_success());
            }
            other => panic!("round {round}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn pushes_and_deletions_of_a_repository_at_once_fail_nobody_for_no_reason() {
    let Some(servers) = replicas(3).await else { return };
    let mut clients = JoinSet::new();
    for (client, server) in servers.iter().chain(&servers).enumerate() {
        let http = server.http();
        clients.spawn(async move {
            for round in 0..8 {
                let layer = format!("layer {client} {round}");
                let blob = http.push_blob("a", layer).await;
                let pushed = http
                    .put_manifest("a", "latest", OCI_MANIFEST, sized(&blob, 9 + 2))
                    .await
                    .status();
                // Somebody may have deleted the repository since the blob came in.
                assert!(
                    [StatusCode::CREATED, StatusCode::BAD_REQUEST].contains(&pushed),
                    "{pushed}"
                );
                if client % 3 == 0 {
                    let deleted = http.delete("/acr/v1/a").await.status();
                    assert!(
                        [StatusCode::ACCEPTED, StatusCode::NOT_FOUND].contains(&deleted),
                        "{deleted}"
                    );
                }
            }
        });
    }
    clients.join_all().await;
    let http = servers[0].http();
    let status = http.get("/v2/a/tags/list").await.status();
    assert!([StatusCode::OK, StatusCode::NOT_FOUND].contains(&status), "{status}");
}

fn sized(blob: &str, size: usize) -> String {
    json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": "application/vnd.example.test",
        "config": {"mediaType": "text/plain", "digest": blob, "size": size},
        "layers": [],
    })
    .to_string()
}

/// A request that is so slow that its hold on the session runs out, and another has it meanwhile.
#[tokio::test]
async fn a_session_that_another_request_took_is_not_said_to_be_cancelled() {
    let Some(servers) = replicas(1).await else { return };
    let http = servers[0].http();
    let session = http.start_upload("a").await;
    let database = Database::open(servers[0].database_url(), 2).await.expect("it is there");
    let change = async |sql: &'static str| {
        let mut transaction = database.begin().await.expect("it can be written");
        sqlx::query(sql).execute(&mut *transaction).await.expect("it is right");
        transaction.commit().await.expect("it can be written");
    };
    change(
        "CREATE FUNCTION take() RETURNS trigger LANGUAGE plpgsql
         AS 'BEGIN NEW.lease := ''another''; RETURN NEW; END'",
    )
    .await;
    change(
        "CREATE TRIGGER take BEFORE UPDATE ON uploads FOR EACH ROW
         WHEN (NEW.lease IS NOT NULL) EXECUTE FUNCTION take()",
    )
    .await;
    expect(http.delete(&session).await, StatusCode::CONFLICT).await;
    change("DROP TRIGGER take ON uploads").await;
    expect(http.get(&session).await, StatusCode::NO_CONTENT).await;
    expect(http.delete(&session).await, StatusCode::NO_CONTENT).await;
    expect(http.get(&session).await, StatusCode::NOT_FOUND).await;
}
