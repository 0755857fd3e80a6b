//! Real client programs, run as a user would run them, in a home folder of their own.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::{Orlop, PASSWORD};

/// Far above what any command needs; a hanging client fails the test instead of blocking it.
const TIME_LIMIT: Duration = Duration::from_secs(180);

/// The home and working folder of the clients of one test.
pub struct Workspace {
    folder: TempDir,
}

impl Workspace {
    pub fn new() -> Self {
        let folder = TempDir::with_prefix("orlop-clients-").expect("cannot create a folder");
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a file has a folder"))
            .and_then(|()| std::fs::write(&path, content))
            .unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        let path = self.path(name);
        std::fs::read(&path)
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
    }

    pub fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&self.read(name)).expect("the file holds JSON")
    }

    /// Our own program as a client of a server, signed in as the administrator.
    pub fn orlop(&self, server: &Orlop) -> Tool {
        let program = env!("CARGO_BIN_EXE_orlop").into();
        let home = self.folder.path().to_owned();
        let tool = Tool { name: "orlop".into(), program, home, environment: Vec::new() };
        tool.env("ORLOP_URL", server.url()).env("ORLOP_PASSWORD", PASSWORD)
    }

    /// The program, or nothing if it could not be set up here. Then the test ends early; that it was
    /// skipped is printed, kept for the end of the run, and a failure where CI is set.
    pub fn tool(&self, name: &str) -> Option<Tool> {
        let Some(program) = find(name) else {
            skip(name, &reason_for_lack_of(name));
            return None;
        };
        let home = self.folder.path().to_owned();
        Some(Tool { name: name.to_owned(), program, home, environment: Vec::new() })
    }
}

#[derive(Clone)]
pub struct Tool {
    name: String,
    program: PathBuf,
    home: PathBuf,
    environment: Vec<(String, String)>,
}

/// How a command has ended and what it has written.
pub struct Output {
    pub succeeded: bool,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    /// Standard output without the line end.
    pub fn text(&self) -> &str {
        self.stdout.trim_end()
    }

    pub fn lines(&self) -> Vec<&str> {
        self.stdout.lines().collect()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.stdout))
    }
}

impl Tool {
    /// The same tool without a variable that was set for it.
    pub fn without(mut self, name: &str) -> Self {
        self.environment.retain(|(set, _)| set != name);
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.environment.push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Where the program is.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Records that the program is here but cannot work, so that its test is skipped.
    pub fn skip(&self, reason: &str) {
        skip(&self.name, reason);
    }

    /// Runs a command line that must succeed. Its words are split at blanks; there is no quoting.
    pub async fn run(&self, line: impl AsRef<str>) -> Output {
        self.run_with_input(line, "").await
    }

    pub async fn run_with_input(&self, line: impl AsRef<str>, input: impl AsRef<[u8]>) -> Output {
        let output = self.attempt(line.as_ref(), input.as_ref()).await;
        assert!(output.succeeded, "{}", self.account("failed", line.as_ref(), &output));
        output
    }

    /// Runs a command line that must fail.
    pub async fn refused(&self, line: impl AsRef<str>) -> Output {
        let output = self.attempt(line.as_ref(), b"").await;
        assert!(
            !output.succeeded,
            "{}",
            self.account("should have failed", line.as_ref(), &output)
        );
        output
    }

    /// Runs a command line whose end the caller judges.
    pub async fn attempt(&self, line: &str, input: &[u8]) -> Output {
        let mut child = Command::new(&self.program)
            .args(line.split_whitespace())
            .current_dir(&self.home)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &self.home)
            .env("TMPDIR", &self.home)
            .env("DOCKER_CONFIG", self.home.join(".docker"))
            .env("REGISTRY_AUTH_FILE", self.home.join("auth.json"))
            .env("XDG_CONFIG_HOME", self.home.join(".config"))
            .env("XDG_CACHE_HOME", self.home.join(".cache"))
            .env("XDG_DATA_HOME", self.home.join(".local/share"))
            .env("XDG_RUNTIME_DIR", &self.home)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", self.program.display()));
        let mut stdin = child.stdin.take().expect("stdin is piped");
        let input = input.to_vec();
        tokio::spawn(async move {
            // A program that does not read its input is right to close it.
            let _ = stdin.write_all(&input).await;
        });
        let Ok(output) = tokio::time::timeout(TIME_LIMIT, child.wait_with_output()).await else {
            panic!("'{} {line}' did not end within {TIME_LIMIT:?}", self.name);
        };
        let output = output.expect("cannot wait for the command");
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Output {
            succeeded: output.status.success(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    fn account(&self, what: &str, line: &str, output: &Output) -> String {
        let Output { stdout, stderr, .. } = output;
        format!("'{} {line}' {what}\n--- stdout\n{stdout}\n--- stderr\n{stderr}", self.name)
    }
}

/// The cache that `tests/support/install-tools` fills.
fn cache() -> PathBuf {
    match std::env::var_os("ORLOP_TEST_CACHE") {
        Some(cache) => cache.into(),
        None => Path::new(&std::env::var_os("HOME").unwrap_or_default()).join(".cache/orlop-tests"),
    }
}

pub(super) fn find(name: &str) -> Option<PathBuf> {
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(cache().join("bin")).chain(std::env::split_paths(&on_path));
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Why the set-up could not install the program.
pub(super) fn reason_for_lack_of(name: &str) -> String {
    std::fs::read_to_string(cache().join("skipped").join(name)).unwrap_or_else(|_| {
        "it is neither in the cache nor on the PATH; tests/support/install-tools sets it up".into()
    })
}

pub fn skip(name: &str, reason: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let line = format!("SKIPPED: {test}, for want of {name}: {}\n", reason.trim());
    assert!(std::env::var_os("CI").is_none_or(|ci| ci.is_empty()), "{line}");
    let mut kept = OpenOptions::new()
        .create(true)
        .append(true)
        .open(super::results().join("skipped.txt"))
        .expect("cannot open the list of skipped tests");
    kept.write_all(line.as_bytes()).expect("cannot keep the list of skipped tests");
    // Straight to the stream: the test runner hides what passing tests print.
    let _ = std::io::stderr().write_all(line.as_bytes());
}
