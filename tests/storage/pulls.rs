//! Pulls through the server, and by links to the bucket.

use reqwest::header::{ACCEPT_RANGES, CONTENT_RANGE, LOCATION, RANGE};
use reqwest::{Method, StatusCode};

use super::support::http::{expect, header, send};
use super::support::{ADMIN, Bucket, Options, Orlop, PASSWORD, Workspace, digest_of};
use super::{MIB, content, pull, start};

#[tokio::test]
async fn ranges_come_through_the_server() {
    let Some((orlop, _bucket)) = start("").await else { return };
    let http = orlop.http();
    let whole = content(1, 12 * MIB);
    let digest = http.push_blob("a", whole.clone()).await;
    let path = format!("/v2/a/blobs/{digest}");
    let range =
        async |range: &str| send(http.request(Method::GET, &path).header(RANGE, range)).await;

    for (asked, first, end) in [
        ("bytes=0-0", 0, 1),
        ("bytes=5242879-5242880", 5 * MIB - 1, 5 * MIB + 1),
        ("bytes=12000000-", 12_000_000, 12 * MIB),
        ("bytes=-7", 12 * MIB - 7, 12 * MIB),
    ] {
        let answer = expect(range(asked).await, StatusCode::PARTIAL_CONTENT).await;
        let expected = format!("bytes {first}-{}/{}", end - 1, whole.len());
        assert_eq!(header(&answer, CONTENT_RANGE.as_str()), expected);
        assert_eq!(answer.bytes().await.unwrap(), whole.slice(first..end), "{asked}");
    }
    let answer = expect(range("bytes=0-3,9-9").await, StatusCode::PARTIAL_CONTENT).await;
    let parts = answer.bytes().await.unwrap();
    assert!(parts.windows(4).any(|window| window == &whole[..4]));
    expect(range("bytes=12582912-").await, StatusCode::RANGE_NOT_SATISFIABLE).await;

    let head = expect(http.head(&path).await, StatusCode::OK).await;
    assert_eq!(header(&head, "content-length"), whole.len().to_string());
    assert_eq!(header(&head, ACCEPT_RANGES.as_str()), "bytes");
    let empty = http.push_blob("a", "").await;
    assert_eq!(pull(&http, &empty).await, "");
}

#[tokio::test]
async fn an_object_that_is_missing_is_an_error_and_not_an_empty_blob() {
    let Some((orlop, bucket)) = start("").await else { return };
    let digest = orlop.http().push_blob("a", "text").await;
    bucket.remove(&bucket.keys().await[0]).await;
    let answer = orlop.http().get(&format!("/v2/a/blobs/{digest}")).await;
    expect(answer, StatusCode::INTERNAL_SERVER_ERROR).await;
    assert!(orlop.output().contains("are missing from the store"), "{}", orlop.output());
}

#[tokio::test]
async fn who_may_pull_is_sent_to_the_bucket() {
    let Some((orlop, bucket)) = start("[storage]\nredirect = true\n").await else { return };
    if !bucket.signs_links() {
        return;
    }
    let http = orlop.http();
    let whole = content(1, 7 * MIB);
    let digest = http.push_blob("a", whole.clone()).await;
    let path = format!("/v2/a/blobs/{digest}");

    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    let client = client.build().unwrap();
    let url = format!("{}{path}", orlop.url());
    let answer = client.get(&url).basic_auth(ADMIN, Some(PASSWORD)).send().await.unwrap();
    let answer = expect(answer, StatusCode::TEMPORARY_REDIRECT).await;
    assert_eq!(header(&answer, "docker-content-digest"), digest);
    let link = header(&answer, LOCATION.as_str());
    assert!(link.starts_with(bucket.endpoint()), "{link}");
    assert!(link.contains("X-Amz-Expires=1200") || link.contains("sp=r&"), "{link}");
    // The link alone is enough, for reading this object and nothing else.
    let answer = client.get(&link).header(RANGE, "bytes=1-4").send().await.unwrap();
    let answer = expect(answer, StatusCode::PARTIAL_CONTENT).await;
    assert_eq!(answer.bytes().await.unwrap(), whole.slice(1..5));
    let refused = client.delete(&link).send().await.unwrap();
    expect(refused, StatusCode::FORBIDDEN).await;

    let refused = client.get(&url).send().await.unwrap();
    expect(refused, StatusCode::UNAUTHORIZED).await;
    expect(http.head(&path).await, StatusCode::OK).await;
    assert_eq!(pull(&http, &digest).await, whole);
}

#[tokio::test]
async fn networks_decide_who_is_sent_to_the_bucket() {
    let config = "[storage]\nredirect = true\nno_redirect_networks = [\"192.0.2.0/24\"]\n";
    let Some((orlop, bucket)) = start(config).await else { return };
    if !bucket.signs_links() {
        return;
    }
    let digest = orlop.http().push_blob("a", "text").await;
    let url = format!("{}/v2/a/blobs/{digest}", orlop.url());
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    let client = client.build().unwrap();
    for (client_address, status) in [
        ("192.0.2.7", StatusCode::OK),
        ("198.51.100.7", StatusCode::TEMPORARY_REDIRECT),
        // What a client writes before a proxy adds its address does not count.
        ("192.0.2.7, 198.51.100.7", StatusCode::TEMPORARY_REDIRECT),
    ] {
        let request = client.get(&url).basic_auth(ADMIN, Some(PASSWORD));
        let answer = request.header("X-Forwarded-For", client_address).send().await.unwrap();
        expect(answer, status).await;
    }
}

#[tokio::test]
async fn clients_follow_the_link() {
    let workspace = Workspace::new();
    let Some((orlop, bucket)) = start("[storage]\nredirect = true\n").await else { return };
    if !bucket.signs_links() {
        return;
    }
    let host = orlop.host();
    let layer = content(1, 6 * MIB);
    orlop.http().push_artifact("a", "1", &layer).await;
    let digest = digest_of(&layer);

    if let Some(oras) = workspace.tool("oras") {
        let login = format!("login {host} --plain-http --username {ADMIN} --password {PASSWORD}");
        oras.run(login).await;
        let fetch = format!("blob fetch --plain-http {host}/a@{digest} --output by-oras");
        oras.run(fetch).await;
        assert_eq!(workspace.read("by-oras"), layer);
    }
    if let Some(crane) = workspace.tool("crane") {
        crane.run(format!("auth login {host} -u {ADMIN} -p {PASSWORD}")).await;
        crane.run(format!("validate --remote {host}/a:1")).await;
        crane.run(format!("pull --format oci {host}/a:1 by-crane")).await;
        let blob = format!("by-crane/blobs/sha256/{}", digest.trim_start_matches("sha256:"));
        assert_eq!(workspace.read(&blob), layer);
    }
    if let Some(curl) = workspace.tool("curl") {
        let url = format!("http://{host}/v2/a/blobs/{digest}");
        let line = format!("--silent --fail --location --user {ADMIN}:{PASSWORD} -o by-curl {url}");
        curl.run(line).await;
        assert_eq!(workspace.read("by-curl"), layer);
    }
}

/// `file://` puts blobs into a folder of their own, beside the database.
#[tokio::test]
async fn a_folder_of_its_own_may_hold_the_blobs() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("blobs of others");
    let environment = vec![("ORLOP__STORAGE__URL".into(), format!("file://{}", place.display()))];
    let orlop = Orlop::start(Options { environment, ..Options::default() }).await;
    let digest = orlop.http().push_blob("a", "text").await;
    assert_eq!(pull(&orlop.http(), &digest).await, "text");
    let hex = digest.trim_start_matches("sha256:");
    let file = place.join("blobs/sha256").join(&hex[..2]).join(hex);
    assert_eq!(std::fs::read(file).unwrap(), b"text");
    assert!(!orlop.data_dir().join("blobs").exists());
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_told_at_the_start() {
    let Some(bucket) = Bucket::start().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_orlop"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(folder.path())
        .envs(bucket.environment())
        .env("ORLOP__STORAGE__URL", bucket.environment()[0].1.replace("blobs", "other"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success()
            && (said.contains("NoSuchBucket") || said.contains("ContainerNotFound")),
        "{said}"
    );
}
