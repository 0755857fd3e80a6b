use std::time::Duration;

use serde_json::json;

use crate::samples::artifact;
use crate::site::Site;
use crate::support::{Options, Orlop};

/// Far above what it takes; a stream that says nothing fails the test instead of blocking it.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// The next event's data.
pub async fn next(stream: &mut reqwest::Response, text: &mut String) -> String {
    let read = async {
        loop {
            if let Some((event, rest)) = text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                *text = rest;
                if let Some(data) = event.lines().find_map(|line| line.strip_prefix("data: ")) {
                    return data.to_owned();
                }
                continue;
            }
            let bytes = stream.chunk().await.unwrap().expect("the stream goes on");
            text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    };
    tokio::time::timeout(TIME_LIMIT, read).await.expect("an event comes")
}

#[tokio::test]
async fn a_push_and_a_deletion_are_told_at_once_and_a_stopping_server_waits_for_nobody() {
    let mut server = Orlop::start(Options::default()).await;
    let http = server.http();
    let push = async |tag: &str| {
        let layer = ("text/plain", tag.as_bytes());
        artifact(&http, "team/app", Some(tag), "application/vnd.example", layer, json!({})).await
    };
    push("1").await;
    let site = Site::admin(&server).await;
    for path in ["/events", "/r/team/app/-/events"] {
        let mut stream = site.stream(path).await;
        assert_eq!(stream.headers()["content-type"], "text/event-stream");
        let mut text = String::new();
        let before = next(&mut stream, &mut text).await;
        push("2").await;
        let after_push = next(&mut stream, &mut text).await;
        assert_ne!(before, after_push);
        site.post("/r/team/app/-/tags/2/untag", &[]).await;
        assert_ne!(after_push, next(&mut stream, &mut text).await);
    }
    let mut stream = site.stream("/events").await;
    next(&mut stream, &mut String::new()).await;
    assert!(server.stop().await.success());
    assert!(
        !server.output().contains("closing connections that did not end"),
        "{}",
        server.output()
    );
}
