//! Both databases have the same tables.

use std::collections::BTreeMap;
use std::path::Path;

use orlop::metadata::Database;
use orlop::metadata::export::TABLES;
use sqlx::Row as _;

use super::support::TestDatabase;

/// The columns of each table, in their order, with whether they may be NULL.
type Schema = BTreeMap<String, Vec<(String, bool)>>;

const SQLITE: &str = "\
    SELECT m.name AS table_name, c.name AS column_name,
           CAST(c.\"notnull\" = 0 AND c.pk = 0 AS INTEGER) AS is_nullable
    FROM sqlite_schema m JOIN pragma_table_info(m.name) c
    WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' ORDER BY m.name, c.cid";

const POSTGRES: &str = "\
    SELECT CAST(table_name AS TEXT) AS table_name, CAST(column_name AS TEXT) AS column_name,
           CASE is_nullable WHEN 'YES' THEN 1 ELSE 0 END AS is_nullable
    FROM information_schema.columns
    WHERE table_schema = current_schema() ORDER BY table_name, ordinal_position";

async fn schema(url: &str, sql: &'static str) -> Schema {
    let database = Database::open(url, 2).await.unwrap();
    let rows = sqlx::query(sql).fetch_all(&mut *database.read().await.unwrap()).await.unwrap();
    let mut schema = Schema::new();
    for row in rows {
        let columns = schema.entry(row.get("table_name")).or_default();
        columns.push((row.get("column_name"), row.get::<i64, _>("is_nullable") != 0));
    }
    schema.remove("_sqlx_migrations").expect("sqlx keeps its own table");
    schema
}

#[tokio::test]
async fn sqlite_and_postgresql_have_the_same_tables_and_columns() {
    let Some(postgres) = TestDatabase::postgres().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let sqlite = Database::sqlite_url(&folder.path().join("orlop.db"));
    let (sqlite, postgres) =
        (schema(&sqlite, SQLITE).await, schema(postgres.url(), POSTGRES).await);
    assert!(sqlite.contains_key("manifests"));
    assert_eq!(sqlite, postgres);
}

/// A table that the list of all tables lacks would be missing in every backup.
#[tokio::test]
async fn all_tables_are_exported() {
    let folder = tempfile::tempdir().unwrap();
    let schema = schema(&Database::sqlite_url(&folder.path().join("orlop.db")), SQLITE).await;
    let mut exported: Vec<_> = TABLES.iter().map(|table| table.name).collect();
    exported.sort_unstable();
    assert_eq!(exported, schema.keys().collect::<Vec<_>>());
}

/// Text that is compared by a language's order would be paged in another order than on SQLite.
#[tokio::test]
async fn all_text_in_postgresql_is_compared_by_its_bytes() {
    let Some(postgres) = TestDatabase::postgres().await else { return };
    let database = Database::open(postgres.url(), 2).await.unwrap();
    let rows = sqlx::query(
        "SELECT CAST(table_name || '.' || column_name AS TEXT) AS name
         FROM information_schema.columns
         WHERE table_schema = current_schema() AND table_name <> '_sqlx_migrations'
           AND data_type = 'text' AND COALESCE(collation_name, '') <> 'C'",
    )
    .fetch_all(&mut *database.read().await.unwrap())
    .await
    .unwrap();
    let wrong: Vec<String> = rows.iter().map(|row| row.get("name")).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn each_migration_is_there_for_both_databases() {
    let names = |engine: &str| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(engine);
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names("sqlite"), names("postgres"));
}
