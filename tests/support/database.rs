//! The databases of test servers: SQLite files, or databases of one PostgreSQL server that the test
//! program runs for itself (`tests/support/postgres-server`).
//!
//! `ORLOP_TEST_DATABASE=postgres` lets every test server work on PostgreSQL.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use orlop::metadata::Database;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::tool::{reason_for_lack_of, skip};

/// A new database. On PostgreSQL it goes with the server: to drop one takes as long as many tests.
pub struct TestDatabase {
    url: String,
}

impl TestDatabase {
    /// Of the kind that this run of the tests is for; a file lies in `folder`.
    pub async fn new(folder: &Path) -> Self {
        match std::env::var("ORLOP_TEST_DATABASE").as_deref() {
            Ok("postgres") => Self::postgres().await.expect("there is no PostgreSQL server"),
            Ok("sqlite") | Err(_) => Self { url: Database::sqlite_url(&folder.join("orlop.db")) },
            Ok(other) => panic!("ORLOP_TEST_DATABASE={other}: use sqlite or postgres"),
        }
    }

    /// On PostgreSQL whatever this run is for, or nothing if there is no server here: then the test
    /// ends early, and that is told.
    pub async fn postgres() -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let Some(server) = server() else {
            skip("postgres", &reason_for_lack_of("postgres"));
            return None;
        };
        let name = format!("orlop_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        execute(server, format!("CREATE DATABASE {name}")).await;
        let (server_url, _) = server.rsplit_once('/').expect("the URL names a database");
        Some(Self { url: format!("{server_url}/{name}") })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn is_postgres(&self) -> bool {
        self.url.starts_with("postgres:")
    }
}

async fn execute(server: &str, sql: String) {
    let mut connection = PgConnection::connect(server).await.expect("the server is there");
    sqlx::query(AssertSqlSafe(sql)).execute(&mut connection).await.expect("the server does it");
    connection.close().await.expect("the server is there");
}

/// The URL of the server of this test program, which is started for the first test that needs it.
fn server() -> Option<&'static str> {
    static SERVER: OnceLock<Option<String>> = OnceLock::new();
    SERVER.get_or_init(start_server).as_deref()
}

fn start_server() -> Option<String> {
    let server = PostgresServer::start()?;
    let url = server.url.clone();
    // It ends with its standard input, which the system closes when the test program ends, however
    // it does.
    std::mem::forget(server);
    Some(url)
}

/// A PostgreSQL server. Dropping it ends it and removes its data.
pub struct PostgresServer {
    url: String,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl PostgresServer {
    /// None if there is no PostgreSQL here.
    #[expect(clippy::zombie_processes, reason = "it ends when this program has ended")]
    pub fn start() -> Option<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/postgres-server");
        let mut child = Command::new(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("cannot run tests/support/postgres-server");
        let orders = child.stdin.take().expect("stdin is piped");
        let mut answers = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut line = String::new();
        answers.read_line(&mut line).expect("the output is text");
        let url = line.strip_prefix("listening on ")?.trim().to_owned();
        Some(Self { url, orders, answers })
    }

    /// A new database of it.
    pub async fn database(&self) -> TestDatabase {
        execute(&self.url, "CREATE DATABASE orlop".into()).await;
        let (server_url, _) = self.url.rsplit_once('/').expect("the URL names a database");
        TestDatabase { url: format!("{server_url}/orlop") }
    }

    /// Ends the server as a crash would, and starts it again; returns when it takes connections.
    pub fn restart(&mut self) {
        self.orders.write_all(b"restart\n").expect("the script is there");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the output is text");
        assert_eq!(line, "done\n", "the server does not start again");
    }
}
