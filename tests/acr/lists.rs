use reqwest::StatusCode;
use serde_json::Value;

use super::support::http::{OCI_MANIFEST, expect, json_of};
use super::support::{Http, Options, Orlop};

/// Follows the links of a list, and answers the values of `key` of all its items.
async fn walk(http: &Http, path: &str, list: &str, key: &str) -> Vec<String> {
    let mut next = Some(path.to_owned());
    let mut found = Vec::new();
    while let Some(path) = next {
        let answer = expect(http.get(&path).await, StatusCode::OK).await;
        next = answer.headers().get("link").map(|link| {
            let link = link.to_str().unwrap();
            let (path, rest) = link[1..].split_once('>').unwrap();
            assert_eq!(rest, "; rel=\"next\"");
            // az takes the link apart at these.
            let query = path.split_once('?').unwrap().1;
            assert!(query.split('&').all(|pair| pair.contains('=')), "{link}");
            path.to_owned()
        });
        let page = json_of(answer).await;
        let items = page[list].as_array().unwrap();
        assert!(!items.is_empty() || next.is_none());
        let text = |item: &Value| item.as_str().unwrap_or_default().to_owned();
        found.extend(items.iter().map(|item| match item.get(key) {
            Some(value) => text(value),
            None => text(item),
        }));
    }
    found
}

#[tokio::test]
async fn tags_and_manifests_are_paged_in_every_order() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    let mut digests = Vec::new();
    let pushed = ["d", "a", "e", "c", "b"];
    for tag in pushed {
        digests.push(http.push_artifact("team/app", tag, tag.as_bytes()).await);
    }
    let mut by_name = pushed.to_vec();
    by_name.sort_unstable();
    let newest: Vec<_> = pushed.into_iter().rev().collect();
    for path in ["/acr/v1/team/app", "/acr/v1/team%2Fapp"] {
        for n in 1..=6 {
            let tags = async |order: &str| {
                walk(&http, &format!("{path}/_tags?n={n}&orderby={order}"), "tags", "name").await
            };
            assert_eq!(tags("").await, by_name);
            assert_eq!(tags("timeasc").await, pushed);
            assert_eq!(tags("timedesc").await, newest);
            let manifests = async |order: &str| {
                let path = format!("{path}/_manifests?n={n}&orderby={order}");
                walk(&http, &path, "manifests", "digest").await
            };
            let mut sorted = digests.clone();
            sorted.sort_unstable();
            assert_eq!(manifests("").await, sorted);
            assert_eq!(manifests("timeasc").await, digests);
            let reversed: Vec<_> = digests.iter().rev().cloned().collect();
            assert_eq!(manifests("timedesc").await, reversed);
        }
    }
}

#[tokio::test]
async fn a_list_by_time_goes_on_after_an_item_by_its_name_alone() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    for tag in ["b", "c", "a"] {
        http.push_artifact("a", tag, tag.as_bytes()).await;
    }
    let page =
        async |query: &str| walk(&http, &format!("/acr/v1/a/_tags?{query}"), "tags", "name").await;
    assert_eq!(page("orderby=timedesc&last=c").await, ["b"]);
    assert_eq!(page("orderby=timeasc&last=b").await, ["c", "a"]);
    let unknown = http.get("/acr/v1/a/_tags?orderby=timeasc&last=absent").await;
    expect(unknown, StatusCode::BAD_REQUEST).await;
}

#[tokio::test]
async fn a_list_by_time_goes_on_though_its_last_item_moved() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    for tag in ["one", "two", "three"] {
        http.push_artifact("a", tag, tag.as_bytes()).await;
    }
    let first = http.get("/acr/v1/a/_tags?orderby=timedesc&n=1").await;
    let link = first.headers()["link"].to_str().unwrap().to_owned();
    http.push_artifact("a", "three", b"changed").await;
    expect(http.delete("/acr/v1/a/_tags/three").await, StatusCode::ACCEPTED).await;
    let next = link[1..].split_once('>').unwrap().0;
    assert_eq!(walk(&http, next, "tags", "name").await, ["two", "one"]);
}

#[tokio::test]
async fn the_tags_of_one_manifest_are_listed() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    let digest = http.push_artifact("a", "x", b"one").await;
    http.push_artifact("a", "other", b"two").await;
    let manifest = http.get("/v2/a/manifests/x").await.text().await.unwrap();
    for tag in ["z", "y"] {
        http.put_manifest("a", tag, OCI_MANIFEST, manifest.clone()).await;
    }
    let list = format!("/acr/v1/a/_tags?n=2&digest={digest}");
    assert_eq!(walk(&http, &list, "tags", "name").await, ["x", "y", "z"]);
    let list = format!("{list}&orderby=timedesc");
    assert_eq!(walk(&http, &list, "tags", "name").await, ["y", "z", "x"]);
}

#[tokio::test]
async fn the_catalog_is_paged() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    for repository in ["b", "a/b", "c"] {
        http.push_artifact(repository, "1.0", b"text").await;
    }
    for n in 1..=4 {
        let names = walk(&http, &format!("/acr/v1/_catalog?n={n}"), "repositories", "").await;
        assert_eq!(names, ["a/b", "b", "c"]);
    }
}
