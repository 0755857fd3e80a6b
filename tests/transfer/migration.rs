//! A registry moves to another database and another store.

use reqwest::{Method, StatusCode};

use super::content::{self, push_image, push_index, referrers};
use super::distribution::login;
use super::support::http::{expect, send};
use super::support::{Options, Orlop, S3, TestDatabase, Workspace};

/// A registry on SQLite and disk, whatever this run of the tests is for.
async fn small() -> (Orlop, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let url = orlop::metadata::Database::sqlite_url(&folder.path().join("rows.db"));
    let place = format!("file://{}", folder.path().join("bytes").display());
    let environment =
        vec![("ORLOP__METADATA__URL".to_owned(), url), ("ORLOP__STORAGE__URL".to_owned(), place)];
    (Orlop::start(Options { environment, ..Options::default() }).await, folder)
}

#[tokio::test]
async fn a_registry_moves_from_sqlite_and_disk_to_postgresql_and_s3() {
    let workspace = Workspace::new();
    let Some(oras) = workspace.tool("oras") else { return };
    let Some(s3) = S3::start().await else { return };
    let Some(postgres) = TestDatabase::postgres().await else { return };
    let (mut old, folder) = small().await;
    let http = old.http();
    push_index(&http, "team/app", "multi", &["amd64 layer", "arm64 layer"]).await;
    let subject = push_image(&http, "team/app", "1.0", "a layer").await;
    let subject = subject["digest"].as_str().unwrap();
    http.push_blob("big", vec![7; 12 << 20]).await;
    login(&oras, &old.host()).await;
    workspace.write("statement.json", "{}\n");
    let kind = "--artifact-type application/vnd.example.statement";
    let host = old.host();
    oras.run(format!("attach --plain-http {kind} {host}/team/app:1.0 statement.json")).await;
    http.start_upload("team/app").await;

    workspace.write("new.toml", "[storage]\nredirect = true\n");
    let mut migrate = workspace.orlop_at(&old);
    let new = s3.environment().into_iter().chain([
        ("ORLOP__METADATA__URL".to_owned(), postgres.url().to_owned()),
        ("ORLOP__STORAGE__DATA_DIR".to_owned(), folder.path().display().to_string()),
    ]);
    let new: Vec<_> = new.collect();
    for (name, value) in &new {
        migrate = migrate.env(&name.replace("ORLOP__", "ORLOP_TO__"), value);
    }

    // While it serves, as often as one likes; then what came since.
    let said = migrate.run("migrate --to new.toml").await;
    assert!(said.text().contains(" 0 there before"), "{}", said.text());
    let said = migrate.refused("migrate --to new.toml --finish").await;
    assert!(said.stderr.contains("stop all servers"), "{}", said.stderr);
    push_image(&http, "team/late", "1.0", "late layer").await;
    let expected = content::all(&http).await;
    let attached = referrers(&http, "team/app", subject).await;
    assert_eq!(attached.len(), 1);
    old.stop().await;
    let said = migrate.run("migrate --to new.toml --finish --verify").await;
    assert!(said.text().contains("blobs  2 copied"), "{}", said.text());
    assert!(said.text().contains("finished"), "{}", said.text());
    let verified = said.text().split(", ").find(|part| part.contains("verified")).unwrap();
    assert!(!verified.starts_with("0 "), "{verified}");

    let moved = Orlop::start(Options { environment: new, ..Options::default() }).await;
    let here = moved.http();
    assert_eq!(content::all(&here).await, expected);
    assert_eq!(referrers(&here, "team/app", subject).await, attached);
    assert!(s3.keys().await.iter().all(|key| key.starts_with("blobs/sha256/")));
    assert_eq!(s3.multipart_uploads().await, 0);
    // It goes on there: ids follow those that came.
    push_image(&here, "team/app", "2.0", "new layer").await;
    push_image(&here, "team/new", "1.0", "new layer").await;
    let said = migrate.refused("migrate --to new.toml --finish").await;
    assert!(said.stderr.contains("is not empty"), "{}", said.stderr);
}

#[tokio::test]
async fn blobs_alone_move_and_none_that_is_damaged_moves_unnoticed() {
    let workspace = Workspace::new();
    let Some(s3) = S3::start().await else { return };
    let (mut old, folder) = small().await;
    let http = old.http();
    push_image(&http, "app", "good", "good layer").await;
    let bad = http.push_blob("app", "bad blob").await;
    let location = http.start_upload("app").await;
    let patch = http.request(Method::PATCH, &location).body("half of something");
    expect(send(patch).await, StatusCode::ACCEPTED).await;
    let expected = content::all(&http).await;
    old.stop().await;
    let hex = bad.trim_start_matches("sha256:");
    let file = folder.path().join("bytes/blobs/sha256").join(&hex[..2]).join(hex);
    std::fs::write(&file, "BAD blob").unwrap();

    let mut migrate = workspace.orlop_at(&old);
    for (name, value) in s3.environment() {
        migrate = migrate.env(&name.replace("ORLOP__", "ORLOP_TO__"), value);
    }
    let url =
        old.settings().into_iter().rfind(|(name, _)| name == "ORLOP__METADATA__URL").unwrap().1;
    migrate = migrate.env("ORLOP_TO__METADATA__URL", &url);
    workspace.write("new.toml", "");
    let said = migrate.refused("migrate --to new.toml --finish").await;
    assert!(said.stdout.contains(&bad), "{}", said.stdout);
    assert!(said.stderr.contains("the rows stay where they are"), "{}", said.stderr);
    assert!(!s3.keys().await.iter().any(|key| key.contains(hex)));

    // Nothing has changed for the old place.
    old.restart().await;
    assert_eq!(content::all(&old.http()).await, expected);
    old.stop().await;
    std::fs::write(&file, "bad blob").unwrap();
    migrate.run("migrate --to new.toml --finish").await;

    let mut environment = s3.environment();
    environment.push(("ORLOP__METADATA__URL".to_owned(), url));
    let moved = Orlop::start(Options { environment, ..Options::default() }).await;
    assert_eq!(content::all(&moved.http()).await, expected);
    // The bytes of unfinished uploads stay behind.
    expect(moved.http().get(&location).await, StatusCode::NOT_FOUND).await;
}
