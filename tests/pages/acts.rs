//! What forms do, and what is shown before.

use reqwest::StatusCode;
use serde_json::json;

use crate::samples::{artifact, digest, image, signature};
use crate::site::Site;
use crate::support::http::{expect, json_of};
use crate::support::{ADMIN, Options, Orlop, PASSWORD};

#[tokio::test]
async fn a_tag_is_rolled_back_removed_and_restored() {
    let server = Orlop::start(Options::default()).await;
    let http = server.http();
    let one = image(&http, "team/app", Some("1.0"), "one").await;
    let two = image(&http, "team/app", Some("1.0"), "two").await;
    let site = Site::admin(&server).await;
    let tag = "/r/team/app/-/tags/1.0";
    let page = site.shown(tag).await;
    page.holds("Roll back to this").holds(ADMIN);
    let page = site.shown(&page.link("Roll back to this…")).await;
    page.holds(digest(&one)).holds(digest(&two)).holds("What will happen");
    let done = site.post(&format!("{tag}/rollback"), &[("digest", digest(&one))]).await;
    assert_eq!((done.status, &*done.location), (StatusCode::SEE_OTHER, tag));
    let answer = expect(http.head("/v2/team/app/manifests/1.0").await, StatusCode::OK).await;
    assert_eq!(answer.headers()["docker-content-digest"], digest(&one));

    site.shown(&format!("{tag}/untag")).await.holds("can no longer be pulled");
    site.post(&format!("{tag}/untag"), &[]).await;
    expect(http.head("/v2/team/app/manifests/1.0").await, StatusCode::NOT_FOUND).await;
    // A removed tag still has its history.
    site.shown(tag).await.holds("deleted").holds("removed");
    site.shown("/r/team/app/-/deleted").await.holds("1.0");
    let form = [("digest", digest(&one)), ("tag", "1.0")];
    let done = site.post("/r/team/app/-/restore", &form).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
    expect(http.head("/v2/team/app/manifests/1.0").await, StatusCode::OK).await;
}

#[tokio::test]
async fn deletion_says_what_goes_with_it() {
    let server = Orlop::start(Options::default()).await;
    let http = server.http();
    let one = image(&http, "team/app", Some("1.0"), "one").await;
    image(&http, "team/app", Some("also"), "one").await;
    signature(&http, "team/app", &one).await;
    let site = Site::admin(&server).await;
    let page = site.shown("/r/team/app/-/manifests/1.0/delete").await;
    page.holds("2 tags go with it: 1.0, also").holds("restored for");
    let done = site.post("/r/team/app/-/manifests/1.0/delete", &[]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER);
    expect(http.head("/v2/team/app/manifests/also").await, StatusCode::NOT_FOUND).await;
    let form = [("digest", digest(&one))];
    assert_eq!(site.post("/r/team/app/-/restore", &form).await.status, StatusCode::SEE_OTHER);
    let path = format!("/v2/team/app/manifests/{}", digest(&one));
    expect(http.head(&path).await, StatusCode::OK).await;

    site.shown("/r/team/app/-/delete").await.holds("Delete the repository team/app?");
    let done = site.post("/r/team/app/-/delete", &[]).await;
    assert_eq!((done.status, &*done.location), (StatusCode::SEE_OTHER, "/"));
    assert_eq!(site.get("/r/team/app").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn locks_forbid_and_are_told() {
    let server = Orlop::start(Options::default()).await;
    let http = server.http();
    image(&http, "team/app", Some("1.0"), "one").await;
    let site = Site::admin(&server).await;
    let boxes = [("write", "on"), ("read", "on"), ("list", "on")];
    site.post("/r/team/app/-/tags/1.0/lock", &boxes).await;
    site.shown("/r/team/app").await.holds("no delete");
    let refused = site.post("/r/team/app/-/tags/1.0/untag", &[]).await;
    assert_eq!(refused.status, StatusCode::METHOD_NOT_ALLOWED);
    refused.holds("locked").holds("<!doctype html>");
    let boxes = [("delete", "on"), ("write", "on"), ("read", "on"), ("list", "on")];
    site.post("/r/team/app/-/tags/1.0/lock", &boxes).await;
    let done = site.post("/r/team/app/-/tags/1.0/untag", &[]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_promotion_is_shown_first_and_needs_both_rights() {
    let server = Orlop::start(Options::default()).await;
    let http = server.http();
    let one = image(&http, "team/app", Some("1.0"), "one").await;
    signature(&http, "team/app", &one).await;
    let site = Site::admin(&server).await;
    let form = [("source", "team/app:1.0"), ("target", "prod/app:stable")];
    let page = site.shown("/promote?source=team/app:1.0&target=prod/app:stable").await;
    page.holds(digest(&one)).holds("The tag is new there").holds("1 that refer to it");
    // Looking changes nothing.
    expect(http.head("/v2/prod/app/manifests/stable").await, StatusCode::NOT_FOUND).await;
    let done = site.post("/promote", &form).await;
    assert_eq!(&*done.location, "/r/prod/app/-/manifests/stable");
    expect(http.head("/v2/prod/app/manifests/stable").await, StatusCode::OK).await;

    add_user(&site, "alice", "AcrPull", "team/*").await;
    let alice = Site::signed_in(&server, "alice", PASSWORD).await;
    let refused = alice.get("/promote?source=team/app:1.0&target=prod/app:stable").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    refused.lacks(digest(&one));
    assert_eq!(alice.post("/promote", &form).await.status, StatusCode::FORBIDDEN);
    alice.shown("/").await.holds("team/app").lacks("prod/app");
}

async fn add_user(admin: &Site, name: &str, role: &str, repositories: &str) {
    let form = [("name", name), ("password", PASSWORD)];
    let page = admin.post("/users", &form).await;
    page.holds("The user was made").lacks(PASSWORD);
    let form = [("kind", "identity"), ("to", name), ("role", role), ("repositories", repositories)];
    let page = admin.post("/roles", &form).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
}

/// The text after a mark up to the next tag.
fn secret_in(text: &str) -> String {
    let after = text.split("data-copy>").nth(1).expect("a secret is shown");
    after.split('<').next().unwrap().to_owned()
}

#[tokio::test]
async fn users_robots_and_tokens_are_made_with_secrets_shown_once() {
    let server = Orlop::start(Options::default()).await;
    let http = server.http();
    let layer = ("text/plain", &b"hi"[..]);
    artifact(&http, "team/app", Some("1"), "application/vnd.example", layer, json!({})).await;
    let site = Site::admin(&server).await;
    add_user(&site, "alice", "AcrPush", "team/*").await;

    let alice = Site::signed_in(&server, "alice", PASSWORD).await;
    let form =
        [("label", "laptop"), ("days", "30"), ("rights", "pull"), ("repositories", "team/*")];
    let page = alice.post("/users/alice/tokens", &form).await;
    let token = secret_in(&page.text);
    let with_token = server.anonymous().signed_in_as("alice", &token);
    expect(with_token.get("/v2/team/app/manifests/1").await, StatusCode::OK).await;
    let push = with_token.request(reqwest::Method::POST, "/v2/team/app/blobs/uploads/");
    expect(push.send().await.unwrap(), StatusCode::FORBIDDEN).await;
    let page = alice.shown("/users/alice").await;
    page.holds("laptop").holds("team/* content/read,metadata/read").lacks(&token);
    let path = page.text.split("action=\"").find(|rest| rest.starts_with("/users/alice/tokens/"));
    let path = path.unwrap().split('"').next().unwrap();
    assert_eq!(alice.post(path, &[]).await.status, StatusCode::SEE_OTHER);
    expect(with_token.get("/v2/team/app/manifests/1").await, StatusCode::UNAUTHORIZED).await;
    assert_eq!(alice.get("/users/admin").await.status, StatusCode::FORBIDDEN);

    let page = site.post("/principals", &[("display_name", "ci"), ("days", "10")]).await;
    let secret = page.text.split("data-copy>").nth(1).unwrap().split('<').next().unwrap();
    let id = page.text.split("data-copy=\"").nth(1).unwrap().split('"').next().unwrap();
    let form = [("kind", "identity"), ("to", id), ("role", "AcrPull"), ("repositories", "*")];
    site.post("/roles", &form).await;
    let robot = server.anonymous().signed_in_as(id, secret);
    expect(robot.get("/v2/team/app/manifests/1").await, StatusCode::OK).await;
    site.shown(&format!("/principals/{id}")).await.lacks(secret);

    let form = [("name", "readers"), ("rules", "team/* content/read, metadata/read\r\n\r\n")];
    assert_eq!(site.post("/scope-maps", &form).await.status, StatusCode::SEE_OTHER);
    site.shown("/scope-maps").await.holds("readers").holds("content/read, metadata/read");
    let bad = site.post("/scope-maps", &[("name", "x"), ("rules", "team/* nonsense")]).await;
    assert_eq!(bad.status, StatusCode::BAD_REQUEST);
    bad.holds("is not an action");

    let page = site.shown("/audit").await;
    page.holds("principal.create").holds("user.add-token").holds("scope-map.put");
    // Disabled, alice is out at once, with the session too.
    site.post("/users/alice/enabled", &[("enabled", "")]).await;
    assert_eq!(alice.get("/users/alice").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_new_password_ends_the_sessions_of_the_old_one() {
    let server = Orlop::start(Options::default()).await;
    let site = Site::admin(&server).await;
    let other = Site::admin(&server).await;
    let page = site.post("/users/admin/password", &[("password", "another long one")]).await;
    assert_eq!((page.status, &*page.location), (StatusCode::SEE_OTHER, "/sign-in"));
    assert_eq!(other.get("/users").await.status, StatusCode::SEE_OTHER);
    let again = Site::signed_in(&server, ADMIN, "another long one").await;
    let short = again.post("/users/admin/password", &[("password", "short")]).await;
    assert_eq!(short.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_storage_page_tells_what_takes_space_and_what_is_under_way() {
    let server = Orlop::start(Options::default()).await;
    let http = server.http();
    let layer = ("text/plain", &[7u8; 5000][..]);
    artifact(&http, "team/one", Some("1"), "application/vnd.example", layer, json!({})).await;
    artifact(&http, "team/two", Some("1"), "application/vnd.example", layer, json!({})).await;
    let start = http.request(reqwest::Method::POST, "/v2/team/slow/blobs/uploads/");
    expect(start.send().await.unwrap(), StatusCode::ACCEPTED).await;
    let site = Site::admin(&server).await;
    let page = site.shown("/storage").await;
    page.holds("/r/team/one").holds("/r/team/two").holds("team/slow").holds("4.9 KiB");
    let usage = expect(http.get("/api/v1/repositories/team%2Fone/usage").await, StatusCode::OK);
    let usage = json_of(usage.await).await;
    assert_eq!(usage["exclusiveSize"], 0);
    page.holds("<td class=\"number\" data-label=\"Only here\">0 B</td>");
    // What a slow machine counted holds for a while.
    let layer = ("text/plain", &[8u8; 70_000][..]);
    artifact(&http, "team/three", Some("1"), "application/vnd.example", layer, json!({})).await;
    while !site.shown("/storage").await.text.contains("68.4 KiB") {}
}
