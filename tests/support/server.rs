//! The built binary as a child process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use super::{Bucket, FaultyDisk, Http, TestDatabase, small_disk};

/// The first administrator of every test server.
pub const ADMIN: &str = "admin";
pub const PASSWORD: &str = "correct-horse-battery-staple";

const START_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// How a test server differs from the default.
#[derive(Clone, Default)]
pub struct Options {
    /// Text of a settings file.
    pub config: Option<String>,
    pub environment: Vec<(String, String)>,
    /// Further arguments to `serve`.
    pub arguments: Vec<String>,
    /// Keep the data on a file system of its own of this many MiB (see [`small_disk`]).
    pub disk_mib: Option<u32>,
    /// Keep the data on a disk that can fail (see [`FaultyDisk`]).
    pub faulty_disk: bool,
    /// The soft limit of open files to start with; else that of the tests.
    pub open_files: Option<u32>,
    /// Serve HTTPS with a certificate made for this server (see [`Orlop::certificate`]).
    pub tls: bool,
}

impl Options {
    /// With `ORLOP_TEST_STORAGE=s3`, `azure` or `gcs` blobs are in a bucket of this server, unless the
    /// options say where they are.
    async fn add_bucket(&mut self) -> Option<Arc<Bucket>> {
        if matches!(std::env::var("ORLOP_TEST_STORAGE").as_deref(), Ok("disk") | Err(_)) {
            return None;
        }
        if self.environment.iter().any(|(name, _)| name == "ORLOP__STORAGE__URL") {
            return None;
        }
        let bucket = Bucket::start().await.expect("ORLOP_TEST_STORAGE needs its server");
        self.environment.extend(bucket.environment());
        Some(Arc::new(bucket))
    }
}

/// A server on its own port, data folder and database. Dropping it kills it and removes the folder.
pub struct Orlop {
    options: Options,
    running: Running,
    folder: Arc<TempDir>,
    database: Arc<TestDatabase>,
    /// Where the whole suite runs on a bucket.
    bucket: Option<Arc<Bucket>>,
    faulty_disk: Option<FaultyDisk>,
}

struct Running {
    child: Child,
    scheme: String,
    address: SocketAddr,
    output: Arc<Mutex<String>>,
}

impl Orlop {
    pub async fn start(mut options: Options) -> Self {
        let folder = TempDir::with_prefix("orlop-test-").expect("cannot create a folder");
        if !options.faulty_disk {
            // What makes it must make it durable.
            std::fs::create_dir(folder.path().join("data")).expect("cannot create a folder");
        }
        let database = TestDatabase::new(&folder.path().join("data")).await;
        if let Some(config) = &options.config {
            std::fs::write(folder.path().join("orlop.toml"), config)
                .expect("cannot write settings");
        }
        if options.tls {
            write_certificate(folder.path());
        }
        let bucket = options.add_bucket().await;
        let faulty_disk = options.faulty_disk.then(|| FaultyDisk::new(folder.path()));
        if let Some(disk) = &faulty_disk {
            options.environment.extend(disk.environment());
        }
        let running = Running::start(&options, folder.path(), database.url()).await;
        let (folder, database) = (Arc::new(folder), Arc::new(database));
        Self { options, running, folder, database, bucket, faulty_disk }
    }

    /// Servers with the same settings on one PostgreSQL database and one data folder, started at
    /// the same time; none if there is no PostgreSQL here.
    pub async fn replicas(count: usize, options: Options) -> Option<Vec<Self>> {
        let database = TestDatabase::postgres().await?;
        Some(Self::replicas_on(database, count, options).await)
    }

    pub async fn replicas_on(
        database: TestDatabase,
        count: usize,
        mut options: Options,
    ) -> Vec<Self> {
        let folder = TempDir::with_prefix("orlop-test-").expect("cannot create a folder");
        let (database, folder) = (Arc::new(database), Arc::new(folder));
        if let Some(config) = &options.config {
            std::fs::write(folder.path().join("orlop.toml"), config)
                .expect("cannot write settings");
        }
        let bucket = options.add_bucket().await;
        let starting = (0..count).map(|_| Running::start(&options, folder.path(), database.url()));
        let running = futures_util::future::join_all(starting).await;
        let replicas = running.into_iter().map(|running| {
            let (folder, database) = (Arc::clone(&folder), Arc::clone(&database));
            let (options, bucket) = (options.clone(), bucket.clone());
            Self { options, running, folder, database, bucket, faulty_disk: None }
        });
        replicas.collect()
    }

    /// `127.0.0.1:PORT`, as clients name the registry.
    pub fn host(&self) -> String {
        self.running.address.to_string()
    }

    pub fn url(&self) -> String {
        format!("{}://{}", self.running.scheme, self.running.address)
    }

    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// What upload sessions have left in the store.
    pub async fn upload_bytes(&self) -> Vec<String> {
        if let Some(bucket) = &self.bucket {
            let mut left = bucket.keys().await;
            left.retain(|key| key.starts_with("uploads/"));
            left.extend((0..bucket.multipart_uploads().await).map(|n| format!("multipart {n}")));
            return left;
        }
        let folder = std::fs::read_dir(self.data_dir().join("uploads")).expect("it is there");
        let names = folder.map(|entry| entry.expect("can be read").file_name());
        names.map(|name| name.to_string_lossy().into_owned()).collect()
    }

    /// The folder of the blobs, if they are files.
    pub fn blobs_on_disk(&self) -> Option<PathBuf> {
        self.bucket.is_none().then(|| self.data_dir())
    }

    /// The blobs in the store: files, or keys of objects.
    pub async fn stored_blobs(&self) -> Vec<String> {
        if let Some(bucket) = &self.bucket {
            let mut keys = bucket.keys().await;
            keys.retain(|key| key.starts_with("blobs/"));
            return keys;
        }
        let mut found = Vec::new();
        let mut folders = vec![self.data_dir().join("blobs")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("it is there") {
                let path = entry.expect("can be read").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.push(path.display().to_string());
                }
            }
        }
        found
    }

    /// Puts the bytes of a blob into the store behind the server's back. In a bucket they get a key,
    /// which is given.
    pub async fn leave_blob_bytes(&self, content: &'static str) -> Option<String> {
        let digest = super::digest_of(content);
        let hex = digest.strip_prefix("sha256:").expect("it is one");
        if let Some(bucket) = &self.bucket {
            let key = format!("blobs/uploaded/{hex}");
            bucket.put(&key, content).await;
            return Some(key);
        }
        let folder = self.data_dir().join("blobs/sha256").join(&hex[..2]);
        std::fs::create_dir_all(&folder).expect("cannot create a folder");
        std::fs::write(folder.join(hex), content).expect("cannot write");
        None
    }

    /// Runs another command of the program with the settings of the server, and gives what it
    /// printed.
    pub async fn run(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orlop"));
        command.args(arguments).arg("--data-dir").arg(self.data_dir());
        if self.options.config.is_some() {
            command.arg("--config").arg(self.folder.path().join("orlop.toml"));
        }
        let output = command
            .env("ORLOP__METADATA__URL", self.database.url())
            .envs(self.options.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .expect("cannot run the program");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {}\n{errors}", output.status);
        String::from_utf8(output.stdout).expect("the output is text")
    }

    /// Leaves bytes of a session that no row knows of, as a crash may.
    pub async fn leave_upload_bytes(&self) {
        const ID: &str = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
        match &self.bucket {
            Some(bucket) => bucket.put(&format!("uploads/{ID}/1"), "orphan").await,
            None => std::fs::write(self.data_dir().join("uploads").join(ID), "orphan")
                .expect("cannot write"),
        }
    }

    /// The data folder as the server itself sees it, also on a file system of its own.
    pub fn data_dir_of_process(&self) -> PathBuf {
        let pid = self.running.child.id().expect("the server is running");
        let data = self.data_dir();
        let inside = data.strip_prefix("/").expect("folders for tests are absolute");
        Path::new("/proc").join(pid.to_string()).join("root").join(inside)
    }

    pub fn is_on_postgres(&self) -> bool {
        self.database.is_postgres()
    }

    pub fn is_on_s3(&self) -> bool {
        self.bucket.is_some()
    }

    pub fn database_url(&self) -> &str {
        self.database.url()
    }

    /// What our own program must find in its environment to work on the same database and store.
    pub fn settings(&self) -> Vec<(String, String)> {
        let own = [
            ("ORLOP__METADATA__URL".to_owned(), self.database.url().to_owned()),
            ("ORLOP__STORAGE__DATA_DIR".to_owned(), self.data_dir().display().to_string()),
        ];
        own.into_iter().chain(self.options.environment.iter().cloned()).collect()
    }

    /// The PEM file of the certificate, for clients to trust; made when `Options::tls` is on.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    /// An HTTP client that signs in as the administrator.
    pub fn http(&self) -> Http {
        self.anonymous().signed_in_as(ADMIN, PASSWORD)
    }

    /// An HTTP client without credentials.
    pub fn anonymous(&self) -> Http {
        let trusted = self.options.tls.then(|| self.certificate());
        Http::new(self.url(), trusted.as_deref())
    }

    /// Everything that the server has written to stdout and stderr since it was started.
    pub fn output(&self) -> String {
        self.running.output.lock().expect("no reader panics").clone()
    }

    /// The most memory that the process has held so far, in bytes.
    pub fn peak_memory(&self) -> u64 {
        self.memory("VmHWM:")
    }

    /// Bytes of files that are mapped into memory now, above all of the program itself.
    pub fn memory_of_files(&self) -> u64 {
        self.memory("RssFile:")
    }

    fn memory(&self, kind: &str) -> u64 {
        let pid = self.running.child.id().expect("the server is running");
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))
            .expect("cannot read the status of the process");
        let kibibytes: u64 = status
            .lines()
            .find_map(|line| line.strip_prefix(kind)?.trim().strip_suffix(" kB")?.parse().ok())
            .expect("/proc/PID/status has a line such as 'VmHWM:  1234 kB'");
        kibibytes * 1024
    }

    /// Files and connections that the process has open.
    pub fn open_files(&self) -> usize {
        let pid = self.running.child.id().expect("the server is running");
        std::fs::read_dir(format!("/proc/{pid}/fd")).expect("cannot read its open files").count()
    }

    /// Asks the server to stop (SIGTERM) and waits until it has.
    pub async fn stop(&mut self) -> ExitStatus {
        self.signal("-TERM").await;
        match tokio::time::timeout(STOP_LIMIT, self.running.child.wait()).await {
            Ok(status) => status.expect("cannot wait for the server"),
            Err(_) => panic!("no end {STOP_LIMIT:?} after SIGTERM:\n{}", self.output()),
        }
    }

    /// Sends the server a signal, such as `-HUP`.
    pub async fn signal(&self, signal: &str) {
        let pid = self.running.child.id().expect("the server is running").to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().await;
        assert!(sent.is_ok_and(|status| status.success()), "cannot send {signal} to {pid}");
    }

    /// Ends the server at once (SIGKILL), as a crash would.
    pub async fn kill(&mut self) {
        self.running.child.kill().await.expect("cannot kill the server");
    }

    /// The disk of [`Options::faulty_disk`].
    pub fn disk(&self) -> &FaultyDisk {
        self.faulty_disk.as_ref().expect("the options ask for one")
    }

    /// Leaves of a killed server's data what a power failure would, see
    /// [`FaultyDisk::lose_power`].
    pub fn lose_power(&mut self, survives: impl FnMut() -> bool) -> usize {
        assert!(self.running.child.id().is_none(), "kill the server first");
        self.faulty_disk.as_mut().expect("the options ask for one").lose_power(survives)
    }

    /// Starts a stopped or killed server on the same data folder, on a new port.
    pub async fn restart(&mut self) {
        assert!(self.running.child.id().is_none(), "stop or kill the server first");
        let url = self.database.url();
        self.running = Running::start(&self.options, self.folder.path(), url).await;
    }
}

impl Running {
    async fn start(options: &Options, folder: &Path, database: &str) -> Self {
        let data = folder.join("data");
        let program = env!("CARGO_BIN_EXE_orlop");
        let mut command = match (options.disk_mib, options.open_files) {
            (Some(size), _) => small_disk::command(&data, size, program),
            (None, Some(limit)) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", "ulimit -S -n $0 && exec \"$@\"", &limit.to_string(), program]);
                shell
            }
            (None, None) => Command::new(program),
        };
        command.arg("serve").args(["--listen", "127.0.0.1:0", "--data-dir"]).arg(data);
        if options.config.is_some() {
            command.arg("--config").arg(folder.join("orlop.toml"));
        }
        if options.tls {
            command.arg("--tls-cert").arg(folder.join("certificate.pem"));
            command.arg("--tls-key").arg(folder.join("key.pem"));
        }
        let mut child = command
            .args(&options.arguments)
            .env("ORLOP_ADMIN_PASSWORD", PASSWORD)
            .env("ORLOP__METADATA__URL", database)
            .envs(options.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("cannot start the server");

        let output = Arc::new(Mutex::new(String::new()));
        let (listening, mut heard) = watch::channel(None);
        let stdout = child.stdout.take().expect("stdout is piped");
        let stderr = child.stderr.take().expect("stderr is piped");
        tokio::spawn(collect(stderr, Arc::clone(&output), None));
        tokio::spawn(collect(stdout, Arc::clone(&output), Some(listening)));

        // The channel closes without a value when the server ends before it listens.
        let url = tokio::time::timeout(START_LIMIT, heard.wait_for(Option::is_some)).await;
        let Ok(Ok(url)) = url.map(|heard| heard.map(|url| url.clone().unwrap_or_default())) else {
            let status = tokio::time::timeout(Duration::from_secs(1), child.wait()).await;
            let output = output.lock().expect("no reader panics");
            panic!("the server printed no 'listening on http://…' (status {status:?}):\n{output}");
        };
        let (scheme, address) = url.split_once("://").expect("the server prints a URL");
        let address =
            address.trim_end_matches('/').parse().expect("the server prints ADDRESS:PORT");
        Self { child, scheme: scheme.to_owned(), address, output }
    }
}

/// Keeps what a stream says, and tells `listening` the URL of the first line that has it.
async fn collect(
    stream: impl AsyncRead + Unpin,
    output: Arc<Mutex<String>>,
    listening: Option<watch::Sender<Option<String>>>,
) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let (Some(listening), Some(rest)) = (&listening, line.strip_prefix("listening on ")) {
            let url = rest.split_whitespace().next().unwrap_or_default().to_owned();
            listening.send_if_modified(|known| known.is_none() && known.replace(url).is_none());
        }
        let mut output = output.lock().expect("no reader panics");
        output.push_str(&line);
        output.push('\n');
    }
}

fn write_certificate(folder: &Path) {
    let names = ["127.0.0.1", "localhost", "registry.localhost"].map(String::from);
    let made = rcgen::generate_simple_self_signed(names).expect("the names are valid");
    std::fs::write(folder.join("certificate.pem"), made.cert.pem()).expect("cannot write");
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).expect("cannot write");
}
