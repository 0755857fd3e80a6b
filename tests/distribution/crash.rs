//! What was acknowledged is there after a crash, and what was not is not.

use reqwest::{Method, StatusCode};

use super::support::http::{expect, header};
use super::support::{Options, Orlop, digest_of};
use super::uploads::patch;

#[tokio::test]
async fn an_upload_goes_on_after_a_restart_in_its_middle() {
    let mut orlop = Orlop::start(Options::default()).await;
    let location = orlop.http().start_upload("a").await;
    expect(patch(&orlop.http(), &location, None, "abc").await, StatusCode::ACCEPTED).await;
    assert!(orlop.stop().await.success());
    orlop.restart().await;
    let status = expect(orlop.http().get(&location).await, StatusCode::NO_CONTENT).await;
    assert_eq!(header(&status, "range"), "0-2");
    let answer = patch(&orlop.http(), &location, Some("3-5"), "def").await;
    expect(answer, StatusCode::ACCEPTED).await;
    orlop.kill().await;
    orlop.restart().await;
    let digest = digest_of("abcdefghi");
    let answer = orlop.http().finish_upload(&location, &digest, "ghi").await;
    expect(answer, StatusCode::CREATED).await;
    let got = orlop.http().get(&format!("/v2/a/blobs/{digest}")).await;
    assert_eq!(got.text().await.unwrap(), "abcdefghi");
}

#[tokio::test]
async fn a_kill_in_the_middle_of_a_request_leaves_the_session_as_it_was_acknowledged() {
    let mut orlop = Orlop::start(Options::default()).await;
    let location = orlop.http().start_upload("a").await;
    expect(patch(&orlop.http(), &location, None, "abc").await, StatusCode::ACCEPTED).await;

    // A body of which the server has read much, and that does not end.
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Vec<u8>, std::io::Error>>(1);
    let body = futures_util::stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|item| (item, receiver))
    });
    let request = orlop.http().request(Method::PATCH, &location);
    let request = request.body(reqwest::Body::wrap_stream(body));
    let running = tokio::spawn(request.send());
    for _ in 0..64 {
        sender.send(Ok(vec![b'x'; 64 << 10])).await.unwrap();
    }
    orlop.kill().await;
    drop(sender);
    assert!(running.await.unwrap().is_err());

    orlop.restart().await;
    let status = expect(orlop.http().get(&location).await, StatusCode::NO_CONTENT).await;
    assert_eq!(header(&status, "range"), "0-2");
    let digest = digest_of("abcdef");
    let answer = orlop.http().finish_upload(&location, &digest, "def").await;
    expect(answer, StatusCode::CREATED).await;
    let got = orlop.http().get(&format!("/v2/a/blobs/{digest}")).await;
    assert_eq!(got.text().await.unwrap(), "abcdef");
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    let mut orlop = Orlop::start(Options::default()).await;
    // Many clients push until the server dies under them; each notes what it was told.
    let (told, mut hear) = tokio::sync::mpsc::unbounded_channel();
    let mut clients = Vec::new();
    for client in 0..4 {
        let (http, told) = (orlop.http(), told.clone());
        clients.push(tokio::spawn(async move {
            for n in 0.. {
                let (repository, layer) = (format!("r{client}"), format!("layer {client} {n}"));
                let digest = digest_of(&layer);
                let path = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
                let Ok(answer) = http.request(Method::POST, &path).body(layer).send().await else {
                    return;
                };
                if answer.status() != StatusCode::CREATED {
                    return;
                }
                let path = format!("/v2/{repository}/blobs/{digest}");
                if told.send(path).is_err() {
                    return;
                }
            }
        }));
    }
    drop(told);
    let mut acknowledged = Vec::new();
    while acknowledged.len() < 100 {
        acknowledged.push(hear.recv().await.expect("the clients push until the server dies"));
    }
    orlop.kill().await;
    while let Some(path) = hear.recv().await {
        acknowledged.push(path);
    }
    for client in clients {
        client.await.unwrap();
    }
    orlop.restart().await;
    for path in acknowledged {
        let answer = expect(orlop.http().get(&path).await, StatusCode::OK).await;
        let content = answer.bytes().await.unwrap();
        assert!(path.ends_with(&digest_of(content)), "{path}");
    }
}

#[tokio::test]
async fn sessions_and_their_bytes_are_removed_when_they_expire() {
    let config = Some("[registry]\nupload_expiry_seconds = 1\n".into());
    let mut orlop = Orlop::start(Options { config, ..Options::default() }).await;
    let location = orlop.http().start_upload("a").await;
    expect(patch(&orlop.http(), &location, None, "abc").await, StatusCode::ACCEPTED).await;
    orlop.leave_upload_bytes().await;
    orlop.kill().await;
    orlop.restart().await;
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !orlop.upload_bytes().await.is_empty() {
        assert!(std::time::Instant::now() < deadline, "the sessions' bytes are still there");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    expect(orlop.http().get(&location).await, StatusCode::NOT_FOUND).await;
}
