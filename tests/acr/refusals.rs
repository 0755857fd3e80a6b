use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::support::http::{expect, header, json_of, send};
use super::support::{Options, Orlop, digest_of};

#[tokio::test]
async fn without_a_right_the_answer_is_a_challenge_for_it() {
    let orlop = Orlop::start(Options::default()).await;
    let (http, anonymous) = (orlop.http(), orlop.anonymous());
    let digest = http.push_artifact("team/app", "1.0", b"text").await;
    let pull = http.token("/v2/team/app/manifests/1.0", &["repository:team/app:pull"]).await;
    let narrow = anonymous.with_token(&pull);
    let manifest = format!("/acr/v1/team/app/_manifests/{digest}");
    for (method, path, action) in [
        (Method::GET, "/acr/v1/team/app", "metadata_read"),
        (Method::PATCH, "/acr/v1/team/app", "metadata_write"),
        (Method::DELETE, "/acr/v1/team/app", "delete"),
        (Method::GET, "/acr/v1/team%2Fapp/_tags", "metadata_read"),
        (Method::GET, "/acr/v1/team/app/_tags/1.0", "metadata_read"),
        (Method::DELETE, "/acr/v1/team/app/_tags/1.0", "delete"),
        (Method::PATCH, &manifest, "metadata_write"),
    ] {
        for (client, error) in [(&anonymous, ""), (&narrow, ",error=\"insufficient_scope\"")] {
            let answer = send(client.request(method.clone(), path)).await;
            let answer = expect(answer, StatusCode::UNAUTHORIZED).await;
            let host = orlop.host();
            let challenge = format!(
                "Bearer realm=\"http://{host}/oauth2/token\",service=\"{host}\",\
                 scope=\"repository:team/app:{action}\"{error}"
            );
            assert_eq!(header(&answer, "www-authenticate"), challenge);
            assert!(answer.headers().contains_key("x-ms-correlation-request-id"));
            let error = &json_of(answer).await["errors"][0];
            assert_eq!(error["code"], "UNAUTHORIZED");
            let detail = json!([{"Type": "repository", "Name": "team/app", "Action": action}]);
            assert_eq!(error["detail"], detail);
        }
    }
}

async fn refusal(orlop: &Orlop, method: Method, path: &str, body: &str) -> (u16, Value) {
    let answer = send(orlop.http().request(method, path).body(body.to_owned())).await;
    (answer.status().as_u16(), json_of(answer).await["errors"][0].clone())
}

#[tokio::test]
async fn what_is_missing_is_named_as_azure_names_it() {
    let orlop = Orlop::start(Options::default()).await;
    orlop.http().push_artifact("a", "1.0", b"text").await;
    let absent = digest_of("absent");
    for (method, path, code) in [
        (Method::GET, "/acr/v1/absent", "NAME_UNKNOWN"),
        (Method::PATCH, "/acr/v1/absent", "NAME_UNKNOWN"),
        (Method::DELETE, "/acr/v1/absent", "NAME_UNKNOWN"),
        (Method::GET, "/acr/v1/absent/_tags", "NAME_UNKNOWN"),
        (Method::GET, "/acr/v1/absent/_manifests", "NAME_UNKNOWN"),
        (Method::GET, "/acr/v1/_deleted/absent/_tags", "NAME_UNKNOWN"),
        (Method::GET, "/acr/v1/a/_tags/absent", "TAG_UNKNOWN"),
        (Method::DELETE, "/acr/v1/a/_tags/absent", "TAG_UNKNOWN"),
        (Method::DELETE, "/acr/v1/absent/_tags/1.0", "TAG_UNKNOWN"),
        (Method::GET, &format!("/acr/v1/a/_manifests/{absent}"), "MANIFEST_UNKNOWN"),
        (Method::PATCH, &format!("/acr/v1/a/_manifests/{absent}"), "MANIFEST_UNKNOWN"),
        (Method::POST, &format!("/acr/v1/_deleted/a/_manifests/{absent}"), "MANIFEST_UNKNOWN"),
    ] {
        let (status, error) = refusal(&orlop, method.clone(), path, "").await;
        assert_eq!((status, &error["code"]), (404, &json!(code)), "{method} {path}: {error}");
    }
    let (_, error) = refusal(&orlop, Method::GET, "/acr/v1/absent", "").await;
    assert_eq!(error["message"], "repository name not known to registry");
    assert_eq!(error["detail"], json!({"name": "absent"}));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_what_would() {
    let orlop = Orlop::start(Options::default()).await;
    orlop.http().push_artifact("a", "1.0", b"text").await;
    let large = format!("{{\"{}\": true}}", "x".repeat(100_000));
    for (method, path, body, says) in [
        (Method::PATCH, "/acr/v1/a", "{\"writable\": false}", "unknown field `writable`"),
        (Method::PATCH, "/acr/v1/a", "{\"writeEnabled\": \"no\"}", "expected a boolean"),
        (Method::PATCH, "/acr/v1/a", "[]", "the body"),
        (Method::PATCH, "/acr/v1/a", "{", "the body"),
        (Method::PATCH, "/acr/v1/a", &large, "65536 bytes"),
        (Method::GET, "/acr/v1/a/_tags?orderby=size", "", "timeasc"),
        (Method::GET, "/acr/v1/a/_tags?n=many", "", "n=many"),
        (Method::GET, "/acr/v1/a/_tags?digest=x", "", "digest"),
        (Method::GET, "/acr/v1/UPPER", "", "UPPER"),
        (Method::GET, "/acr/v1/a/_tags/.x", "", "tag"),
        (
            Method::POST,
            &format!("/acr/v1/_deleted/a/_manifests/{}?force=maybe", digest_of("")),
            "",
            "force=maybe",
        ),
    ] {
        let (status, error) = refusal(&orlop, method.clone(), path, body).await;
        assert_eq!(status, 400, "{method} {path}: {error}");
        assert!(error["message"].as_str().unwrap().contains(says), "{method} {path}: {error}");
    }
    let answer = send(orlop.http().request(Method::PUT, "/acr/v1/a/_tags/1.0")).await;
    let answer = expect(answer, StatusCode::METHOD_NOT_ALLOWED).await;
    assert_eq!(header(&answer, "allow"), "GET, HEAD, PATCH, DELETE");
    for path in ["/acr/v1/a/_other", "/acr/v1/_other", "/acr/v1/_deleted/a"] {
        expect(orlop.http().get(path).await, StatusCode::NOT_FOUND).await;
        expect(orlop.anonymous().get(path).await, StatusCode::UNAUTHORIZED).await;
    }
}

#[tokio::test]
async fn a_get_with_a_body_is_answered() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    http.push_artifact("a", "1.0", b"text").await;
    for path in ["/acr/v1/a", "/acr/v1/a/_tags/1.0"] {
        let answer = send(http.request(Method::GET, path).json(&json!({}))).await;
        expect(answer, StatusCode::OK).await;
    }
}
