//! Fills a database with rows as pushes and deletions would leave them, by SQL that SQLite and
//! PostgreSQL share.

use std::fmt::Write as _;

use orlop::metadata::{Database, now};
use sqlx::AssertSqlSafe;

/// How many there are of what.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// In one repository, each on a manifest of its own.
    pub tags: i64,
    pub repositories: i64,
    /// Of everything else that is listed.
    pub others: i64,
}

/// The manifest that many tags name, and the one that many others refer to.
pub const SUBJECT: &str = "sha256:ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";
/// One of four referrers is of this type: of a thousand still enough that a page in the middle is full.
pub const RARE_TYPE: &str = "application/vnd.example.rare";

/// Rows of one statement, so that no transaction is large.
const CHUNK: i64 = 50_000;

/// Numbers up to a million in another order, so that no list is in the order of its rows.
pub const SHUFFLED: &str = "((i * 7919) % 1000003)";

/// Text with the number at its end, filled up with zeros to a length.
pub fn numbered(prefix: &str, number: &str, length: usize) -> String {
    let zeros = "0".repeat(length);
    format!(
        "'{prefix}' || substr('{zeros}', 1, {length} - length(CAST({number} AS TEXT))) \
         || CAST({number} AS TEXT)"
    )
}

/// Manifests with ids after `first_id`; the other texts are SQL of columns.
fn manifests(
    repository_id: i64,
    first_id: i64,
    artifact_type: &str,
    subject: &str,
    deleted_at: &str,
) -> String {
    let digest = numbered("sha256:", SHUFFLED, 64);
    let content = format!("{{\"schemaVersion\":2,\"config\":\"{}\"}}", "x".repeat(400));
    let content: String = content.bytes().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a text takes more");
        hex
    });
    format!(
        "INSERT INTO manifests
           (id, repository_id, digest, media_type, artifact_type, config_media_type,
            subject_digest, size, content_size, created_at, updated_at, deleted_at, content)
         SELECT {first_id} + i, {repository_id}, {digest},
                'application/vnd.oci.image.manifest.v1+json', {artifact_type},
                'application/vnd.oci.empty.v1+json', {subject}, 400, 2000,
                {{now}} - i, {{now}} - {SHUFFLED}, {deleted_at}, {{x}}'{content}' FROM n"
    )
}

fn tags(repository_id: i64, manifest_id: &str) -> String {
    let name = numbered("v", "i", 7);
    format!(
        "INSERT INTO tags (repository_id, name, manifest_id, created_at, updated_at)
         SELECT {repository_id}, {name}, {manifest_id}, {{now}} - i, {{now}} - {SHUFFLED} FROM n"
    )
}

/// What makes the rows of a size: a statement, and how often it makes one.
fn statements(size: Size) -> Vec<(String, i64)> {
    let Size { tags: many_tags, repositories, others } = size;
    let text = "'application/vnd.example.text'";
    let referrer = format!("CASE i % 4 WHEN 0 THEN '{RARE_TYPE}' ELSE {text} END");
    let subject = format!("'{SUBJECT}'");
    let insert_repositories =
        "INSERT INTO repositories (id, name, created_at, updated_at, deleted_at)";
    vec![
        (
            format!(
                "{insert_repositories} SELECT i, CASE i WHEN 1 THEN 'lists/tags' \
                 WHEN 2 THEN 'lists/one' WHEN 3 THEN 'lists/referrers' ELSE 'lists/deleted' END, \
                 {{now}}, {{now}}, NULL FROM n"
            ),
            4,
        ),
        (
            format!(
                "{insert_repositories} SELECT 1000 + i, {}, {{now}}, {{now}}, NULL FROM n",
                numbered("team/app-", "i", 7)
            ),
            repositories,
        ),
        (
            format!(
                "{insert_repositories} SELECT 1000000 + i, {}, {{now}}, {{now}}, {{now}} FROM n",
                numbered("team/gone-", "i", 7)
            ),
            others,
        ),
        (manifests(1, 0, text, "NULL", "NULL"), many_tags),
        (tags(1, "i"), many_tags),
        (
            manifests(2, 2_000_000, text, "NULL", "NULL")
                .replace(&numbered("sha256:", SHUFFLED, 64), &subject),
            1,
        ),
        (tags(2, "2000001"), others),
        (manifests(3, 3_000_000, &referrer, &subject, "NULL"), others),
        (manifests(4, 4_000_000, text, "NULL", "{now} - i"), others),
        (
            format!(
                "INSERT INTO deleted_tags (repository_id, deleted_at, name, digest)
                 SELECT 4, {{now}} - i, {}, '{SUBJECT}' FROM n",
                numbered("v", "i", 7)
            ),
            others,
        ),
        (
            format!(
                "INSERT INTO tag_history (repository_id, name, digest, actor, created_at)
                 SELECT 1, 'v0000001', '{SUBJECT}', 'admin', {{now}} - i FROM n"
            ),
            others,
        ),
        (
            "INSERT INTO manifest_annotations (manifest_id, name, value)
             SELECT 3000000 + i, 'org.example.name', 'value' FROM n"
                .into(),
            others,
        ),
        (
            format!(
                "INSERT INTO identities (uid, kind, name, created_at, updated_at)
                 SELECT {0}, 'principal', {0}, {{now}}, {{now}} FROM n",
                numbered("00000000-0000-0000-0000-", "i", 12)
            ),
            others,
        ),
        (
            "INSERT INTO audit_events (created_at, actor, address, action, target, detail)
             SELECT {now}, 'admin', '::1', 'user.create', 'alice', '{}' FROM n"
                .into(),
            others,
        ),
    ]
}

/// Makes all rows.
pub async fn fill(database: &Database, size: Size) {
    if !database.is_shared() {
        // The indexes in memory while all is written; SQLite has one connection that writes.
        let mut transaction = database.begin().await.expect("the database is there");
        let cache = sqlx::query("PRAGMA cache_size = -1000000");
        cache.execute(&mut *transaction).await.expect("SQLite takes it");
    }
    run(database, &statements(size)).await;
    if database.is_shared() {
        // As the server does by itself some time after so many changes.
        let mut connection = database.read().await.expect("the database is there");
        sqlx::query("VACUUM ANALYZE").execute(&mut *connection).await.expect("it can be analysed");
    }
}

/// Runs statements that make rows from the numbers `n (i)`, each for so many numbers.
pub async fn run(database: &Database, statements: &[(String, i64)]) {
    // How the two write bytes.
    let bytes = if database.is_shared() { "BYTEA '\\x" } else { "x'" };
    let now = now().to_string();
    for (statement, count) in statements {
        let statement = statement.replace("{now}", &now).replace("{x}'", bytes);
        for first in (1..=*count).step_by(CHUNK as usize) {
            let last = (*count).min(first + CHUNK - 1);
            let sql = format!(
                "WITH RECURSIVE n (i) AS (
                     SELECT CAST({first} AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < {last})
                 {statement}"
            );
            let mut transaction = database.begin().await.expect("the database is there");
            let done = sqlx::query(AssertSqlSafe(sql)).execute(&mut *transaction).await;
            done.unwrap_or_else(|error| panic!("{error}: {statement:.300}"));
            transaction.commit().await.expect("the database is there");
        }
    }
}
