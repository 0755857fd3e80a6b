//! The rows of one database in another, of the other engine.

use futures_util::TryStreamExt as _;
use orlop::metadata::Database;
use orlop::metadata::export::{self, TABLES, Value};

use super::support::{Options, Orlop, TestDatabase};

type Rows = Vec<(&'static str, Vec<String>, Vec<Vec<Value>>)>;

async fn all_rows(database: &Database) -> Rows {
    let mut snapshot = database.snapshot().await.unwrap();
    let mut all = Vec::new();
    for table in TABLES {
        let columns = export::columns(&mut snapshot, table).await.unwrap();
        let rows = export::rows(&mut snapshot, table, &columns).try_collect().await.unwrap();
        all.push((table.name, columns.into_iter().map(|column| column.name).collect(), rows));
    }
    all
}

async fn copy(rows: &Rows, to: &str, version: i64) {
    let target = Database::open_at(to, version).await.unwrap();
    let mut transaction = target.begin().await.unwrap();
    assert_eq!(export::filled(&mut transaction).await.unwrap(), None);
    for (table, (_, names, rows)) in TABLES.iter().zip(rows) {
        let rows = futures_util::stream::iter(rows.iter().cloned().map(Ok));
        export::insert(&mut transaction, table, names, rows).await.unwrap();
    }
    export::continue_ids(&mut transaction).await.unwrap();
    assert!(export::filled(&mut transaction).await.unwrap().is_some());
    transaction.commit().await.unwrap();
    target.close().await;
}

#[tokio::test]
async fn rows_are_the_same_in_the_other_database_and_back() {
    let Some(postgres) = TestDatabase::postgres().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    for n in 0..20 {
        http.push_artifact(&format!("team/a{}", n % 3), &format!("v{n}"), &[n; 100]).await;
    }
    http.delete("/v2/team/a1/manifests/v1").await;
    http.start_upload("team/a").await;
    orlop.stop().await;

    let source = Database::open(orlop.database_url(), 2).await.unwrap();
    let version = source.schema_version().await.unwrap();
    let rows = all_rows(&source).await;
    for (table, least) in [("manifests", 20), ("tags", 19), ("uploads", 1), ("signing_keys", 1)] {
        let (_, _, rows) = rows.iter().find(|(name, ..)| *name == table).unwrap();
        assert!(rows.len() >= least, "{table} has {} rows", rows.len());
    }
    copy(&rows, postgres.url(), version).await;
    let there = Database::open(postgres.url(), 2).await.unwrap();
    assert_eq!(all_rows(&there).await, rows);

    let back = Database::sqlite_url(&folder.path().join("orlop.db"));
    copy(&all_rows(&there).await, &back, version).await;
    assert_eq!(all_rows(&Database::open(&back, 2).await.unwrap()).await, rows);
}

/// What is pushed after the snapshot began is not in it, however long it is open.
#[tokio::test]
async fn a_snapshot_stands_still_while_others_write() {
    let orlop = Orlop::start(Options::default()).await;
    orlop.http().push_artifact("a", "before", b"before").await;
    let database = Database::open(orlop.database_url(), 4).await.unwrap();
    let count = async |connection: &mut sqlx::AnyConnection| {
        let table = TABLES.iter().find(|table| table.name == "tags").unwrap();
        let columns = export::columns(connection, table).await.unwrap();
        let rows: Vec<_> = export::rows(connection, table, &columns).try_collect().await.unwrap();
        rows.len()
    };
    let mut snapshot = database.snapshot().await.unwrap();
    orlop.http().push_artifact("a", "after", b"after").await;
    assert_eq!(count(&mut snapshot).await, 1);
    drop(snapshot);
    assert_eq!(count(&mut database.snapshot().await.unwrap()).await, 2);
}

/// Rows of an older schema get what the migrations since would have given them.
#[tokio::test]
async fn rows_of_an_older_schema_are_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let url = Database::sqlite_url(&folder.path().join("orlop.db"));
    let old = Database::open_at(&url, 3).await.unwrap();
    let mut transaction = old.begin().await.unwrap();
    assert_eq!(export::filled(&mut transaction).await.unwrap(), None);
    let text = |text: &str| Value::Text(text.to_owned());
    let number = Value::Integer;
    let repository = [
        ("id", number(7)),
        ("name", text("a")),
        ("created_at", number(1)),
        ("updated_at", number(1)),
    ];
    let manifest = [
        ("repository_id", number(7)),
        ("digest", text("sha256:x")),
        ("media_type", text("y")),
        ("size", number(2)),
        ("content_size", number(2)),
        ("annotations", text("{\"colour\":\"red\"}")),
        ("created_at", number(1)),
        ("updated_at", number(1)),
        ("content", Value::Bytes(b"{}".to_vec())),
    ];
    for (name, row) in [("repositories", &repository[..]), ("manifests", &manifest[..])] {
        let table = TABLES.iter().find(|table| table.name == name).unwrap();
        let names: Vec<_> = row.iter().map(|(name, _)| (*name).to_owned()).collect();
        let row = row.iter().map(|(_, value)| value.clone()).collect();
        let rows = futures_util::stream::iter([Ok(row)]);
        export::insert(&mut transaction, table, &names, rows).await.unwrap();
    }
    assert_eq!(export::filled(&mut transaction).await.unwrap(), Some("repositories"));
    transaction.commit().await.unwrap();
    old.close().await;

    let database = Database::open(&url, 2).await.unwrap();
    let mut connection = database.read().await.unwrap();
    let sql = "SELECT value FROM manifest_annotations WHERE name = 'colour'";
    let colour: String = sqlx::query_scalar(sql).fetch_one(&mut *connection).await.unwrap();
    assert_eq!(colour, "red");
    let newer = Database::open_at(&url, 1_000_000).await.map(drop).unwrap_err();
    assert!(newer.to_string().contains("of a newer Orlop"), "{newer}");
}
