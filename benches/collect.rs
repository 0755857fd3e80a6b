//! What collecting garbage costs: the time to collect 1,000 dead blobs beside 1,000 living ones, and beside
//! 1,000,000.
//!
//!     cargo bench --bench collect [postgres://…]      an empty database; else SQLite in a new folder
//!
//! The living blobs belong to manifests of ten blobs each, as if they had been pushed; the dead ones are
//! files and links that no manifest needs, in ten repositories either time. Their links, their rows and
//! their files all go.

use std::path::Path;
use std::time::{Duration, Instant};

use orlop::metadata::Database;
use orlop::oci::{Algorithm, Digest, Hasher};
use orlop::registry::Registry;
use orlop::settings::Settings;
use orlop::storage::BlobStore;
use sqlx::AnyConnection;

const DEAD: i64 = 1000;
const LIVING: [i64; 2] = [1000, 1_000_000];
const ROUNDS: usize = 5;

/// Repositories that the dead blobs are in.
const REPOSITORIES: i64 = 10;

/// Rows that one statement makes.
const STEP: i64 = 10_000;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let url = std::env::args().nth(1).filter(|argument| argument.contains("://"));
    let folder = tempfile::tempdir()?;
    let url = url.unwrap_or_else(|| Database::sqlite_url(&folder.path().join("orlop.db")));
    let mut settings = Settings::default();
    settings.storage.data_dir = folder.path().to_owned();
    settings.gc.grace_seconds = 0;
    settings.gc.delay_seconds = 0;
    let database = Database::open(&url, 4).await?;
    let store = BlobStore::open(&settings.storage).await?;
    let registry = Registry::new(database.clone(), store, &settings);

    let mut living = 0;
    let mut medians = Vec::new();
    for wanted in LIVING {
        while living < wanted {
            let to = wanted.min(living + STEP);
            let mut transaction = database.begin().await?;
            add_living(&mut transaction, living, to).await?;
            transaction.commit().await?;
            living = to;
        }
        let mut times = Vec::new();
        for round in 0..ROUNDS {
            add_dead(&database, folder.path(), living, round).await?;
            let started = Instant::now();
            let collected = registry.collect_garbage().await?;
            times.push(started.elapsed());
            assert_eq!((collected.links, collected.blobs), (DEAD as u64, DEAD as u64));
        }
        times.sort_unstable();
        let median = times[ROUNDS / 2];
        println!("{DEAD} dead beside {living} living blobs: {median:.1?} (all: {times:.1?})");
        medians.push(median);
    }
    println!("ratio {:.2}", ratio(medians[1], medians[0]));
    Ok(())
}

fn ratio(one: Duration, other: Duration) -> f64 {
    one.as_secs_f64() / other.as_secs_f64()
}

/// Blobs from `from` to `to`, with a repository for each hundred and a manifest for each ten.
async fn add_living(connection: &mut AnyConnection, from: i64, to: i64) -> Outcome<()> {
    let numbers = "WITH RECURSIVE n (i) AS (SELECT CAST($1 AS BIGINT) UNION ALL
                   SELECT i + 1 FROM n WHERE i + 1 < $2)";
    let statements = [
        "INSERT INTO repositories (id, name, created_at, updated_at)
         SELECT DISTINCT i / 100 + 1, 'living/' || (i / 100), 1, 1 FROM n WHERE TRUE
         ON CONFLICT DO NOTHING",
        "INSERT INTO blobs (id, digest, size, created_at)
         SELECT i + 1, 'sha256:living' || i, 1000, 1 FROM n",
        "INSERT INTO repository_blobs (repository_id, blob_id, linked_at)
         SELECT i / 100 + 1, i + 1, 1 FROM n",
        "INSERT INTO manifests
           (id, repository_id, digest, media_type, size, content_size, created_at, updated_at, content)
         SELECT i / 10 + 1, i / 100 + 1, 'sha256:manifest' || i,
                'application/vnd.oci.image.manifest.v1+json', 1000, 10000, 1, 1, '{}'
         FROM n WHERE i % 10 = 0",
        "INSERT INTO manifest_references
           (manifest_id, position, role, repository_id, digest, media_type, size, blob_id)
         SELECT i / 10 + 1, i % 10, 'layer', i / 100 + 1, 'sha256:living' || i, 'text/plain', 1000,
                i + 1
         FROM n",
    ];
    for statement in statements {
        let sql = format!("{} {numbers} {}", insert_of(statement), select_of(statement));
        sqlx::query(sqlx::AssertSqlSafe(sql)).bind(from).bind(to).execute(&mut *connection).await?;
    }
    Ok(())
}

/// A `WITH` stands between the two parts of an insertion.
fn insert_of(statement: &str) -> &str {
    &statement[..statement.find("SELECT").expect("it has one")]
}

fn select_of(statement: &str) -> &str {
    &statement[statement.find("SELECT").expect("it has one")..]
}

async fn add_dead(database: &Database, folder: &Path, living: i64, round: usize) -> Outcome<()> {
    let mut transaction = database.begin().await?;
    for number in 0..DEAD {
        let content = format!("dead {living} {round} {number}");
        let digest = Hasher::digest(Algorithm::Sha256, content.as_bytes());
        let path = path_of(folder, &digest);
        std::fs::create_dir_all(path.parent().expect("it has one"))?;
        std::fs::write(path, &content)?;
        let id = 10_000_000 + living * 10 + round as i64 * DEAD + number;
        let repository = number % REPOSITORIES + 1;
        let row =
            sqlx::query("INSERT INTO blobs (id, digest, size, created_at) VALUES ($1, $2, $3, 1)");
        row.bind(id)
            .bind(digest.as_str())
            .bind(content.len() as i64)
            .execute(&mut *transaction)
            .await?;
        for sql in [
            "INSERT INTO repository_blobs (repository_id, blob_id, linked_at) VALUES ($1, $2, 1)",
            "INSERT INTO gc_queue (kind, repository_id, target_id, review_at)
             VALUES ('link', $1, $2, 1)",
        ] {
            sqlx::query(sql).bind(repository).bind(id).execute(&mut *transaction).await?;
        }
    }
    transaction.commit().await?;
    Ok(())
}

fn path_of(folder: &Path, digest: &Digest) -> std::path::PathBuf {
    folder.join("blobs/sha256").join(&digest.hex()[..2]).join(digest.hex())
}
