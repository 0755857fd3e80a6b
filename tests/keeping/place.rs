//! A database and a store, on which servers are started and commands are run.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use bytes::Bytes;
use orlop::metadata::Database;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use super::support::{Options, Orlop, S3, TestDatabase};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    Sqlite,
    Postgres,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum In {
    Disk,
    Bucket,
}

pub struct Place {
    pub environment: Vec<(String, String)>,
    pub database_url: String,
    pub folder: TempDir,
    s3: Option<S3>,
}

/// How a command has ended and what it has written.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    #[track_caller]
    pub fn with(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "--- stdout\n{}\n--- stderr\n{}",
            self.stdout,
            self.stderr
        );
        self
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {}\n{}", self.stdout, self.stderr))
    }
}

impl Place {
    /// None without the servers that it needs.
    pub async fn new(database: On, store: In) -> Option<Self> {
        let folder = TempDir::with_prefix("orlop-keeping-").unwrap();
        let database_url = match database {
            On::Sqlite => Database::sqlite_url(&folder.path().join("orlop.db")),
            On::Postgres => TestDatabase::postgres().await?.url().to_owned(),
        };
        let s3 = match store {
            In::Disk => None,
            In::Bucket => Some(S3::start().await?),
        };
        let mut environment = match &s3 {
            Some(s3) => s3.environment(),
            None => {
                let store = folder.path().join("store").display().to_string();
                vec![("ORLOP__STORAGE__URL".into(), format!("file://{store}"))]
            }
        };
        environment.push(("ORLOP__METADATA__URL".into(), database_url.clone()));
        environment.push(("ORLOP__SCRUB__BYTES_PER_SECOND".into(), "0".into()));
        Some(Self { environment, database_url, folder, s3 })
    }

    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.environment.push((name.to_owned(), value.into()));
    }

    pub async fn serve(&self) -> Orlop {
        let environment = self.environment.clone();
        Orlop::start(Options { environment, ..Options::default() }).await
    }

    /// A command on the database and the store.
    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orlop"));
        command
            .args(line.split_whitespace())
            .current_dir(&self.folder)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("ORLOP__STORAGE__DATA_DIR", self.folder.path())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    pub async fn orlop(&self, line: &str) -> Ended {
        let output = self.command(line).output().await.unwrap();
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Ended {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    /// A place in the store beside the registry's, as an argument, for backups.
    pub fn beside(&self, name: &str) -> String {
        match &self.s3 {
            Some(_) => format!("s3://blobs/some/prefix/{name}"),
            None => self.folder.path().join(name).display().to_string(),
        }
    }

    fn file(&self, key: &str) -> PathBuf {
        self.folder.path().join("store").join(key)
    }

    pub async fn keys(&self, start: &str) -> Vec<String> {
        let mut keys = match &self.s3 {
            Some(s3) => s3.keys().await,
            None => files(&self.folder.path().join("store"), ""),
        };
        keys.retain(|key| key.starts_with(start));
        keys.sort();
        keys
    }

    pub async fn read(&self, key: &str) -> Bytes {
        match &self.s3 {
            Some(s3) => s3.get(key).await,
            None => std::fs::read(self.file(key)).unwrap().into(),
        }
    }

    /// Puts bytes where the registry would.
    pub async fn write(&self, key: &str, bytes: Vec<u8>) {
        match &self.s3 {
            Some(s3) => s3.put(key, bytes).await,
            None => {
                // The file may have a second name, which keeps what it had.
                let path = self.file(key);
                let _ = std::fs::remove_file(&path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, bytes).unwrap();
            }
        }
    }

    pub async fn remove(&self, key: &str) {
        match &self.s3 {
            Some(s3) => s3.remove(key).await,
            None => std::fs::remove_file(self.file(key)).unwrap(),
        }
    }

    /// The key of the object that holds these bytes.
    pub async fn key_of(&self, bytes: &[u8]) -> String {
        for key in self.keys("blobs/").await {
            if self.read(&key).await == bytes {
                return key;
            }
        }
        panic!("nothing in the store holds these bytes");
    }
}

/// The paths of all files below a folder.
fn files(root: &Path, below: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root.join(below)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = if below.is_empty() { name } else { format!("{below}/{name}") };
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(root, &path));
        } else {
            found.push(path);
        }
    }
    found
}
