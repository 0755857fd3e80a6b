//! `orlop backup` and `orlop restore`: what comes back is what was there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use reqwest::{Method, StatusCode};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection as _};

use super::content::{content, everything, fill};
use super::place::{In, On, Place};
use super::support::http::{expect, json_of, send};
use super::support::{Http, digest_of};

/// What the backup must hold beside content.
async fn more(http: &Http) -> BTreeMap<String, String> {
    let mut more = everything(http).await;
    for path in ["/api/v1/users", "/api/v1/repositories/team%2Fapp0/tags/v0/history"] {
        let answer = http.get(path).await;
        more.insert(path.into(), format!("{} {}", answer.status(), answer.text().await.unwrap()));
    }
    more
}

async fn add_user(http: &Http) {
    let user = json!({"name": "carla", "password": "a-long-enough-password"});
    let request = http.request(Method::POST, "/api/v1/users").json(&user);
    let answer = send(request).await;
    assert!(answer.status().is_success(), "{:?}", answer.text().await);
}

/// Backs a registry up, makes another one of it, and gives the two as clients see them.
async fn carry(from: &Place, to: &Place, backups: &str, extra: &str) {
    from.orlop(&format!("backup --to {backups} {extra}")).await.with(0);
    let restored = to.orlop(&format!("restore --from {backups} -o json {extra}")).await.with(0);
    assert_eq!(restored.json()["damagedBlobs"], 0);
}

#[tokio::test]
async fn sqlite_and_disk_become_postgresql_and_a_bucket_and_return() {
    let Some(there) = Place::new(On::Postgres, In::Bucket).await else { return };
    let (here, back) =
        (Place::new(On::Sqlite, In::Disk).await, Place::new(On::Sqlite, In::Disk).await);
    let (here, back) = (here.unwrap(), back.unwrap());
    let orlop = here.serve().await;
    fill(&orlop.http()).await;
    add_user(&orlop.http()).await;
    let before = more(&orlop.http()).await;
    drop(orlop);

    carry(&here, &there, &here.beside("backups"), "").await;
    let orlop = there.serve().await;
    assert_eq!(more(&orlop.http()).await, before);
    let carla = orlop.anonymous().signed_in_as("carla", "a-long-enough-password");
    expect(carla.get("/v2/").await, StatusCode::OK).await;
    // Ids go on after those that were restored.
    orlop.http().push_artifact("team/app0", "later", &content(7, 6 << 20)).await;
    let later = more(&orlop.http()).await;
    assert_eq!(later.len(), before.len() + 3);

    carry(&there, &back, &back.beside("backups"), "").await;
    let orlop = back.serve().await;
    assert_eq!(more(&orlop.http()).await, later);
    orlop.http().push_artifact("team/app0", "last", b"last").await;
}

/// In a bucket, and to a second target beside the registry's own objects.
#[tokio::test]
async fn a_bucket_holds_backups() {
    let Some(here) = Place::new(On::Sqlite, In::Bucket).await else { return };
    let mut there = Place::new(On::Sqlite, In::Disk).await.unwrap();
    let orlop = here.serve().await;
    fill(&orlop.http()).await;
    let before = everything(&orlop.http()).await;
    here.orlop(&format!("backup --to {}", here.beside("backups"))).await.with(0);
    for (name, value) in &here.environment {
        if name.starts_with("AWS_") || name == "ORLOP__STORAGE__ENDPOINT" {
            there.set(name, value);
        }
    }
    there.orlop(&format!("restore --from {}", here.beside("backups"))).await.with(0);
    assert_eq!(everything(&there.serve().await.http()).await, before);
}

#[tokio::test]
async fn later_backups_copy_what_is_new_and_old_ones_go() {
    let place = Place::new(On::Sqlite, In::Disk).await.unwrap();
    let orlop = place.serve().await;
    let http = orlop.http();
    let backup = async |more: &str| {
        let line = format!("backup --to {} -o json {more}", place.beside("backups"));
        place.orlop(&line).await.with(0).json()
    };
    http.push_artifact("a", "1", b"first").await;
    let first = backup("").await;
    assert_eq!((&first["blobs"], &first["copiedBlobs"]), (&json!(2), &json!(2)));
    http.push_artifact("a", "2", b"second").await;
    let second = backup("").await;
    assert_eq!((&second["blobs"], &second["copiedBlobs"]), (&json!(3), &json!(1)));
    assert_eq!(second["copiedBytes"], 6);

    // As the collector would leave it: no trace of the first layer.
    let digest = digest_of("first");
    let manifests = json_of(http.get("/acr/v1/a/_manifests").await).await;
    assert_eq!(manifests["manifests"].as_array().unwrap().len(), 2);
    expect(http.delete("/v2/a/manifests/1").await, StatusCode::ACCEPTED).await;
    collect(&place, &digest).await;
    // One that was begun a moment ago, perhaps by somebody else, may need any of the blobs.
    let begun = place.folder.path().join("backups/backups/20260101T000000-000Z");
    std::fs::create_dir(&begun).unwrap();
    std::fs::write(begun.join("tags-00001.jsonl"), "[]").unwrap();
    let line = format!("backup --to {} --keep 1", place.beside("backups"));
    let kept = place.orlop(&line).await.with(0);
    assert!(kept.stderr.contains("nothing was removed, as backup 20260101"), "{}", kept.stderr);
    std::fs::remove_dir_all(begun).unwrap();
    let third = backup("--keep 3").await;
    assert_eq!(third["removedBackups"], json!([first["id"]]));
    assert_eq!(third["removedBlobs"], 0, "the second needs all");
    let fourth = backup("--keep 1").await;
    assert_eq!(fourth["removedBlobs"], 1);
    let list = place.orlop(&format!("restore --list --from {}", place.beside("backups"))).await;
    assert_eq!(list.with(0).stdout.trim(), fourth["id"].as_str().unwrap());

    let there = Place::new(On::Sqlite, In::Disk).await.unwrap();
    there.orlop(&format!("restore --from {}", place.beside("backups"))).await.with(0);
    assert_eq!(everything(&there.serve().await.http()).await, everything(&http).await);
}

/// Removes a blob with all that refers to it, as deletion, retention and collection do in the end.
async fn collect(place: &Place, digest: &str) {
    let mut connection = sqlx::SqliteConnection::connect(&place.database_url).await.unwrap();
    let id = format!("(SELECT id FROM blobs WHERE digest = '{digest}')");
    let users = format!("(SELECT manifest_id FROM manifest_references WHERE blob_id = {id})");
    for sql in [
        "PRAGMA busy_timeout = 10000".to_owned(),
        "BEGIN IMMEDIATE".to_owned(),
        format!("DELETE FROM tags WHERE manifest_id IN {users}"),
        format!("DELETE FROM manifests WHERE id IN {users}"),
        format!("DELETE FROM repository_blobs WHERE blob_id = {id}"),
        format!("DELETE FROM blobs WHERE digest = '{digest}'"),
        "COMMIT".to_owned(),
    ] {
        sqlx::query(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
    let hex = digest.trim_start_matches("sha256:");
    place.remove(&format!("blobs/sha256/{}/{hex}", &hex[..2])).await;
}

#[tokio::test]
async fn a_backup_of_sqlite_under_load_is_whole() {
    a_backup_under_load(Place::new(On::Sqlite, In::Disk).await.unwrap()).await;
}

#[tokio::test]
async fn a_backup_of_postgresql_under_load_is_whole() {
    if let Some(place) = Place::new(On::Postgres, In::Disk).await {
        a_backup_under_load(place).await;
    }
}

/// Everything acknowledged before the backup is in it, and nothing by halves.
async fn a_backup_under_load(place: Place) {
    let orlop = place.serve().await;
    let (stop, pushed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let clients: Vec<_> = (0..3)
        .map(|client: u64| {
            let (http, stop, pushed) = (orlop.http(), Arc::clone(&stop), Arc::clone(&pushed));
            tokio::spawn(async move {
                let mut n = 0;
                while !stop.load(Ordering::Relaxed) {
                    let layer = content(client * 1000 + n, 3000);
                    http.push_artifact(&format!("load/{client}"), &format!("t{n}"), &layer).await;
                    http.push_artifact(&format!("load/{client}"), "latest", &layer).await;
                    if n % 4 == 3 {
                        let path = format!("/v2/load/{client}/manifests/t{}", n - 1);
                        expect(http.delete(&path).await, StatusCode::ACCEPTED).await;
                    }
                    n += 1;
                    pushed.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    fill(&orlop.http()).await;
    let before = everything_below(&orlop.http(), "team/").await;
    let count = pushed.load(Ordering::Relaxed);
    place.orlop(&format!("backup --to {}", place.beside("backups"))).await.with(0);
    assert!(pushed.load(Ordering::Relaxed) > count, "nothing was pushed meanwhile");
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    let there = Place::new(On::Sqlite, In::Disk).await.unwrap();
    there.orlop(&format!("restore --from {}", place.beside("backups"))).await.with(0);
    let restored = there.serve().await;
    assert_eq!(everything_below(&restored.http(), "team/").await, before);
    // Pulls all of it: what was pushed meanwhile is there whole or not at all.
    assert!(everything(&restored.http()).await.len() > before.len());
}

async fn everything_below(http: &Http, start: &str) -> BTreeMap<String, String> {
    let mut found = everything(http).await;
    found.retain(|name, _| name.starts_with(start));
    found
}

/// A blob is collected after the rows were read and before it was copied.
#[tokio::test]
async fn a_blob_that_is_collected_meanwhile_does_not_break_the_backup() {
    let place = Place::new(On::Sqlite, In::Disk).await.unwrap();
    let orlop = place.serve().await;
    for n in 0..30 {
        orlop.http().push_artifact("a", &format!("{n}"), &content(n, 100_000)).await;
    }
    let gone = content(29, 100_000);
    let backups = place.folder.path().join("backups/backups");
    let made = place.command(&format!("backup --to {}", place.beside("backups"))).spawn().unwrap();
    while !has_rows_of_blobs(&backups) {
        tokio::task::yield_now().await;
    }
    collect(&place, &digest_of(&gone)).await;
    let mut made = made;
    assert!(made.wait().await.unwrap().success());

    let there = Place::new(On::Sqlite, In::Disk).await.unwrap();
    there.orlop(&format!("restore --from {}", place.beside("backups"))).await.with(0);
    everything(&there.serve().await.http()).await;
}

/// Whether a backup that is being made has come to the rows of blobs.
fn has_rows_of_blobs(backups: &std::path::Path) -> bool {
    let Ok(folders) = std::fs::read_dir(backups) else { return false };
    folders.flatten().any(|folder| folder.path().join("blobs-00001.jsonl").exists())
}

#[tokio::test]
async fn only_an_empty_registry_takes_a_backup() {
    let place = Place::new(On::Sqlite, In::Disk).await.unwrap();
    let orlop = place.serve().await;
    orlop.http().push_artifact("a", "1", b"layer").await;
    place.orlop(&format!("backup --to {}", place.beside("backups"))).await.with(0);
    let before = everything(&orlop.http()).await;
    let line = format!("restore --from {}", place.beside("backups"));
    let refused = place.orlop(&line).await.with(1);
    assert!(refused.stderr.contains("is not empty: table repositories"), "{}", refused.stderr);
    assert_eq!(everything(&orlop.http()).await, before);

    let there = Place::new(On::Sqlite, In::Disk).await.unwrap();
    let refused = there.orlop(&format!("{line} --backup other")).await.with(1);
    assert!(refused.stderr.contains("there is no backup other there"), "{}", refused.stderr);
    let refused = there.orlop("restore --from nowhere").await.with(1);
    assert!(refused.stderr.contains("No such file"), "{}", refused.stderr);
    let own = place.folder.path().join("store");
    let refused = place.orlop(&format!("backup --to {}", own.display())).await.with(1);
    assert!(refused.stderr.contains("the registry's own store"), "{}", refused.stderr);
}

#[tokio::test]
async fn a_lost_database_is_restored_to_its_blobs_on_disk() {
    a_lost_database_returns(Place::new(On::Sqlite, In::Disk).await.unwrap()).await;
}

#[tokio::test]
async fn a_lost_database_is_restored_to_its_blobs_in_a_bucket() {
    if let Some(place) = Place::new(On::Sqlite, In::Bucket).await {
        a_lost_database_returns(place).await;
    }
}

async fn a_lost_database_returns(place: Place) {
    let mut orlop = place.serve().await;
    fill(&orlop.http()).await;
    let before = more(&orlop.http()).await;
    let stored = place.keys("blobs/").await;
    let backups = place.folder.path().join("backups");
    place.orlop(&format!("backup --to {}", backups.display())).await.with(0);
    orlop.stop().await;
    std::fs::remove_file(place.folder.path().join("orlop.db")).unwrap();

    let line = format!("restore --from {} -o json", backups.display());
    let restored = place.orlop(&line).await.with(0).json();
    assert_eq!(restored["copiedBlobs"], 0);
    assert_eq!(more(&place.serve().await.http()).await, before);
    assert_eq!(place.keys("blobs/").await, stored);
}

/// What the store had lost at the time of the backup is told then, and stays lost; what the backup
/// lost is told when it is restored.
#[tokio::test]
async fn damage_is_told_and_the_rest_is_restored() {
    let place = Place::new(On::Sqlite, In::Disk).await.unwrap();
    let orlop = place.serve().await;
    let http = orlop.http();
    http.push_artifact("a", "1", b"first").await;
    http.push_artifact("a", "2", b"second").await;
    http.push_artifact("a", "3", b"third").await;
    place.write(&place.key_of(b"first").await, b"FIRST".to_vec()).await;
    let line = format!("backup --to {} -o json", place.beside("backups"));
    let made = place.orlop(&line).await.with(3).json();
    assert_eq!(made["damaged"], json!([digest_of("first")]));

    let hex = digest_of("second").trim_start_matches("sha256:").to_owned();
    let file = place.folder.path().join("backups/blobs/sha256").join(&hex[..2]).join(&hex);
    std::fs::write(file, "SECOND").unwrap();
    let there = Place::new(On::Sqlite, In::Disk).await.unwrap();
    let line = format!("restore --from {} -o json", place.beside("backups"));
    let restored = there.orlop(&line).await.with(3).json();
    assert_eq!(restored["damagedBlobs"], 2);
    let orlop = there.serve().await;
    let http = orlop.http();
    for (layer, status) in [
        ("first", StatusCode::NOT_FOUND),
        ("second", StatusCode::NOT_FOUND),
        ("third", StatusCode::OK),
    ] {
        let path = format!("/v2/a/blobs/{}", digest_of(layer));
        expect(http.get(&path).await, status).await;
    }
    http.push_blob("a", "first").await;
    http.push_blob("a", "second").await;
    everything(&http).await;
    there.orlop("scrub").await.with(0);

    let rows = std::fs::read_dir(place.folder.path().join("backups/backups")).unwrap();
    let folder = rows.flatten().next().unwrap().path();
    let rows = folder.join("manifests-00001.jsonl");
    std::fs::write(&rows, std::fs::read_to_string(&rows).unwrap().replacen('1', "2", 1)).unwrap();
    let other = Place::new(On::Sqlite, In::Disk).await.unwrap();
    let refused = other.orlop(&line).await.with(1);
    assert!(refused.stderr.contains("its digest is another"), "{}", refused.stderr);
    let again = place.orlop(&line.replace("restore --from", "backup --to")).await.with(3).json();
    assert_eq!(again["copiedBlobs"], 0);
}
