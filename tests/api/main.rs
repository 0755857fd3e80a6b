//! The management API of content: what it shows and does, and its description.

#[allow(dead_code, unused_imports, reason = "each test binary uses its own part of the harness")]
#[path = "../support/mod.rs"]
mod support;

mod cli;
mod content;
mod description;
mod promotion;
mod pulls;
mod storage;

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::Value;
use support::Http;
use support::http::{expect, json_of};

async fn get(http: &Http, path: &str) -> Value {
    json_of(expect(http.get(path).await, StatusCode::OK).await).await
}

async fn until(what: &str, mut question: impl AsyncFnMut() -> bool) {
    let give_up_at = Instant::now() + Duration::from_secs(60);
    while !question().await {
        assert!(Instant::now() < give_up_at, "{what}: not within a minute");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
