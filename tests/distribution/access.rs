use reqwest::{Method, StatusCode};
use serde_json::json;

use super::support::http::{expect, header, json_of, send};
use super::support::{Options, Orlop, digest_of};

#[tokio::test]
async fn nothing_is_open_without_credentials() {
    let orlop = Orlop::start(Options::default()).await;
    orlop.http().push_artifact("a", "1", b"text").await;
    let digest = digest_of("text");
    let id = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
    for (method, path) in [
        (Method::GET, "/v2/".to_owned()),
        (Method::GET, "/v2/_catalog".into()),
        (Method::GET, "/v2/a/tags/list".into()),
        (Method::GET, "/v2/a/manifests/1".into()),
        (Method::HEAD, "/v2/a/manifests/1".into()),
        (Method::PUT, "/v2/a/manifests/1".into()),
        (Method::DELETE, "/v2/a/manifests/1".into()),
        (Method::GET, format!("/v2/a/blobs/{digest}")),
        (Method::DELETE, format!("/v2/a/blobs/{digest}")),
        (Method::GET, format!("/v2/a/referrers/{digest}")),
        (Method::POST, "/v2/a/blobs/uploads/".into()),
        (Method::PATCH, format!("/v2/a/blobs/uploads/{id}")),
        (Method::PUT, format!("/v2/a/blobs/uploads/{id}")),
        (Method::GET, "/v2/other/manifests/1".into()),
        (Method::GET, "/v2/NOT-VALID/manifests/1".into()),
        (Method::GET, "/v2/no/such/path".into()),
    ] {
        let answer = send(orlop.anonymous().request(method.clone(), &path)).await;
        let answer = expect(answer, StatusCode::UNAUTHORIZED).await;
        let challenge = header(&answer, "www-authenticate");
        let host = orlop.host();
        let begin = format!(r#"Bearer realm="http://{host}/oauth2/token",service="{host}""#);
        assert!(challenge.starts_with(&begin), "{method} {path}: {challenge}");
        assert!(!challenge.contains(", "), "{challenge}");
    }
}

#[tokio::test]
async fn a_challenge_names_the_scope_that_is_needed() {
    let orlop = Orlop::start(Options::default()).await;
    for (method, path, scope) in [
        (Method::GET, "/v2/a/b/manifests/1", "repository:a/b:pull"),
        (Method::PUT, "/v2/a/b/manifests/1", "repository:a/b:pull,push"),
        (Method::DELETE, "/v2/a/b/manifests/1", "repository:a/b:delete"),
        (Method::POST, "/v2/a/b/blobs/uploads/", "repository:a/b:pull,push"),
        (Method::GET, "/v2/_catalog", "registry:catalog:*"),
    ] {
        let answer = send(orlop.anonymous().request(method, path)).await;
        let challenge = header(&answer, "www-authenticate");
        assert!(challenge.ends_with(&format!(r#",scope="{scope}""#)), "{path}: {challenge}");
    }
}

#[tokio::test]
async fn wrong_credentials_are_refused() {
    let orlop = Orlop::start(Options::default()).await;
    for (name, password) in [("admin", "wrong"), ("nobody", "wrong"), ("", "")] {
        let answer = orlop.anonymous().signed_in_as(name, password).get("/v2/").await;
        let answer = expect(answer, StatusCode::UNAUTHORIZED).await;
        assert!(header(&answer, "www-authenticate").starts_with("Bearer "));
    }
    expect(orlop.http().get("/v2/").await, StatusCode::OK).await;
}

#[tokio::test]
async fn a_token_allows_what_it_was_asked_for_and_a_wider_one_can_be_had() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    http.push_artifact("a", "1", b"text").await;
    let token = http.token("/v2/a/manifests/1", &["repository:a:pull"]).await;
    let narrow = orlop.anonymous().with_token(&token);
    expect(narrow.get("/v2/").await, StatusCode::OK).await;
    expect(narrow.get("/v2/a/manifests/1").await, StatusCode::OK).await;
    let refused = narrow.delete("/v2/a/manifests/1").await;
    let refused = expect(refused, StatusCode::UNAUTHORIZED).await;
    let challenge = header(&refused, "www-authenticate");
    assert!(
        challenge.ends_with(r#",scope="repository:a:delete",error="insufficient_scope""#),
        "{challenge}"
    );
    expect(narrow.get("/v2/b/manifests/1").await, StatusCode::UNAUTHORIZED).await;
    let wide = http.token("/v2/", &["repository:a:pull,delete"]).await;
    let wide = orlop.anonymous().with_token(&wide);
    expect(wide.delete("/v2/a/manifests/1").await, StatusCode::ACCEPTED).await;
}

#[tokio::test]
async fn a_blob_of_another_repository_is_mounted_only_with_the_right_to_pull_it() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    let digest = http.push_blob("secret", "text").await;
    let token = http.token("/v2/", &["repository:mine:pull,push"]).await;
    let narrow = orlop.anonymous().with_token(&token);
    for from in ["&from=secret", ""] {
        let path = format!("/v2/mine/blobs/uploads/?mount={digest}{from}");
        let answer = send(narrow.request(Method::POST, &path)).await;
        // Its owner may pull there, so it is told how to get a token for both.
        let answer = expect(answer, StatusCode::UNAUTHORIZED).await;
        let scope = r#"scope="repository:mine:pull,push repository:secret:pull""#;
        assert!(header(&answer, "www-authenticate").contains(scope));
        let blob = http.head(&format!("/v2/mine/blobs/{digest}")).await;
        expect(blob, StatusCode::NOT_FOUND).await;
    }
    let scopes = ["repository:mine:pull,push", "repository:secret:pull"];
    let wide = orlop.anonymous().with_token(&http.token("/v2/", &scopes).await);
    let path = format!("/v2/mine/blobs/uploads/?mount={digest}");
    expect(send(wide.request(Method::POST, &path)).await, StatusCode::CREATED).await;
}

#[tokio::test]
async fn repositories_that_are_open_can_be_pulled_and_nothing_else() {
    let config = Some("[auth]\nanonymous_pull = [\"public/*\"]\n".into());
    let orlop = Orlop::start(Options { config, ..Options::default() }).await;
    let http = orlop.http();
    let digest = http.push_artifact("public/a", "1", b"text").await;
    http.push_artifact("private", "1", b"text").await;
    let anonymous = orlop.anonymous();
    // Clients find out by this whether to sign in.
    expect(anonymous.get("/v2/").await, StatusCode::UNAUTHORIZED).await;
    let token = anonymous.token("/v2/", &["repository:public/a:pull,push"]).await;
    for client in [anonymous.clone(), anonymous.with_token(&token)] {
        expect(client.get("/v2/public/a/manifests/1").await, StatusCode::OK).await;
        expect(client.get("/v2/public/a/tags/list").await, StatusCode::OK).await;
        for (method, path) in [
            (Method::DELETE, format!("/v2/public/a/manifests/{digest}")),
            (Method::POST, "/v2/public/a/blobs/uploads/".into()),
            (Method::GET, "/v2/private/manifests/1".into()),
            (Method::GET, "/v2/publication/manifests/1".into()),
        ] {
            let answer = send(client.request(method, &path)).await;
            expect(answer, StatusCode::UNAUTHORIZED).await;
        }
    }
}

#[tokio::test]
async fn the_catalog_shows_everything_to_the_administrator_by_token_too() {
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    http.push_blob("a", "text").await;
    let token = http.token("/v2/_catalog", &["registry:catalog:*"]).await;
    for client in [http.clone(), orlop.anonymous().with_token(&token)] {
        let catalog = expect(client.get("/v2/_catalog").await, StatusCode::OK).await;
        assert_eq!(json_of(catalog).await, json!({"repositories": ["a"]}));
    }
}
