use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use tempfile::TempDir;

use super::Registry;
use super::process::{Process, find, free_address, listens};

/// The peer that the goals name.
pub const DISTRIBUTION: &str = "distribution 2.8, no sign-in";

/// Another registry, without sign-in and access log.
pub struct Peer {
    kind: &'static Kind,
    process: Arc<Process>,
    address: SocketAddr,
    folder: Arc<TempDir>,
}

struct Kind {
    name: &'static str,
    repositories: &'static str,
    program: &'static str,
    /// Arguments before the name of the settings file.
    arguments: &'static [&'static str],
    settings: fn(data: &Path, address: SocketAddr) -> String,
}

const KINDS: [Kind; 3] = [
    // As Debian packages it.
    Kind {
        name: DISTRIBUTION,
        repositories: "peer",
        program: "docker-registry",
        arguments: &["serve"],
        settings: distribution,
    },
    Kind {
        name: "distribution 3, no sign-in",
        repositories: "peer",
        program: "registry",
        arguments: &["serve"],
        settings: distribution,
    },
    Kind {
        name: "zot, no sign-in",
        repositories: "peer",
        program: "zot",
        arguments: &["serve"],
        settings: zot,
    },
];

/// Files, and a cache in memory.
fn distribution(data: &Path, address: SocketAddr) -> String {
    format!(
        "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage:\n  \
         cache: {{blobdescriptor: inmemory}}\n  filesystem: {{rootdirectory: {}}}\n  \
         delete: {{enabled: true}}\nhttp: {{addr: '{address}'}}\n",
        data.display()
    )
}

fn zot(data: &Path, address: SocketAddr) -> String {
    let settings = serde_json::json!({
        "storage": {"rootDirectory": data, "gc": false},
        "http": {"address": address.ip(), "port": address.port().to_string()},
        "log": {"level": "error", "output": "/dev/null"},
    });
    settings.to_string()
}

impl Peer {
    /// Those that are installed.
    pub async fn start_all() -> Vec<Self> {
        let mut peers = Vec::new();
        for kind in &KINDS {
            if find(kind.program).is_some() {
                let folder = Arc::new(TempDir::new().expect("a folder can be made"));
                peers.push(Self::start_in(kind, folder).await);
            }
        }
        peers
    }

    async fn start_in(kind: &'static Kind, folder: Arc<TempDir>) -> Self {
        let program = find(kind.program).expect("it was there");
        let address = free_address();
        let file = folder.path().join("config.json");
        let settings = (kind.settings)(&folder.path().join("data"), address);
        std::fs::write(&file, settings).expect("the folder is ours");
        // Tracing of version 3 would look for a collector.
        let process = Process::start(
            Command::new(program)
                .args(kind.arguments)
                .arg(file)
                .env("OTEL_TRACES_EXPORTER", "none"),
        );
        listens(address).await;
        Self { kind, process: Arc::new(process), address, folder }
    }

    pub fn stop(&self) {
        self.process.stop();
    }

    /// After a stop, on the same data.
    pub async fn start_again(&self) -> Self {
        Self::start_in(self.kind, Arc::clone(&self.folder)).await
    }

    pub fn registry(&self) -> Registry {
        Registry {
            name: self.kind.name,
            address: self.address,
            repositories: self.kind.repositories,
            authorization: None,
            process: Arc::clone(&self.process),
        }
    }
}
