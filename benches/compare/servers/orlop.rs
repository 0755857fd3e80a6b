use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use base64::Engine as _;
use tempfile::TempDir;

use super::Registry;
use super::process::{Process, free_address, listens};

pub const ADMIN: &str = "admin";
pub const PASSWORD: &str = "a-password-for-the-benchmark";

/// Orlop as it comes: rows in SQLite, blobs on disk; without its access log, as the peers.
pub struct Orlop {
    process: Arc<Process>,
    address: SocketAddr,
    folder: Arc<TempDir>,
}

impl Orlop {
    pub async fn start() -> Self {
        let folder = TempDir::new().expect("a folder can be made");
        Self::start_in(Arc::new(folder)).await
    }

    async fn start_in(folder: Arc<TempDir>) -> Self {
        let address = free_address();
        let process = Process::start(
            Command::new(env!("CARGO_BIN_EXE_orlop"))
                .args(["serve", "--listen", &address.to_string(), "--data-dir"])
                .arg(folder.path().join("data"))
                .env("ORLOP_ADMIN_PASSWORD", PASSWORD)
                .env("ORLOP__LOG__LEVEL", "warn,access=off")
                .env("ORLOP__AUTH__ACCESS_TOKEN_SECONDS", "7200")
                .env("ORLOP__AUTH__ANONYMOUS_PULL", "token/*"),
        );
        listens(address).await;
        Self { process: Arc::new(process), address, folder }
    }

    pub fn stop(&self) {
        self.process.stop();
    }

    /// After a stop, on the same data.
    pub async fn start_again(&self) -> Self {
        Self::start_in(Arc::clone(&self.folder)).await
    }

    pub fn database(&self) -> PathBuf {
        self.folder.path().join("data/orlop.db")
    }

    fn registry(
        &self,
        name: &'static str,
        repositories: &'static str,
        authorization: Option<String>,
    ) -> Registry {
        let process = Arc::clone(&self.process);
        Registry { name, address: self.address, repositories, authorization, process }
    }

    /// With the password in each request.
    pub fn with_password(&self) -> Registry {
        let pair = format!("{ADMIN}:{PASSWORD}");
        let pair = base64::engine::general_purpose::STANDARD.encode(pair);
        self.registry("orlop, Basic", "basic", Some(format!("Basic {pair}")))
    }

    /// With a token for these repositories.
    pub async fn with_token(&self, repositories: &[&str]) -> Registry {
        let scopes: Vec<_> =
            repositories.iter().map(|name| format!("repository:token/{name}:pull,push")).collect();
        self.with_scope(&scopes.join(" ")).await
    }

    /// With a token for the catalog, whose rights are looked up with each request.
    pub async fn with_catalog_token(&self) -> Registry {
        self.with_scope("registry:catalog:*").await
    }

    async fn with_scope(&self, scope: &str) -> Registry {
        let address = self.address;
        let answer = reqwest::Client::new()
            .get(format!("http://{address}/oauth2/token"))
            .query(&[("service", address.to_string()), ("scope", scope.to_owned())])
            .basic_auth(ADMIN, Some(PASSWORD))
            .send()
            .await
            .expect("orlop answers");
        let answer: serde_json::Value = answer.json().await.expect("the answer is JSON");
        let token = answer["token"].as_str().expect("it holds a token");
        self.registry("orlop, token", "token", Some(format!("Bearer {token}")))
    }

    /// Reads of what the token's way pushed, which are open: shows what the token costs.
    pub fn anonymous(&self) -> Registry {
        self.registry("orlop, anonymous", "token", None)
    }
}
