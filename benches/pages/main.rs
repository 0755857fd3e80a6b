//! What the web pages weigh and how soon they can be used, in Chromium, with ten thousand repositories
//! and a repository of a hundred thousand tags.
//!
//! `cargo bench --bench pages` fills a registry on SQLite by SQL, starts the server on it, opens each
//! page again and again with an empty cache, and prints a table. It needs Chromium, and what
//! `tests/support/install-tools playwright` installs.

mod content;
#[allow(dead_code, reason = "shared with the benchmark of lists")]
#[path = "../lists/fill.rs"]
mod fill;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use orlop::auth::Auth;
use orlop::metadata::Database;
use orlop::settings::Settings;
use serde_json::{Value, json};
use tempfile::TempDir;

use fill::Size;

const SIZE: Size = Size { tags: 100_000, repositories: 10_000, others: 1000 };
const PASSWORD: &str = "a-password-for-the-benchmark";

/// How often each page is opened.
const ROUNDS: usize = 15;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let folder = TempDir::new().expect("a folder can be made");
    let begin = Instant::now();
    let url = Database::sqlite_url(&folder.path().join("orlop.db"));
    let database = Database::open(&url, 2).await.expect("the database is there");
    let auth = Auth::open(database.clone(), &Settings::default().auth).await;
    let auth = auth.expect("a key can be made");
    auth.bootstrap(Some(PASSWORD.into())).await.expect("there is no user yet");
    fill::fill(&database, SIZE).await;
    content::link_blobs(&database, SIZE).await;
    database.close().await;
    eprintln!("filled in {:.0?}", begin.elapsed());

    let server = Server::start(folder.path());
    content::push_images(&server.url, PASSWORD).await;
    let plan = folder.path().join("plan.json");
    let pages: Vec<_> =
        content::pages().iter().map(|(name, path)| json!({"name": name, "path": path})).collect();
    let plan_of = json!({
        "url": server.url, "name": "admin", "password": PASSWORD, "rounds": ROUNDS, "pages": pages,
    });
    std::fs::write(&plan, plan_of.to_string()).expect("the folder is ours");
    show(&measure(&plan));
}

fn show(found: &Value) {
    println!("\n| page | KiB | usable, ms | loaded, ms | slowest, ms |\n|---|--:|--:|--:|--:|");
    for page in found.as_array().expect("a list") {
        let number = |name: &str| page[name].as_f64().expect("a number");
        println!(
            "| {} | {:.1} | {:.0} | {:.0} | {:.0} |",
            page["name"].as_str().expect("a name"),
            number("bytes") / 1024.0,
            number("usable"),
            number("loaded"),
            number("slowest"),
        );
    }
}

fn measure(plan: &Path) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/pages/measure.mjs");
    let output = Command::new(cache().join("bin/playwright"))
        .arg(script)
        .arg(chromium())
        .arg(plan)
        .stderr(Stdio::inherit())
        .output()
        .expect("tests/support/install-tools playwright installs it");
    assert!(output.status.success(), "the script failed: {}", output.status);
    serde_json::from_slice(&output.stdout).expect("the script prints JSON")
}

/// Where `tests/support/install-tools` keeps what it installs.
fn cache() -> PathBuf {
    match std::env::var_os("ORLOP_TEST_CACHE") {
        Some(cache) => cache.into(),
        None => Path::new(&std::env::var_os("HOME").unwrap_or_default()).join(".cache/orlop-tests"),
    }
}

fn chromium() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("chromium"));
    found.into_iter().find(|file| file.is_file()).expect("chromium is on the PATH")
}

/// Ends with this.
struct Server {
    process: Child,
    url: String,
}

impl Server {
    fn start(data: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_orlop"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(data)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program is built");
        let mut lines = BufReader::new(process.stdout.take().expect("stdout is piped")).lines();
        let listening = |line: String| line.strip_prefix("listening on ").map(str::to_owned);
        let url = lines.by_ref().map_while(Result::ok).find_map(listening).expect("it listens");
        let url = url.split_whitespace().next().expect("it has an address").to_owned();
        // Whatever else it says is read, so that it never waits.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, url }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
