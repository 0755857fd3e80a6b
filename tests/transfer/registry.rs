//! From other registries over HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::StatusCode;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::content::{self, push_image, push_index, referrers};
use super::distribution::{Filled, login};
use super::support::http::{OCI_MANIFEST, expect};
use super::support::{ADMIN, Options, Orlop, PASSWORD, Workspace, digest_of};

#[tokio::test]
async fn a_whole_registry_comes_from_docker_registry_with_what_a_login_keeps() {
    let Some(filled) = Filled::start().await else { return };
    let orlop = Orlop::start(Options::default()).await;
    let here = filled.workspace.orlop_at(&orlop);
    // oras has signed in there.
    here.run(format!("import registry {}", filled.registry.url())).await;
    filled.assert_equal_to(&orlop).await;

    let again = here.run(format!("import registry {}", filled.registry.url())).await;
    assert!(again.text().contains("manifests     0 new"), "{}", again.text());
    assert!(again.text().contains("0 copied (0 B)"), "{}", again.text());
    let line = format!(
        "import registry {} team/app --from-username {ADMIN} --from-password wrong",
        filled.registry.url()
    );
    let said = here.refused(line).await;
    assert!(said.stdout.contains("answered 401"), "{}", said.stdout);
}

#[tokio::test]
async fn chosen_repositories_and_tags_come_from_another_orlop_below_another_name() {
    let workspace = Workspace::new();
    let Some(oras) = workspace.tool("oras") else { return };
    let source = Orlop::start(Options::default()).await;
    let there = source.http();
    push_index(&there, "team/app", "v1", &["amd64 layer", "arm64 layer"]).await;
    let subject = push_image(&there, "team/app", "v2", "a layer").await;
    push_image(&there, "team/app", "nightly", "of tonight").await;
    push_image(&there, "team/tool", "v1", "a tool").await;
    push_image(&there, "other/app", "v1", "another").await;
    login(&oras, &source.host()).await;
    workspace.write("statement.json", "{}\n");
    let kind = "--artifact-type application/vnd.example.statement";
    let host = source.host();
    oras.run(format!("attach --plain-http {kind} {host}/team/app:v2 statement.json")).await;

    let orlop = Orlop::start(Options::default()).await;
    let here = workspace.orlop_at(&orlop);
    let from = format!("import registry {} --from-username {ADMIN}", source.url());
    let line = format!("{from} --from-password-stdin team/* --tag v* --below mirror/of");
    let said = here.run_with_input(line, PASSWORD).await;
    assert!(said.text().contains("tags          3 new"), "{}", said.text());

    let found = content::all(&orlop.http()).await;
    assert_eq!(found.keys().collect::<Vec<_>>(), ["mirror/of/team/app", "mirror/of/team/tool"]);
    let mut expected = content::all(&there).await;
    let mut app = expected.remove("team/app").unwrap();
    let nightly = app.tags.remove("nightly").unwrap();
    assert_eq!(found["mirror/of/team/app"].tags, app.tags);
    app.manifests.remove(&nightly);
    assert_eq!(found["mirror/of/team/app"].manifests, app.manifests);
    assert_eq!(found["mirror/of/team/tool"], expected["team/tool"]);
    let subject = subject["digest"].as_str().unwrap();
    let attached = referrers(&there, "team/app", subject).await;
    assert_eq!(attached.len(), 1);
    assert_eq!(referrers(&orlop.http(), "mirror/of/team/app", subject).await, attached);

    // A name that is not there is told.
    let said = here.refused(format!("{from} --from-password {PASSWORD} team/none team/tool")).await;
    assert!(said.stdout.contains("team/none"), "{}", said.stdout);
    assert!(said.stderr.contains("one thing could not be imported"), "{}", said.stderr);
}

/// A registry that answers now and then with an error, and breaks off each blob after some bytes.
struct Flaky {
    layer: Vec<u8>,
    config: &'static str,
    requests: AtomicUsize,
    ranges: AtomicUsize,
}

/// Bytes of a blob that one answer of [`Flaky`] holds.
const PIECE: usize = 70_000;

impl Flaky {
    fn manifest(&self) -> String {
        json!({
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": "application/vnd.oci.empty.v1+json",
                       "digest": digest_of(self.config), "size": self.config.len()},
            "layers": [{"mediaType": "text/plain",
                        "digest": digest_of(&self.layer), "size": self.layer.len()}],
        })
        .to_string()
    }

    async fn serve(self: Arc<Self>, listener: TcpListener) {
        while let Ok((connection, _)) = listener.accept().await {
            let flaky = Arc::clone(&self);
            tokio::spawn(async move { flaky.answer(connection).await });
        }
    }

    /// One request a connection.
    async fn answer(&self, connection: TcpStream) -> std::io::Result<()> {
        let mut connection = BufReader::new(connection);
        let (mut path, mut first, mut line) = (String::new(), 0, String::new());
        while connection.read_line(&mut line).await? > 2 {
            if path.is_empty() {
                path = line.split(' ').nth(1).unwrap_or_default().to_owned();
            }
            if let Some(range) = line.to_lowercase().strip_prefix("range: bytes=") {
                first = range.trim().trim_end_matches('-').parse().expect("it goes to the end");
                self.ranges.fetch_add(1, Ordering::Relaxed);
            }
            line.clear();
        }
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let manifest = self.manifest();
        let (status, about, body) = match path.rsplit('/').next().unwrap_or_default() {
            _ if number % 3 == 1 => ("503 Service Unavailable", String::new(), Vec::new()),
            "list?n=1000" => ("200 OK", String::new(), br#"{"tags":["1"]}"#.to_vec()),
            _ if path.contains("/manifests/sha256-") => {
                ("404 Not Found", String::new(), Vec::new())
            }
            _ if path.contains("/manifests/") => {
                let about = format!("Docker-Content-Digest: {}\r\n", digest_of(&manifest));
                ("200 OK", about, manifest.into_bytes())
            }
            digest if digest == digest_of(&self.layer) => {
                let range = format!("bytes {first}-{}/{}", self.layer.len() - 1, self.layer.len());
                let about = format!("Content-Range: {range}\r\n");
                ("206 Partial Content", about, self.layer[first..].to_vec())
            }
            digest if digest == digest_of(self.config) => {
                ("200 OK", String::new(), self.config.as_bytes().to_vec())
            }
            _ => ("404 Not Found", String::new(), Vec::new()),
        };
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{about}Connection: close\r\n\r\n"
        );
        connection.write_all(head.as_bytes()).await?;
        connection.write_all(&body[..length.min(PIECE)]).await?;
        connection.shutdown().await
    }
}

#[tokio::test]
async fn broken_connections_and_passing_errors_do_not_end_an_import() {
    let layer = (0..5 * PIECE).map(|n| u8::try_from(n % 251).unwrap()).collect::<Vec<_>>();
    let flaky =
        Flaky { layer, config: "{}", requests: AtomicUsize::new(0), ranges: AtomicUsize::new(0) };
    let flaky = Arc::new(flaky);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(Arc::clone(&flaky).serve(listener));

    let workspace = Workspace::new();
    let orlop = Orlop::start(Options::default()).await;
    let here = workspace.orlop_at(&orlop);
    let said = here.run(format!("import registry {url} app")).await;
    assert!(said.text().contains("2 copied"), "{}", said.text());
    let content = content::of(&orlop.http(), "app").await;
    assert_eq!(content.blobs[&digest_of(&flaky.layer)], flaky.layer);
    assert!(flaky.ranges.load(Ordering::Relaxed) >= 4, "it went on where it stood");
    serving.abort();
}

#[tokio::test]
async fn content_that_is_not_what_its_digest_says_does_not_come() {
    let workspace = Workspace::new();
    let orlop = Orlop::start(Options::default()).await;
    let here = workspace.orlop_at(&orlop);
    let promised = digest_of("what was promised");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let mut connection = BufReader::new(connection);
            let (mut head, mut line) = (String::new(), String::new());
            while connection.read_line(&mut line).await.unwrap() > 2 {
                head.push_str(&std::mem::take(&mut line));
            }
            let body = match head.contains("/tags/list") {
                true => r#"{"tags":["1"]}"#,
                false => r#"{"schemaVersion":2,"manifests":[]}"#,
            };
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nDocker-Content-Digest: {promised}\r\n\
                 Connection: close\r\n\r\n{body}",
                body.len()
            );
            let body = if head.starts_with("HEAD") {
                &answer[..answer.len() - body.len()]
            } else {
                &answer
            };
            connection.write_all(body.as_bytes()).await.unwrap();
        }
    });
    let said = here.refused(format!("import registry {url} app")).await;
    assert!(said.stdout.contains("the content has digest sha256:"), "{}", said.stdout);
    expect(orlop.http().get("/v2/app/manifests/1").await, StatusCode::NOT_FOUND).await;
    serving.abort();
}
