//! A real S3 server as a child process on loopback: versitygw, which keeps objects as files.

use std::net::{Ipv4Addr, TcpListener};
use std::process::Stdio;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::signer::{SignedUrlOptions, Signer as _};
use object_store::{ObjectStore as _, ObjectStoreExt as _, PutPayload};
use reqwest::Method;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::tool::{find, reason_for_lack_of, skip};

const BUCKET: &str = "blobs";
const KEY: &str = "test-key";
const SECRET: &str = "test-secret";
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// An S3 server with one bucket. Dropping it kills it and removes the folder.
pub struct S3 {
    endpoint: String,
    folder: TempDir,
    server: Child,
    client: AmazonS3,
}

impl S3 {
    /// None if it could not be set up here; then the test ends early, and that is told.
    pub async fn start() -> Option<Self> {
        if find("versitygw").is_none() {
            skip("versitygw", &reason_for_lack_of("versitygw"));
            return None;
        }
        let folder = TempDir::with_prefix("orlop-s3-").expect("cannot create a folder");
        std::fs::create_dir(folder.path().join(BUCKET)).expect("cannot create the bucket");
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a free port");
        let address = free.local_addr().expect("the port is known").to_string();
        drop(free);
        let endpoint = format!("http://{address}");
        let client = Self::client(&endpoint, BUCKET);
        let server = serve(&address, folder.path());
        let s3 = Self { endpoint, folder, server, client };
        s3.is_up().await;
        Some(s3)
    }

    /// What a server's environment must hold to keep its blobs here.
    pub fn environment(&self) -> Vec<(String, String)> {
        self.environment_behind(&self.endpoint)
    }

    /// As [`S3::environment`], for a server that reaches this one through something at `endpoint`.
    pub fn environment_behind(&self, endpoint: &str) -> Vec<(String, String)> {
        let variables = [
            ("ORLOP__STORAGE__URL", &*format!("s3://{BUCKET}/some/prefix")),
            ("ORLOP__STORAGE__ENDPOINT", endpoint),
            ("AWS_ACCESS_KEY_ID", KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET),
        ];
        variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    }

    /// A client of a bucket of such a server.
    pub fn client(endpoint: &str, bucket: &str) -> AmazonS3 {
        AmazonS3Builder::new()
            .with_endpoint(endpoint)
            .with_allow_http(true)
            .with_bucket_name(bucket)
            .with_access_key_id(KEY)
            .with_secret_access_key(SECRET)
            .build()
            .expect("the options fit together")
    }

    /// Puts all files below a folder into the bucket, below the prefix.
    pub async fn upload(&self, folder: &std::path::Path) {
        let mut folders = vec![folder.to_owned()];
        while let Some(next) = folders.pop() {
            for entry in std::fs::read_dir(next).expect("the folder can be read") {
                let path = entry.expect("the folder can be read").path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let below = path.strip_prefix(folder).expect("it is below").display().to_string();
                let content = std::fs::read(&path).expect("the file can be read");
                let key = Path::from(format!("some/prefix/{below}"));
                self.client.put(&key, content.into()).await.expect("the object is stored");
            }
        }
    }

    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The keys of all objects, below the prefix.
    pub async fn keys(&self) -> Vec<String> {
        let objects: Vec<_> = self.client.list(None).try_collect().await.expect("the bucket lists");
        let keys = objects.iter().map(|object| object.location.as_ref());
        keys.map(|key| key.strip_prefix("some/prefix/").expect("has it").to_owned()).collect()
    }

    /// How many multipart uploads are neither completed nor aborted.
    pub async fn multipart_uploads(&self) -> usize {
        let options = SignedUrlOptions::default().with_query([("uploads", "")]);
        let url = self
            .client
            .signed_url_opts(Method::GET, &Path::default(), Duration::from_secs(60), &options)
            .await
            .expect("the request can be signed");
        let answer = reqwest::get(url).await.expect("the server answers");
        let text = answer.text().await.expect("the body arrives whole");
        assert!(text.contains("ListMultipartUploadsResult"), "{text}");
        text.matches("<UploadId>").count()
    }

    pub async fn get(&self, key: &str) -> Bytes {
        let path = Path::from(format!("some/prefix/{key}"));
        let answer = self.client.get(&path).await.expect("the object is there");
        answer.bytes().await.expect("the object arrives whole")
    }

    pub async fn put(&self, key: &str, content: impl Into<PutPayload>) {
        let path = Path::from(format!("some/prefix/{key}"));
        self.client.put(&path, content.into()).await.expect("the object is stored");
    }

    pub async fn remove(&self, key: &str) {
        let path = Path::from(format!("some/prefix/{key}"));
        self.client.delete(&path).await.expect("the object goes");
    }

    /// Takes the bucket away, or brings it back.
    pub fn set_bucket_away(&self, away: bool) {
        let (here, elsewhere) = (self.folder.path().join(BUCKET), self.folder.path().join(".away"));
        let (from, to) = if away { (here, elsewhere) } else { (elsewhere, here) };
        std::fs::rename(from, to).expect("the bucket is a folder");
    }

    pub async fn stop(&mut self) {
        self.server.kill().await.expect("cannot kill the S3 server");
    }

    /// Starts a stopped server again, on its port.
    pub async fn restart(&mut self) {
        let address = self.endpoint.trim_start_matches("http://");
        self.server = serve(address, self.folder.path());
        self.is_up().await;
    }

    async fn is_up(&self) {
        let give_up_at = Instant::now() + TIME_LIMIT;
        let health = format!("{}/health", self.endpoint);
        while !reqwest::get(&health).await.is_ok_and(|answer| answer.status().is_success()) {
            assert!(Instant::now() < give_up_at, "the S3 server does not come up");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn serve(address: &str, folder: &std::path::Path) -> Child {
    Command::new(find("versitygw").expect("it was there before"))
        .args(["--port", address, "--access", KEY, "--secret", SECRET])
        .args(["--health", "/health", "--keep-alive", "--quiet", "posix"])
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("cannot start the S3 server")
}
