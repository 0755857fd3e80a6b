//! Looks at the files of a server that has stopped.

use std::path::Path;

use orlop::metadata::Database;
use sqlx::AnyConnection;

use super::support::{Orlop, digest_of};

/// Queries that find nothing in a sound database, and what they would find.
const DAMAGE: [(&str, &str); 4] = [
    (
        "a repository that counts wrong",
        "SELECT name FROM repositories r WHERE deleted_at IS NULL AND (
             manifest_count <> (SELECT COUNT(*) FROM manifests m
                 WHERE m.repository_id = r.id AND m.deleted_at IS NULL)
             OR tag_count <> (SELECT COUNT(*) FROM tags t WHERE t.repository_id = r.id))",
    ),
    (
        "a manifest without a blob",
        "SELECT m.digest || ' ' || x.digest
         FROM manifests m JOIN manifest_references x ON x.manifest_id = m.id
         LEFT JOIN repository_blobs l ON l.repository_id = m.repository_id
           AND l.blob_id = x.blob_id AND l.deleted_at IS NULL
         WHERE m.deleted_at IS NULL AND x.role <> 'manifest' AND l.blob_id IS NULL",
    ),
    (
        "a tag of a deleted manifest",
        "SELECT t.name FROM tags t JOIN manifests m ON m.id = t.manifest_id
         WHERE m.deleted_at IS NOT NULL",
    ),
    (
        "a tag whose history ends elsewhere",
        "SELECT t.name FROM tags t JOIN manifests m ON m.id = t.manifest_id
         WHERE m.digest IS DISTINCT FROM (SELECT h.digest FROM tag_history h
             WHERE h.repository_id = t.repository_id AND h.name = t.name
             ORDER BY h.id DESC LIMIT 1)",
    ),
];

/// Fails unless the server's database is sound and every blob's row has its bytes in `folder`.
/// Gives the number of blobs.
pub async fn check(orlop: &Orlop, folder: &Path) -> usize {
    let url = if orlop.is_on_postgres() {
        orlop.database_url().to_owned()
    } else {
        Database::sqlite_url(&folder.join("orlop.db"))
    };
    if !orlop.is_on_s3() {
        return check_both(&url, folder).await;
    }
    let blobs = check_rows(&url).await;
    let keys = orlop.stored_blobs().await;
    for Blob { digest, location, .. } in &blobs {
        let key = location.clone().unwrap_or_else(|| path_of(digest));
        assert!(keys.contains(&key), "no object {key} for {digest}");
    }
    blobs.len()
}

/// As [`check`], of a server that runs and is idle, in a folder that SQLite cannot reach.
pub async fn check_copy(orlop: &Orlop, folder: &Path) -> usize {
    if orlop.is_on_postgres() {
        return check(orlop, folder).await;
    }
    let copy = tempfile::TempDir::with_prefix("orlop-test-").expect("cannot create a folder");
    for name in ["orlop.db", "orlop.db-wal"] {
        std::fs::copy(folder.join(name), copy.path().join(name)).expect("it can be copied");
    }
    check_both(&Database::sqlite_url(&copy.path().join("orlop.db")), folder).await
}

#[derive(sqlx::FromRow)]
struct Blob {
    digest: String,
    size: i64,
    location: Option<String>,
}

/// Where a blob is whose row names no place.
fn path_of(digest: &str) -> String {
    let hex = digest.strip_prefix("sha256:").expect("the tests use no other");
    format!("blobs/sha256/{}/{hex}", &hex[..2])
}

async fn check_both(url: &str, folder: &Path) -> usize {
    let blobs = check_rows(url).await;
    for Blob { digest, size, .. } in &blobs {
        let path = folder.join(path_of(digest));
        let content = std::fs::read(&path)
            .unwrap_or_else(|error| panic!("no file for {digest}: {error}: {}", path.display()));
        assert_eq!((content.len() as u64, digest_of(content)), (*size as u64, digest.clone()));
    }
    blobs.len()
}

async fn check_rows(url: &str) -> Vec<Blob> {
    let database = Database::open(url, 2).await.expect("it can be opened");
    let mut connection = database.read().await.expect("it can be read");
    if url.starts_with("sqlite:") {
        let found = texts(&mut connection, "PRAGMA integrity_check").await;
        assert_eq!(found, ["ok"], "PRAGMA integrity_check");
        let foreign_keys = "SELECT \"table\" FROM pragma_foreign_key_check";
        let found = texts(&mut connection, foreign_keys).await;
        assert!(found.is_empty(), "PRAGMA foreign_key_check: {found:?}");
    }
    for (what, query) in DAMAGE {
        let found = texts(&mut connection, query).await;
        assert!(found.is_empty(), "{what}: {found:?}");
    }
    let blobs = "SELECT digest, size, location FROM blobs WHERE state = 'present'";
    let blobs = sqlx::query_as(blobs).fetch_all(&mut *connection).await;
    blobs.expect("there is a table of blobs")
}

async fn texts(database: &mut AnyConnection, query: &'static str) -> Vec<String> {
    let found = sqlx::query_scalar(query).fetch_all(database).await;
    found.unwrap_or_else(|error| panic!("{query}: {error}"))
}
