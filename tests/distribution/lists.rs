use reqwest::StatusCode;
use serde_json::{Value, json};

use super::support::http::{expect, header, json_of};
use super::support::{Http, Options, Orlop};

/// Follows a list's links to its end; gives the pages.
async fn pages(http: &Http, path: &str, field: &str) -> Vec<Value> {
    let mut pages = Vec::new();
    let mut next = Some(path.to_owned());
    while let Some(path) = next {
        let answer = expect(http.get(&path).await, StatusCode::OK).await;
        next = answer.headers().contains_key("link").then(|| {
            let link = header(&answer, "link");
            let (path, rest) = link.strip_prefix('<').unwrap().split_once('>').unwrap();
            assert_eq!(rest, "; rel=\"next\"");
            path.to_owned()
        });
        pages.push(json_of(answer).await[field].clone());
    }
    pages
}

#[tokio::test]
async fn tags_come_in_ascii_order_page_by_page() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    for tag in ["b", "a", "B", "_", "1", "a.b"] {
        http.push_artifact("a/b", tag, b"text").await;
    }
    let whole = json_of(http.get("/v2/a/b/tags/list").await).await;
    assert_eq!(whole, json!({"name": "a/b", "tags": ["1", "B", "_", "a", "a.b", "b"]}));
    let by_two = pages(&http, "/v2/a/b/tags/list?n=2", "tags").await;
    assert_eq!(by_two, [json!(["1", "B"]), json!(["_", "a"]), json!(["a.b", "b"])]);
    let from_between = pages(&http, "/v2/a/b/tags/list?n=100&last=_zzz", "tags").await;
    assert_eq!(from_between, [json!(["a", "a.b", "b"])]);
    assert_eq!(pages(&http, "/v2/a/b/tags/list?n=0", "tags").await, [json!([])]);
    let huge = format!("/v2/a/b/tags/list?n={}", 1u128 << 63);
    assert_eq!(pages(&http, &huge, "tags").await[0].as_array().unwrap().len(), 6);
    for n in ["-1", "x", "1.5"] {
        let answer = http.get(&format!("/v2/a/b/tags/list?n={n}")).await;
        expect(answer, StatusCode::BAD_REQUEST).await;
    }
    expect(http.get("/v2/other/tags/list").await, StatusCode::NOT_FOUND).await;
}

#[tokio::test]
async fn the_catalog_comes_in_ascii_order_page_by_page() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    for name in ["b", "a/b", "a", "a-b"] {
        http.push_blob(name, "text").await;
    }
    let by_two = pages(&http, "/v2/_catalog?n=2", "repositories").await;
    assert_eq!(by_two, [json!(["a", "a-b"]), json!(["a/b", "b"])]);
}
