//! What one server acknowledged, all others know at once.

use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::replicas;
use super::support::http::{expect, header, json_of, send};
use super::support::{ADMIN, digest_of};

#[tokio::test]
async fn what_one_server_took_the_others_serve_at_once() {
    let Some(servers) = replicas(3).await else { return };
    let https: Vec<_> = servers.iter().map(|server| server.http()).collect();
    for n in 0..12 {
        let (here, there) = (&https[n % 3], &https[(n + 1) % 3]);
        let layer = format!("layer {n}");
        let repository = format!("r{n}");
        let digest = here.push_artifact(&repository, "latest", layer.as_bytes()).await;
        for http in &https {
            let path = format!("/v2/{repository}/manifests/latest");
            let answer = expect(http.get(&path).await, StatusCode::OK).await;
            assert_eq!(header(&answer, "docker-content-digest"), digest);
            let blob = digest_of(&layer);
            let path = format!("/v2/{repository}/blobs/{blob}");
            let answer = expect(http.get(&path).await, StatusCode::OK).await;
            assert_eq!(answer.text().await.unwrap(), layer);
            let tags =
                expect(http.get(&format!("/v2/{repository}/tags/list")).await, StatusCode::OK);
            assert_eq!(json_of(tags.await).await["tags"], json!(["latest"]));
        }
        let path = format!("/v2/{repository}/manifests/{digest}");
        expect(there.delete(&path).await, StatusCode::ACCEPTED).await;
        for http in &https {
            expect(http.get(&path).await, StatusCode::NOT_FOUND).await;
        }
    }
    let listed = json_of(expect(https[1].get("/v2/_catalog").await, StatusCode::OK).await).await;
    let mut names: Vec<_> = (0..12).map(|n| format!("r{n}")).collect();
    names.sort();
    assert_eq!(listed["repositories"], json!(names));
}

#[tokio::test]
async fn an_upload_begins_on_one_server_goes_on_on_another_and_ends_on_a_third() {
    let Some(servers) = replicas(3).await else { return };
    let https: Vec<_> = servers.iter().map(|server| server.http()).collect();
    let parts: Vec<_> = (0..8_u8).map(|n| vec![b'a' + n; 100_000 + usize::from(n)]).collect();
    let whole = parts.concat();
    let location = https[0].start_upload("a").await;
    let mut received = 0;
    for (n, part) in parts.iter().enumerate() {
        let http = &https[(n + 1) % 3];
        let request = http.request(Method::PATCH, &location).body(part.clone());
        expect(send(request).await, StatusCode::ACCEPTED).await;
        received += part.len();
        for http in &https {
            let status = expect(http.get(&location).await, StatusCode::NO_CONTENT).await;
            assert_eq!(header(&status, "range"), format!("0-{}", received - 1));
        }
    }
    let digest = digest_of(&whole);
    expect(https[2].finish_upload(&location, &digest, "").await, StatusCode::CREATED).await;
    for http in &https {
        let answer = expect(http.get(&format!("/v2/a/blobs/{digest}")).await, StatusCode::OK).await;
        assert_eq!(digest_of(answer.bytes().await.unwrap()), digest);
        expect(http.get(&location).await, StatusCode::NOT_FOUND).await;
    }
}

#[tokio::test]
async fn pulls_at_several_servers_add_up() {
    let Some(mut servers) = replicas(3).await else { return };
    let digest = servers[0].http().push_artifact("a", "1", b"layer").await;
    for (server, reference) in [(0, "1"), (1, "1"), (1, &*digest)] {
        let path = format!("/v2/a/manifests/{reference}");
        expect(servers[server].http().get(&path).await, StatusCode::OK).await;
    }
    // What each has counted it keeps when it stops.
    for server in &mut servers[..2] {
        assert!(server.stop().await.success());
    }
    for (path, pulls) in [("", 3), ("/tags/1", 2), ("/manifests/1", 3)] {
        let path = format!("/api/v1/repositories/a{path}");
        let shown = expect(servers[2].http().get(&path).await, StatusCode::OK).await;
        assert_eq!(json_of(shown).await["pullCount"], pulls, "{path}");
    }
}

#[tokio::test]
async fn servers_that_start_at_once_make_one_admin_and_one_key() {
    let Some(servers) = replicas(3).await else { return };
    let made = servers.iter().filter(|server| server.output().contains("The user admin was made"));
    assert_eq!(made.count(), 1);
    let keys =
        join_all(servers.iter().map(async |server| {
            json_of(server.anonymous().get("/.well-known/jwks.json").await).await
        }));
    let keys = keys.await;
    assert_eq!(keys[0]["keys"].as_array().map(Vec::len), Some(1));
    assert!(keys.iter().all(|found| found == &keys[0]), "{keys:?}");
    for server in &servers {
        expect(server.http().get("/v2/").await, StatusCode::OK).await;
    }
}

#[tokio::test]
async fn tokens_of_one_server_are_good_at_the_others() {
    let Some(servers) = replicas(2).await else { return };
    let (here, there) = (servers[0].http(), servers[1].http());
    here.push_artifact("a", "1", b"text").await;
    let path = "/oauth2/token?service=registry.test&scope=repository:a:pull&offline_token=true\
                &client_id=test";
    let issued = json_of(expect(here.get(path).await, StatusCode::OK).await).await;
    let access = issued["access_token"].as_str().unwrap();
    let by_token = servers[1].anonymous().with_token(access);
    expect(by_token.get("/v2/a/manifests/1").await, StatusCode::OK).await;
    let by_key_known_here = json_of(here.get("/.well-known/jwks.json").await).await;
    assert_eq!(by_key_known_here, json_of(there.get("/.well-known/jwks.json").await).await);

    // A key that another server made is known with the first token that it signed.
    expect(
        send(there.request(Method::POST, "/api/v1/signing-keys").json(&json!({}))).await,
        StatusCode::CREATED,
    )
    .await;
    let fresh = json_of(expect(there.get(path).await, StatusCode::OK).await).await;
    let fresh = fresh["access_token"].as_str().unwrap();
    let by_fresh_token = servers[0].anonymous().with_token(fresh);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while by_fresh_token.get("/v2/a/manifests/1").await.status() != StatusCode::OK {
        assert!(std::time::Instant::now() < deadline, "the new key never became known");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }

    let refresh = issued["refresh_token"].as_str().unwrap();
    let form = format!(
        "grant_type=refresh_token&service=registry.test&scope=repository:a:pull\
         &client_id=test&refresh_token={refresh}"
    );
    let request = servers[1].anonymous().request(Method::POST, "/oauth2/token").body(form);
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let refreshed = json_of(expect(send(request).await, StatusCode::OK).await).await;
    assert!(refreshed["access_token"].is_string());
}

#[tokio::test]
async fn a_right_that_one_server_took_away_is_gone_at_the_others() {
    let Some(servers) = replicas(2).await else { return };
    let (here, there) = (servers[0].http(), servers[1].http());
    here.push_artifact("a", "1", b"text").await;
    let user = json!({"name": "alice", "password": "a long password"});
    let create = here.request(Method::POST, "/api/v1/users").json(&user);
    expect(send(create).await, StatusCode::CREATED).await;
    let role = json!({"identity": "alice", "role": "AcrPull", "repositories": "*"});
    let assign = there.request(Method::POST, "/api/v1/assignments").json(&role);
    let assigned = json_of(expect(send(assign).await, StatusCode::CREATED).await).await;
    let alice = |n: usize| servers[n].anonymous().signed_in_as("alice", "a long password");
    for n in [0, 1] {
        expect(alice(n).get("/v2/a/manifests/1").await, StatusCode::OK).await;
    }
    let id = assigned["id"].as_str().unwrap();
    let removed = here.delete(&format!("/api/v1/assignments/{id}")).await;
    assert!(removed.status().is_success());
    for n in [1, 0] {
        expect(alice(n).get("/v2/a/manifests/1").await, StatusCode::FORBIDDEN).await;
    }
    let disable = json!({"enabled": false});
    let disable = there.request(Method::PATCH, "/api/v1/users/alice").json(&disable);
    assert!(send(disable).await.status().is_success());
    for n in [0, 1] {
        expect(alice(n).get("/v2/").await, StatusCode::UNAUTHORIZED).await;
    }
    let events = json_of(here.get("/api/v1/audit-events").await).await;
    let actors = events["auditEvents"].as_array().or(events["events"].as_array());
    assert!(
        actors.is_some_and(|events| events.iter().all(|event: &Value| event["actor"] == ADMIN))
    );
}
