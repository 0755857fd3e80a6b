//! How rounds run and what they tell.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::StatusCode;

use super::support::http::expect;
use super::support::{Options, Orlop, digest_of};
use super::{AT_ONCE, age, collect, collect_until, delete, forecast, start};

#[tokio::test]
async fn a_dry_run_tells_what_goes_and_why_and_removes_nothing() {
    let orlop = start(&AT_ONCE.replace("retention_days = 0", "retention_days = 7")).await;
    let http = orlop.http();
    let deleted = http.push_artifact("team/deleted", "1", b"layer one").await;
    delete(&http, &format!("/v2/team/deleted/manifests/{deleted}")).await;
    http.push_artifact("team/kept", "1", b"layer two").await;
    let needless = http.push_blob("team/needless", "nobody needs this").await;
    // In a bucket, what was pushed twice has two objects at first.
    collect_until(&orlop, 4).await;
    let mut findings = forecast(&orlop).await;
    findings.sort_by_key(|finding| finding["kind"].to_string());
    assert_eq!(findings.len(), 2, "{findings:#?}");
    let blob = &findings[0];
    assert_eq!(blob["repository"], "team/needless");
    assert_eq!(blob["digest"], needless.as_str());
    assert_eq!((blob["kind"].as_str(), blob["size"].as_u64()), (Some("blob"), Some(17)));
    assert!(blob["reason"].as_str().unwrap().contains("no manifest needs it"), "{blob}");
    let manifest = &findings[1];
    assert_eq!(manifest["digest"], deleted.as_str());
    assert!(manifest["reason"].as_str().unwrap().contains("deleted"), "{manifest}");
    assert!(manifest["notBefore"].as_str() > blob["notBefore"].as_str());

    let table = orlop.run(&["gc", "--dry-run"]).await;
    assert!(table.lines().next().unwrap().starts_with("NOT BEFORE"), "{table}");
    assert!(table.contains(&needless), "{table}");
    age(&orlop).await;
    assert_eq!(forecast(&orlop).await.len(), 2);
    let collected = collect(&orlop).await;
    assert_eq!(collected["links"], 1, "{collected}");
    assert!(orlop.run(&["gc"]).await.contains("bytes freed"));
}

#[tokio::test]
async fn servers_collect_by_themselves_and_count_it() {
    let config = AT_ONCE
        .replace("enabled = false", "interval_seconds = 1")
        .replace("grace_seconds = 3600", "grace_seconds = 1");
    let orlop = start(&config).await;
    let http = orlop.http();
    http.push_blob("a", "0123456789").await;
    let give_up_at = Instant::now() + Duration::from_secs(60);
    while !orlop.stored_blobs().await.is_empty() {
        assert!(Instant::now() < give_up_at, "{:?}", orlop.stored_blobs().await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    loop {
        let metrics = http.get("/metrics").await.text().await.unwrap();
        if metrics.contains("orlop_gc_freed_bytes_total 10\n")
            && metrics.contains("orlop_gc_removed_total{kind=\"blob\"} 1\n")
        {
            break;
        }
        assert!(Instant::now() < give_up_at, "{metrics}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Several collectors on one database: each thing is removed by one of them.
#[tokio::test]
async fn several_collectors_never_remove_a_thing_twice() {
    const BLOBS: u64 = 250;
    let options = Options { config: Some(AT_ONCE.into()), ..Options::default() };
    let Some(servers) = Orlop::replicas(2, options).await else { return };
    let http = servers[0].http();
    let pushes = (0..BLOBS).map(async |n| {
        let content = format!("content {n}");
        let path = format!("/v2/r{}/blobs/uploads/?digest={}", n % 3, digest_of(&content));
        let push = http.request(reqwest::Method::POST, &path).body(content);
        expect(push.send().await.unwrap(), StatusCode::CREATED).await;
    });
    join_all(pushes).await;
    age(&servers[0]).await;
    let mut removed = (0, 0);
    let give_up_at = Instant::now() + Duration::from_secs(60);
    while !servers[0].stored_blobs().await.is_empty() {
        assert!(Instant::now() < give_up_at, "{} are left", servers[0].stored_blobs().await.len());
        for collected in join_all((0..4).map(|n| collect(&servers[n % 2]))).await {
            removed.0 += collected["links"].as_u64().unwrap();
            removed.1 += collected["blobs"].as_u64().unwrap();
        }
    }
    assert_eq!(removed, (BLOBS, BLOBS));
}
