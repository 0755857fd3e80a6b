//! Azure's own emulator of Blob Storage as a child process on loopback.

use std::net::{Ipv4Addr, TcpListener};
use std::process::Stdio;
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, Response};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::tool::{find, reason_for_lack_of, skip};

const CONTAINER: &str = "blobs";
const PREFIX: &str = "some/prefix/";
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// The account that every emulator has, and its key, which the emulator's documentation tells.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

pub struct Azurite {
    endpoint: String,
    folder: TempDir,
    server: Child,
}

impl Azurite {
    /// None if it could not be set up here; then the test ends early, and that is told.
    pub async fn start() -> Option<Self> {
        if find("azurite").is_none() {
            skip("azurite", &reason_for_lack_of("azurite"));
            return None;
        }
        let folder = TempDir::with_prefix("orlop-azurite-").expect("cannot create a folder");
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a free port");
        let port = free.local_addr().expect("the port is known").port();
        drop(free);
        let server = serve(port, &folder);
        let azurite = Self { endpoint: format!("http://127.0.0.1:{port}"), folder, server };
        azurite.is_up().await;
        let made = azurite.send(Method::PUT, "", &[("restype", "container")]).await;
        assert!(made.status().is_success(), "{}", made.text().await.unwrap_or_default());
        Some(azurite)
    }

    /// What a server's environment must hold to keep its blobs here.
    pub fn environment(&self) -> Vec<(String, String)> {
        let variables = [
            ("ORLOP__STORAGE__URL", &*format!("az://{CONTAINER}/{}", PREFIX.trim_end_matches('/'))),
            ("AZURE_STORAGE_USE_EMULATOR", "true"),
            ("AZURITE_BLOB_STORAGE_URL", &self.endpoint),
        ];
        variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    }

    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The keys of all blobs, below the prefix.
    pub async fn keys(&self) -> Vec<String> {
        let names = self.names("metadata").await;
        names.iter().map(|name| name.strip_prefix(PREFIX).expect("has it").to_owned()).collect()
    }

    /// How many blobs are nothing but blocks that were never made a blob.
    pub async fn multipart_uploads(&self) -> usize {
        self.names("uncommittedblobs").await.len() - self.names("metadata").await.len()
    }

    async fn names(&self, include: &str) -> Vec<String> {
        let query = [("comp", "list"), ("include", include), ("restype", "container")];
        let text = self.send(Method::GET, "", &query).await.text().await.expect("it is whole");
        assert!(text.contains("<EnumerationResults") && text.contains("<NextMarker/>"), "{text}");
        let names = text.split("<Name>").skip(1).filter_map(|rest| rest.split("</Name>").next());
        names.map(str::to_owned).collect()
    }

    pub async fn put(&self, key: &str, content: &'static str) {
        let answer = self.send_body(Method::PUT, &format!("/{PREFIX}{key}"), &[], content).await;
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap_or_default());
    }

    pub async fn remove(&self, key: &str) {
        let answer = self.send(Method::DELETE, &format!("/{PREFIX}{key}"), &[]).await;
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap_or_default());
    }

    /// Lets it end by itself: killed, it would forget what it has in memory.
    pub async fn stop(&mut self) {
        let pid = self.server.id().expect("the server is running").to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().await;
        assert!(sent.is_ok_and(|status| status.success()), "cannot stop azurite");
        self.server.wait().await.expect("cannot wait for azurite");
    }

    /// Starts a stopped server again, on its port.
    pub async fn restart(&mut self) {
        let port = self.endpoint.rsplit(':').next().and_then(|port| port.parse().ok());
        self.server = serve(port.expect("the endpoint has a port"), &self.folder);
        self.is_up().await;
    }

    async fn is_up(&self) {
        let give_up_at = Instant::now() + TIME_LIMIT;
        while reqwest::get(&self.endpoint).await.is_err() {
            assert!(Instant::now() < give_up_at, "azurite does not come up");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn send(&self, method: Method, path: &str, query: &[(&str, &str)]) -> Response {
        self.send_body(method, path, query, "").await
    }

    /// A request to the container or to a blob in it, signed with the account's key; `query` is in
    /// alphabetical order.
    async fn send_body(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: &'static str,
    ) -> Response {
        let mut headers = vec![
            ("x-ms-date", chrono::Utc::now().format("%a, %d %b %Y %H:%M:%S GMT").to_string()),
            ("x-ms-version", "2021-08-06".to_owned()),
        ];
        if !body.is_empty() {
            headers.insert(0, ("x-ms-blob-type", "BlockBlob".to_owned()));
        }
        let length = if body.is_empty() { String::new() } else { body.len().to_string() };
        let mut signed = format!("{method}\n\n\n{length}\n\n\n\n\n\n\n\n\n");
        for (name, value) in &headers {
            signed.push_str(&format!("{name}:{value}\n"));
        }
        signed.push_str(&format!("/{ACCOUNT}/{ACCOUNT}/{CONTAINER}{path}"));
        for (name, value) in query {
            signed.push_str(&format!("\n{name}:{value}"));
        }
        let key = STANDARD.decode(KEY).expect("the key is base64");
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        let signature = STANDARD.encode(hmac::sign(&key, signed.as_bytes()));
        let url = format!("{}/{ACCOUNT}/{CONTAINER}{path}", self.endpoint);
        let mut request = reqwest::Client::new().request(method, url).query(query);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.header("Authorization", format!("SharedKey {ACCOUNT}:{signature}"));
        let request = request.header("Content-Length", body.len()).body(body);
        request.send().await.expect("azurite answers")
    }
}

fn serve(port: u16, folder: &TempDir) -> Child {
    Command::new(find("azurite").expect("it was there before"))
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/azurite.mjs"))
        .args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string(), "--location"])
        .arg(folder.path())
        .args(["--silent", "--skipApiVersionCheck", "--disableTelemetry"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("cannot start azurite")
}
