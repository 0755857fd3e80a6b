//! A server that dies, and a database that comes back.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use sqlx::Connection as _;

use super::replicas;
use super::support::digest_of;
use super::support::http::{Http, expect, header, send};

const DEADLINE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

/// A body that does not end before its sender is dropped.
fn endless() -> (tokio::sync::mpsc::Sender<Result<Vec<u8>, std::io::Error>>, reqwest::Body) {
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let body = futures_util::stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|item| (item, receiver))
    });
    (sender, reqwest::Body::wrap_stream(body))
}

#[tokio::test]
async fn an_upload_goes_on_elsewhere_when_its_server_dies_in_the_middle() {
    let Some(mut servers) = replicas(2).await else { return };
    let location = servers[0].http().start_upload("a").await;
    let first = servers[0].http().request(Method::PATCH, &location).body("abc");
    expect(send(first).await, StatusCode::ACCEPTED).await;

    let (sender, body) = endless();
    let second = servers[0].http().request(Method::PATCH, &location).body(body);
    let running = tokio::spawn(second.send());
    let id = location.rsplit('/').next().unwrap().split('?').next().unwrap();
    let file = servers[0].data_dir().join("uploads").join(id);
    let deadline = Instant::now() + DEADLINE;
    // Until the server has written some of it, and so holds the session.
    while std::fs::metadata(&file).unwrap().len() <= 3 {
        assert!(Instant::now() < deadline, "nothing of the body is written");
        sender.send(Ok(vec![b'x'; 64 << 10])).await.unwrap();
    }
    servers[0].kill().await;
    drop(sender);
    assert!(running.await.unwrap().is_err());

    let there = servers[1].http();
    let status = expect(there.get(&location).await, StatusCode::NO_CONTENT).await;
    assert_eq!(header(&status, "range"), "0-2");
    let digest = digest_of("abcdef");
    expect(there.finish_upload(&location, &digest, "def").await, StatusCode::CREATED).await;
    let got = expect(there.get(&format!("/v2/a/blobs/{digest}")).await, StatusCode::OK).await;
    assert_eq!(got.text().await.unwrap(), "abcdef");
}

#[tokio::test]
async fn a_server_that_only_slept_does_not_touch_what_another_took_over() {
    let Some(servers) = replicas(2).await else { return };
    let location = servers[0].http().start_upload("a").await;
    let first = servers[0].http().request(Method::PATCH, &location).body("abc");
    expect(send(first).await, StatusCode::ACCEPTED).await;

    let (sender, body) = endless();
    let second = servers[0].http().request(Method::PATCH, &location).body(body);
    let running = tokio::spawn(second.send());
    let id = location.rsplit('/').next().unwrap().split('?').next().unwrap();
    let file = servers[0].data_dir().join("uploads").join(id);
    let deadline = Instant::now() + DEADLINE;
    while std::fs::metadata(&file).unwrap().len() <= 3 {
        assert!(Instant::now() < deadline, "nothing of the body is written");
        sender.send(Ok(vec![b'x'; 64 << 10])).await.unwrap();
    }
    servers[0].signal("-STOP").await;

    let there = servers[1].http();
    let rest = vec![b'y'; 8 << 20];
    let whole = [&b"abc"[..], &rest].concat();
    let digest = digest_of(&whole);
    expect(there.finish_upload(&location, &digest, rest).await, StatusCode::CREATED).await;

    // It wakes up in the middle of its request and finds that the session is no longer its own.
    servers[0].signal("-CONT").await;
    while sender.send(Ok(vec![b'x'; 64 << 10])).await.is_ok() {
        assert!(Instant::now() < deadline, "the request goes on without its session");
    }
    drop(sender);
    if let Ok(answer) = running.await.unwrap() {
        assert_eq!(answer.status(), StatusCode::CONFLICT);
    }
    for server in &servers {
        let path = format!("/v2/a/blobs/{digest}");
        let got = expect(server.http().get(&path).await, StatusCode::OK).await;
        assert_eq!(digest_of(got.bytes().await.unwrap()), digest);
    }
}

#[tokio::test]
async fn a_killed_server_harms_nobody_else() {
    let Some(mut servers) = replicas(3).await else { return };
    let (told, mut hear) = tokio::sync::mpsc::unbounded_channel();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..6 {
        let (http, told, stopped) = (servers[client % 3].http(), told.clone(), stopped.clone());
        clients.spawn(async move {
            let mut failures = 0;
            for n in 0.. {
                if *stopped.borrow() {
                    break;
                }
                match push(&http, client, n).await {
                    Some(path) => told.send((client, path)).unwrap(),
                    None => {
                        failures += 1;
                        break;
                    }
                }
            }
            (client, failures)
        });
    }
    drop(told);
    let mut acknowledged = Vec::new();
    while acknowledged.len() < 60 {
        acknowledged.push(hear.recv().await.expect("the clients push"));
    }
    servers[0].kill().await;
    let until = acknowledged.len() + 60;
    while acknowledged.len() < until {
        let (client, path) = hear.recv().await.expect("the others push on");
        acknowledged.push((client, path));
    }
    stop.send(true).unwrap();
    while let Some(told) = hear.recv().await {
        acknowledged.push(told);
    }
    for (client, failures) in clients.join_all().await {
        assert!(client % 3 == 0 || failures == 0, "client {client} failed");
    }
    for (_, path) in acknowledged {
        for server in &servers[1..] {
            let answer = expect(server.http().get(&path).await, StatusCode::OK).await;
            let content = answer.bytes().await.unwrap();
            assert!(path.ends_with(&digest_of(content)), "{path}");
        }
    }
}

/// Pushes a blob, and gives its path if that was acknowledged.
async fn push(http: &Http, client: usize, n: u32) -> Option<String> {
    let layer = format!("layer {client} {n}");
    let digest = digest_of(&layer);
    // All into one repository, so that they meet in its rows.
    let path = format!("/v2/a/blobs/uploads/?digest={digest}");
    let answer = http.request(Method::POST, &path).body(layer).send().await.ok()?;
    (answer.status() == StatusCode::CREATED).then(|| format!("/v2/a/blobs/{digest}"))
}

#[tokio::test]
async fn when_the_database_ends_all_connections_service_goes_on_by_itself() {
    let Some(servers) = replicas(2).await else { return };
    let https: Vec<_> = servers.iter().map(|server| server.http()).collect();
    https[0].push_artifact("a", "1", b"text").await;
    for _ in 0..5 {
        // As a restart of the database does.
        let mut connection = sqlx::PgConnection::connect(servers[0].database_url()).await.unwrap();
        sqlx::query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .execute(&mut connection)
        .await
        .unwrap();
        connection.close().await.unwrap();
        for http in &https {
            let deadline = Instant::now() + DEADLINE;
            loop {
                match http.get("/v2/a/manifests/1").await.status() {
                    StatusCode::OK => break,
                    StatusCode::SERVICE_UNAVAILABLE => {}
                    other => panic!("{other}"),
                }
                assert!(Instant::now() < deadline, "the server does not come back");
                tokio::time::sleep(POLL).await;
            }
        }
    }
    https[1].push_artifact("a", "2", b"more").await;
}
