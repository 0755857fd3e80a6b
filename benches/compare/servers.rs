//! The servers that are compared, each on a port and in a folder of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use tempfile::TempDir;

const PASSWORD: &str = "a-password-for-the-benchmark";

/// A registry as the works see it.
pub struct Registry {
    pub name: &'static str,
    pub address: SocketAddr,
    /// Prefix of its repositories, so that two ways into one server do not meet.
    pub repositories: &'static str,
    authorization: Option<String>,
}

impl Registry {
    pub const PEER: &'static str = "distribution 2.8, no sign-in";

    /// The head of a request.
    pub fn head(&self, method: &str, path: &str, fields: &str) -> String {
        let Self { address, repositories, .. } = self;
        let path = path.replace("{r}", repositories);
        let authorization = self
            .authorization
            .as_ref()
            .map(|value| format!("Authorization: {value}\r\n"))
            .unwrap_or_default();
        format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n{authorization}{fields}\r\n")
    }
}

struct Running {
    child: Child,
    _folder: TempDir,
}

impl Running {
    fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("the process runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kib.expect("Linux tells the peak") * 1024
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing else to do about it here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub struct Orlop {
    running: Running,
    address: SocketAddr,
}

impl Orlop {
    pub async fn start() -> Self {
        let folder = TempDir::new().expect("a folder can be made");
        let address = free_address();
        let child = Command::new(env!("CARGO_BIN_EXE_orlop"))
            .args(["serve", "--listen", &address.to_string(), "--data-dir"])
            .arg(folder.path().join("data"))
            .env("ORLOP_ADMIN_PASSWORD", PASSWORD)
            .env("ORLOP__LOG__LEVEL", "info,access=off")
            .env("ORLOP__AUTH__ACCESS_TOKEN_SECONDS", "7200")
            .env("ORLOP__AUTH__ANONYMOUS_PULL", "token/*")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("orlop starts");
        let running = Running { child, _folder: folder };
        listens(address).await;
        Self { running, address }
    }

    fn basic() -> String {
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("admin:{PASSWORD}"));
        format!("Basic {pair}")
    }

    pub fn with_password(&self) -> Registry {
        Registry {
            name: "orlop, Basic",
            address: self.address,
            repositories: "basic",
            authorization: Some(Self::basic()),
        }
    }

    pub async fn with_token(&self) -> Registry {
        let scope = ["small", "large", "many"]
            .map(|name| format!("repository:token/{name}:pull,push"))
            .join(" ");
        let address = self.address;
        let answer = reqwest::Client::new()
            .get(format!("http://{address}/oauth2/token"))
            .query(&[("service", address.to_string()), ("scope", scope)])
            .basic_auth("admin", Some(PASSWORD))
            .send()
            .await
            .expect("orlop answers");
        let answer: serde_json::Value = answer.json().await.expect("the answer is JSON");
        let token = answer["token"].as_str().expect("it holds a token");
        Registry {
            name: "orlop, token",
            address,
            repositories: "token",
            authorization: Some(format!("Bearer {token}")),
        }
    }

    /// Reads of what the token's way pushed, which are open: shows what the token costs.
    pub fn anonymous(&self) -> Registry {
        Registry {
            name: "orlop, anonymous",
            address: self.address,
            repositories: "token",
            authorization: None,
        }
    }

    pub fn peak_memory(&self) -> u64 {
        self.running.peak_memory()
    }
}

/// CNCF distribution as Debian packages it: files, a cache in memory, no sign-in, no access log.
pub struct Peer {
    running: Running,
    address: SocketAddr,
}

impl Peer {
    pub async fn start() -> Option<Self> {
        let program = find("docker-registry")?;
        let folder = TempDir::new().expect("a folder can be made");
        let address = free_address();
        let data = folder.path().join("data");
        let config = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage:\n  \
             cache: {{blobdescriptor: inmemory}}\n  filesystem: {{rootdirectory: {}}}\n  \
             delete: {{enabled: true}}\nhttp: {{addr: '{address}'}}\n",
            data.display()
        );
        let file = folder.path().join("config.yml");
        std::fs::write(&file, config).expect("the folder is ours");
        let child = Command::new(program)
            .arg("serve")
            .arg(file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("docker-registry starts");
        let running = Running { child, _folder: folder };
        listens(address).await;
        Some(Self { running, address })
    }

    pub fn registry(&self) -> Registry {
        Registry {
            name: Registry::PEER,
            address: self.address,
            repositories: "peer",
            authorization: None,
        }
    }

    pub fn peak_memory(&self) -> u64 {
        self.running.peak_memory()
    }
}

/// The limit for reads: static files by sendfile.
pub struct Nginx {
    _running: Running,
    pub address: SocketAddr,
}

impl Nginx {
    pub const NAME: &'static str = "nginx, static file";

    pub async fn start(large: usize) -> Option<Self> {
        let program = find("nginx")?;
        let folder = TempDir::new().expect("a folder can be made");
        let address = free_address();
        let root = folder.path();
        std::fs::write(root.join("small"), vec![b'x'; 1024]).expect("the folder is ours");
        std::fs::write(root.join("large"), vec![b'x'; large]).expect("the folder is ours");
        let root = root.display();
        let config = format!(
            "daemon off; worker_processes auto; pid {root}/pid; error_log /dev/null; user root;\n\
             events {{}}\nhttp {{ access_log off; sendfile on; tcp_nopush on; \
             keepalive_requests 100000000;\n\
             client_body_temp_path {root}/a; proxy_temp_path {root}/b; fastcgi_temp_path {root}/c;\n\
             uwsgi_temp_path {root}/d; scgi_temp_path {root}/e;\n\
             server {{ listen {address}; root {root}; }} }}\n"
        );
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, config).expect("the folder is ours");
        let child = Command::new(program)
            .arg("-c")
            .arg(file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx starts");
        let running = Running { child, _folder: folder };
        listens(address).await;
        Some(Self { _running: running, address })
    }
}

fn find(program: &str) -> Option<std::path::PathBuf> {
    let found = ["/usr/bin", "/usr/sbin", "/usr/local/bin"]
        .map(|folder| Path::new(folder).join(program))
        .into_iter()
        .find(|path| path.exists());
    if found.is_none() {
        eprintln!("{program} is not installed: left out of the comparison");
    }
    found
}

fn free_address() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it is bound")
}

async fn listens(address: SocketAddr) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while tokio::net::TcpStream::connect(address).await.is_err() {
        assert!(Instant::now() < deadline, "no server listens on {address}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
