//! How often content is pulled.

use reqwest::header::IF_NONE_MATCH;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::get;
use super::support::http::{expect, send};
use super::support::{Http, Options, Orlop};

const REPOSITORY: &str = "team/app";
const PATH: &str = "/api/v1/repositories/team%2Fapp";

async fn pull(http: &Http, reference: &str) {
    let path = format!("/v2/{REPOSITORY}/manifests/{reference}");
    expect(http.get(&path).await, StatusCode::OK).await;
}

/// A server that keeps counts when it stops, and not before.
async fn start(config: &str) -> Orlop {
    let config = format!("[registry]\npull_count_seconds = 3600\n{config}");
    Orlop::start(Options { config: Some(config), ..Options::default() }).await
}

async fn restart(orlop: &mut Orlop) {
    assert!(orlop.stop().await.success());
    assert!(!orlop.output().contains("could not be kept"), "{}", orlop.output());
    orlop.restart().await;
}

async fn pulls(http: &Http, path: &str) -> u64 {
    let shown = get(http, &format!("{PATH}{path}")).await;
    let (count, last) = (shown["pullCount"].as_u64().unwrap(), &shown["lastPullTime"]);
    assert_eq!(count > 0, last.as_str().is_some_and(|time| time.starts_with("20")), "{shown}");
    count
}

#[tokio::test]
async fn pulls_count_by_repository_manifest_and_tag_and_other_looks_do_not() {
    let mut orlop = start("").await;
    let http = orlop.http();
    let one = http.push_artifact(REPOSITORY, "1.0", b"one").await;
    http.push_artifact(REPOSITORY, "2.0", b"two").await;
    for reference in ["1.0", "1.0", &one, "2.0"] {
        pull(&http, reference).await;
    }
    // Neither a look without content, nor one that ends with what the client has, nor one at pages.
    let path = format!("/v2/{REPOSITORY}/manifests/1.0");
    expect(http.head(&path).await, StatusCode::OK).await;
    let known = http.request(Method::GET, &path).header(IF_NONE_MATCH, format!("\"{one}\""));
    expect(send(known).await, StatusCode::NOT_MODIFIED).await;
    expect(http.get(&format!("/v2/{REPOSITORY}/manifests/3.0")).await, StatusCode::NOT_FOUND).await;
    get(&http, &format!("{PATH}/manifests/1.0")).await;
    expect(http.get(&format!("/r/{REPOSITORY}/-/manifests/1.0/raw")).await, StatusCode::OK).await;

    assert_eq!(pulls(&http, "").await, 0);
    restart(&mut orlop).await;
    let http = orlop.http();
    assert_eq!(pulls(&http, "").await, 4);
    assert_eq!((pulls(&http, "/tags/1.0").await, pulls(&http, "/tags/2.0").await), (2, 1));
    assert_eq!(pulls(&http, "/manifests/1.0").await, 3);
    assert_eq!(pulls(&http, "/manifests/2.0").await, 1);
    let counts = |list: &Value| -> Vec<u64> {
        list.as_array().unwrap().iter().map(|item| item["pullCount"].as_u64().unwrap()).collect()
    };
    assert_eq!(counts(&get(&http, &format!("{PATH}/tags")).await["tags"]), [2, 1]);
    let manifests = get(&http, &format!("{PATH}/manifests?orderby=timeasc")).await;
    assert_eq!(counts(&manifests["manifests"]), [3, 1]);

    // They go on where they stood.
    pull(&http, "1.0").await;
    restart(&mut orlop).await;
    let http = orlop.http();
    assert_eq!((pulls(&http, "").await, pulls(&http, "/tags/1.0").await), (5, 3));
    // A tag keeps its count when it names something else.
    http.push_artifact(REPOSITORY, "1.0", b"three").await;
    assert_eq!((pulls(&http, "/tags/1.0").await, pulls(&http, "/manifests/1.0").await), (3, 0));
}

#[tokio::test]
async fn what_is_gone_before_it_is_counted_takes_nothing_else_with_it() {
    let mut orlop = start("deleted_retention_days = 0\n").await;
    let http = orlop.http();
    let gone = http.push_artifact(REPOSITORY, "1.0", b"one").await;
    http.push_artifact(REPOSITORY, "2.0", b"two").await;
    for reference in ["1.0", "2.0"] {
        pull(&http, reference).await;
    }
    http.push_artifact("other", "1", b"three").await;
    expect(http.get("/v2/other/manifests/1").await, StatusCode::OK).await;
    let path = format!("/v2/{REPOSITORY}/manifests/{gone}");
    expect(http.delete(&path).await, StatusCode::ACCEPTED).await;
    expect(http.delete("/api/v1/repositories/other").await, StatusCode::OK).await;
    orlop.run(&["gc"]).await;
    restart(&mut orlop).await;
    let http = orlop.http();
    assert_eq!((pulls(&http, "").await, pulls(&http, "/tags/2.0").await), (2, 1));
    // What comes again begins anew.
    http.push_artifact(REPOSITORY, "1.0", b"one").await;
    assert_eq!((pulls(&http, "/tags/1.0").await, pulls(&http, "/manifests/1.0").await), (0, 0));
}

#[tokio::test]
async fn counts_of_what_is_deleted_for_good_go_with_it() {
    let mut orlop = start("deleted_retention_days = 0\n").await;
    let http = orlop.http();
    http.push_artifact(REPOSITORY, "1.0", b"one").await;
    http.push_artifact(REPOSITORY, "2.0", b"two").await;
    for reference in ["1.0", "2.0"] {
        pull(&http, reference).await;
    }
    restart(&mut orlop).await;
    let http = orlop.http();
    expect(http.delete(&format!("{PATH}/tags/1.0")).await, StatusCode::NO_CONTENT).await;
    orlop.run(&["gc"]).await;
    let again = http.push_artifact(REPOSITORY, "1.0", b"one").await;
    // The manifest was there all the time.
    assert_eq!((pulls(&http, "/tags/1.0").await, pulls(&http, "/manifests/1.0").await), (0, 1));
    let path = format!("/v2/{REPOSITORY}/manifests/{again}");
    expect(http.delete(&path).await, StatusCode::ACCEPTED).await;
    orlop.run(&["gc"]).await;
    http.push_artifact(REPOSITORY, "1.0", b"one").await;
    assert_eq!(pulls(&http, "/manifests/1.0").await, 0);
    assert_eq!(pulls(&http, "").await, 2);
    expect(http.delete(PATH).await, StatusCode::OK).await;
    orlop.run(&["gc"]).await;
    http.push_artifact(REPOSITORY, "1.0", b"one").await;
    assert_eq!((pulls(&http, "").await, pulls(&http, "/tags/1.0").await), (0, 0));
}

#[tokio::test]
async fn nothing_is_counted_where_that_is_switched_off() {
    let config = "[registry]\npull_count_seconds = 0\n".into();
    let mut orlop = Orlop::start(Options { config: Some(config), ..Options::default() }).await;
    let http = orlop.http();
    http.push_artifact(REPOSITORY, "1.0", b"one").await;
    pull(&http, "1.0").await;
    restart(&mut orlop).await;
    assert_eq!(pulls(&orlop.http(), "").await, 0);
}
