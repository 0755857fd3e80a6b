//! What a page of each list costs where there are many things, against where there are a thousand.
//!
//! `cargo bench --bench lists [-- sqlite] [-- postgres] [-- quick]` fills two registries on each
//! database, by SQL, reads the first, the middle and the last page of every list of both in turns,
//! and prints the ratios of their times as a table.

mod fill;
mod pages;
mod registry;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fill::Size;
use pages::{List, Page};
use registry::Registry;
use sqlx::Connection as _;

const SMALL: Size = Size { tags: 1000, repositories: 1000, others: 1000 };
const LARGE: Size = Size { tags: 1_000_000, repositories: 100_000, others: 100_000 };
const QUICK: Size = Size { tags: 100_000, repositories: 20_000, others: 20_000 };

/// Reads of each page of both registries.
const ROUNDS: usize = 101;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    let wants = |word: &str| arguments.iter().any(|argument| argument == word);
    let large = if wants("quick") { QUICK } else { LARGE };
    let wants_any = wants("sqlite") || wants("postgres");
    if wants("sqlite") || !wants_any {
        compare("SQLite", None, large).await;
    }
    if wants("postgres") || !wants_any {
        match Postgres::start() {
            Some(server) => compare("PostgreSQL", Some(&server), large).await,
            None => println!("\nPostgreSQL is left out: there is none here"),
        }
    }
}

async fn compare(name: &str, server: Option<&Postgres>, large: Size) {
    let mut registries = Vec::new();
    for (database, size) in [("small", SMALL), ("large", large)] {
        let url = match server {
            Some(server) => Some(server.database(database).await),
            None => None,
        };
        let begin = Instant::now();
        registries.push(Registry::new(url, size).await);
        eprintln!("{name}, {database}: filled in {:.0?}", begin.elapsed());
    }
    let Size { tags, repositories, others } = large;
    let (small, large) = (&registries[0], &registries[1]);
    println!(
        "\n{name}: {tags} tags and manifests, {repositories} repositories, {others} of others"
    );
    println!("\n| list | first page, µs | first | middle | last |\n|---|---|---|---|---|");
    let mut highest: f64 = 0.0;
    for list in pages::all() {
        let mut ratios = Vec::new();
        let mut first = Duration::ZERO;
        for page in Page::ALL {
            let (few, many) = measure(&list, page, small, large).await;
            if page == Page::First {
                first = many;
            }
            ratios.push(many.as_secs_f64() / few.as_secs_f64());
        }
        highest = ratios.iter().copied().fold(highest, f64::max);
        let ratios: Vec<_> = ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
        println!("| {} | {} | {} |", list.name, first.as_micros(), ratios.join(" | "));
    }
    println!("\nThe highest ratio is {highest:.2}.");
}

/// What both take: the lower quartile, as whatever else runs on the machine only adds to it.
async fn measure(list: &List, page: Page, few: &Registry, many: &Registry) -> (Duration, Duration) {
    let mut times = [Vec::new(), Vec::new()];
    let paths = [list.page(few, page).await, list.page(many, page).await];
    for round in 0..ROUNDS + 5 {
        for (which, registry) in [few, many].into_iter().enumerate() {
            let (path, items) = &paths[which];
            let begin = Instant::now();
            let answer = registry.get(path).await;
            let time = begin.elapsed();
            let found = pages::items(&answer);
            assert_eq!(found, *items, "{path}: {answer:.300}");
            // The first rounds fill caches.
            if round >= 5 {
                times[which].push(time);
            }
        }
    }
    let [few, many] = times.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 4]
    });
    (few, many)
}

/// A server for this run alone.
struct Postgres {
    server: Child,
    url: String,
}

impl Postgres {
    fn start() -> Option<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/postgres-server");
        let command = Command::new(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let server = command.expect("tests/support/postgres-server can be run");
        let mut this = Self { server, url: String::new() };
        let mut line = String::new();
        let output = this.server.stdout.take().expect("stdout is piped");
        BufReader::new(output).read_line(&mut line).expect("the output is text");
        line.strip_prefix("listening on ")?.trim().clone_into(&mut this.url);
        Some(this)
    }

    /// The URL of a new database.
    async fn database(&self, name: &str) -> String {
        let mut connection =
            sqlx::PgConnection::connect(&self.url).await.expect("the server is there");
        let sql = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
        sqlx::query(sql).execute(&mut connection).await.expect("a database can be made");
        let (server, _) = self.url.rsplit_once('/').expect("the URL names a database");
        format!("{server}/{name}")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // It ends with its input.
        drop(self.server.stdin.take());
        let _ = self.server.wait();
    }
}
