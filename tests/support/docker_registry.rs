//! CNCF distribution as Debian packages it, as a child process on loopback, to import from.

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::tool::{find, reason_for_lack_of, skip};
use super::{ADMIN, Http, PASSWORD};

const TIME_LIMIT: Duration = Duration::from_secs(60);

pub struct DockerRegistry {
    url: String,
    folder: TempDir,
    server: Child,
}

impl DockerRegistry {
    /// A registry that takes [`ADMIN`] and [`PASSWORD`] as Basic credentials. None if it could not be
    /// set up here; then the test ends early, and that is told.
    pub async fn start() -> Option<Self> {
        let Some(program) = find("docker-registry") else {
            skip("docker-registry", &reason_for_lack_of("docker-registry"));
            return None;
        };
        let folder =
            TempDir::with_prefix("orlop-docker-registry-").expect("cannot create a folder");
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a free port");
        let address = free.local_addr().expect("the port is known").to_string();
        drop(free);
        let hash = bcrypt::hash(PASSWORD, 4).expect("the password can be hashed");
        let place = folder.path().display();
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\n\
             storage:\n  filesystem: {{rootdirectory: {place}/storage}}\n  delete: {{enabled: true}}\n\
             http: {{addr: '{address}'}}\n\
             auth: {{htpasswd: {{realm: test, path: {place}/htpasswd}}}}\n"
        );
        std::fs::write(folder.path().join("htpasswd"), format!("{ADMIN}:{hash}\n"))
            .and_then(|()| std::fs::write(folder.path().join("config.yml"), config))
            .expect("cannot write settings");
        let server = Command::new(program)
            .arg("serve")
            .arg(folder.path().join("config.yml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("cannot start docker-registry");
        let registry = Self { url: format!("http://{address}"), folder, server };
        let give_up_at = Instant::now() + TIME_LIMIT;
        while reqwest::get(format!("{}/v2/", registry.url)).await.is_err() {
            assert!(Instant::now() < give_up_at, "docker-registry does not come up");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Some(registry)
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// `127.0.0.1:PORT`, as clients name the registry.
    pub fn host(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    pub fn http(&self) -> Http {
        Http::new(self.url.clone(), None).signed_in_as(ADMIN, PASSWORD)
    }

    /// The root of its storage.
    pub fn storage(&self) -> PathBuf {
        self.folder.path().join("storage")
    }

    pub async fn stop(&mut self) {
        self.server.kill().await.expect("cannot kill docker-registry");
    }
}
