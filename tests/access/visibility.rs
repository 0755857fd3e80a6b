//! Lists show nothing that the caller may not read.

use axum::body::Body;
use http::{Method, Request, StatusCode, header};
use orlop::settings::AuthSettings;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::harness::{Answer, PASSWORD, Registry, SERVICE, basic};

async fn ask(registry: &Registry, method: Method, path: &str, authorization: &str) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header(header::HOST, SERVICE);
    if !authorization.is_empty() {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    registry.send(request.header(header::CONTENT_LENGTH, 0).body(Body::empty()).unwrap()).await
}

/// Pushes a blob and a manifest tagged `1.0`, and answers the blob's digest.
async fn push(registry: &Registry, repository: &str) -> String {
    let digest = format!("sha256:{}", hex::encode(Sha256::digest("{}")));
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media_type, "layers": [],
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest, "size": 2},
    });
    for (method, path, body) in [
        (Method::POST, format!("/v2/{repository}/blobs/uploads/?digest={digest}"), "{}".to_owned()),
        (Method::PUT, format!("/v2/{repository}/manifests/1.0"), manifest.to_string()),
    ] {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, SERVICE)
            .header(header::CONTENT_TYPE, media_type)
            .header(header::CONTENT_LENGTH, body.len())
            .header(header::AUTHORIZATION, basic("admin", PASSWORD));
        let answer = registry.send(request.body(Body::from(body)).unwrap()).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    }
    digest
}

async fn catalog(registry: &Registry, authorization: &str) -> Value {
    let answer = ask(registry, Method::GET, "/v2/_catalog", authorization).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    answer.body["repositories"].clone()
}

async fn bearer(registry: &Registry, authorization: Option<&str>, scope: &str) -> String {
    let answer = registry.get(&format!("service={SERVICE}&scope={scope}"), authorization).await;
    format!("Bearer {}", answer.text("token"))
}

#[tokio::test]
async fn the_catalog_shows_what_the_caller_may_read() {
    let settings =
        AuthSettings { anonymous_pull: vec!["public/*".into()], ..AuthSettings::default() };
    let registry = Registry::start_with(settings).await;
    for repository in ["other", "public/a", "team", "team/a", "team/b/c", "teams/a"] {
        push(&registry, repository).await;
    }
    registry.add_user("alice", "AcrPull", "team/*").await;
    registry.add_user("bob", "AcrPush", "team/b/c").await;
    registry.assign("bob", "Reader", "other").await;
    let rules = json!({"rules": [{"repositories": "*", "actions": ["content/delete"]}]});
    registry.admin(Method::PUT, "scope-maps/cleaner", rules).await;
    let body = json!({"identity": "alice", "scopeMap": "cleaner", "repositories": "*"});
    registry.admin(Method::POST, "assignments", body).await;

    for (user, shown) in [
        ("admin", json!(["other", "public/a", "team", "team/a", "team/b/c", "teams/a"])),
        ("alice", json!(["team/a", "team/b/c"])),
        ("bob", json!(["other", "team/b/c"])),
    ] {
        let credentials = basic(user, PASSWORD);
        assert_eq!(catalog(&registry, &credentials).await, shown, "{user}");
        let token = bearer(&registry, Some(&credentials), "registry:catalog:*").await;
        assert_eq!(catalog(&registry, &token).await, shown, "{user}");
    }
    let token = bearer(&registry, None, "registry:catalog:*").await;
    assert_eq!(catalog(&registry, &token).await, json!(["public/a"]));
    // A token for a repository is none for the catalog.
    let token = bearer(&registry, Some(&basic("admin", PASSWORD)), "repository:team:pull").await;
    let answer = ask(&registry, Method::GET, "/v2/_catalog", &token).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn nobody_mounts_what_they_may_not_read() {
    let settings =
        AuthSettings { anonymous_pull: vec!["public/*".into()], ..AuthSettings::default() };
    let registry = Registry::start_with(settings).await;
    registry.add_user("alice", "AcrPush", "team/*").await;
    let digest = push(&registry, "secret").await;
    let alice = basic("alice", PASSWORD);
    let scope = "repository:team/app:pull,push%20repository:secret:pull";
    let token = bearer(&registry, Some(&alice), scope).await;
    for authorization in [&alice, &token] {
        for from in ["&from=secret", "&from=no-such-repository", ""] {
            let path = format!("/v2/team/app/blobs/uploads/?mount={digest}{from}");
            let answer = ask(&registry, Method::POST, &path, authorization).await;
            assert_eq!(answer.status, StatusCode::ACCEPTED, "{from}: {}", answer.body);
        }
    }
    let path = format!("/v2/team/app/blobs/{digest}");
    let answer = ask(&registry, Method::GET, &path, &alice).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);

    // What is public may be mounted by whoever may push, and by nobody else.
    let digest = push(&registry, "public/app").await;
    let path = format!("/v2/public/other/blobs/uploads/?mount={digest}&from=public/app");
    for authorization in ["", &bearer(&registry, None, "repository:public/other:*").await] {
        let answer = ask(&registry, Method::POST, &path, authorization).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn lists_and_searches_of_every_api_show_what_the_caller_may_read() {
    let settings =
        AuthSettings { anonymous_pull: vec!["public/*".into()], ..AuthSettings::default() };
    let registry = Registry::start_with(settings).await;
    for repository in ["other", "public/a", "team", "team/a", "team/gone", "teams/a"] {
        push(&registry, repository).await;
    }
    let owner = basic("admin", PASSWORD);
    for gone in ["team/gone", "teams/a"] {
        let path = format!("/acr/v1/{gone}");
        let answer = ask(&registry, Method::DELETE, &path, &owner).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED);
    }
    registry.add_user("alice", "AcrPull", "team/*").await;
    registry.assign("alice", "Reader", "other").await;
    let alice = basic("alice", PASSWORD);
    let manifest = ask(&registry, Method::GET, "/v2/team/a/manifests/1.0", &alice).await;
    let digest = manifest.headers["docker-content-digest"].to_str().unwrap().to_owned();
    let everybody = bearer(&registry, None, "registry:catalog:*").await;
    for (who, living, deleted) in [
        (&owner, json!(["other", "public/a", "team", "team/a"]), json!(["team/gone", "teams/a"])),
        (&alice, json!(["other", "team/a"]), json!(["team/gone"])),
        (&everybody, json!(["public/a"]), json!([])),
    ] {
        let names = async |path: &str, list: &str| -> Value {
            let answer = ask(&registry, Method::GET, path, who).await;
            assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
            let items = answer.body[list].as_array().unwrap().iter();
            items.map(|item| item.get("repository").unwrap_or(item).clone()).collect()
        };
        for path in ["/v2/_catalog", "/acr/v1/_catalog", "/api/v1/repositories"] {
            assert_eq!(names(path, "repositories").await, living, "{path}");
        }
        assert_eq!(names("/acr/v1/_deleted/_catalog", "repositories").await, deleted);
        for criteria in ["", &format!("?digest={digest}"), "?repository=a"] {
            let found = names(&format!("/api/v1/search{criteria}"), "manifests").await;
            let expected: Value = match criteria {
                "?repository=a" => {
                    let all = living.as_array().unwrap().iter();
                    all.filter(|name| name.as_str().unwrap().contains('a')).cloned().collect()
                }
                _ => living.clone(),
            };
            assert_eq!(found, expected, "{criteria}");
        }
    }
}
