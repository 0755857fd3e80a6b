//! Manifests whose bytes in the database are no longer those of their digests.

use orlop::metadata::Database;
use orlop::metadata::stored_manifests;
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::content::{content, everything, fill, pull};
use super::place::{In, On, Place};
use super::scrubs::{found, outcome};
use super::support::Http;
use super::support::http::{OCI_INDEX, OCI_MANIFEST, expect, json_of, send};

const WRONG: &[u8] = b"{\"schemaVersion\": 2}";

/// Gives the rows of a manifest other bytes, in one repository or in all.
async fn damage(place: &Place, repository: &str, digest: &str) {
    set_content(place, repository, digest, WRONG).await;
}

async fn set_content(place: &Place, repository: &str, digest: &str, content: &[u8]) {
    let database = Database::open(&place.database_url, 1).await.unwrap();
    let mut transaction = database.begin().await.unwrap();
    let done = sqlx::query(
        "UPDATE manifests SET content = $1 WHERE digest = $2
         AND repository_id IN (SELECT id FROM repositories WHERE name LIKE $3)",
    )
    .bind(content)
    .bind(digest)
    .bind(repository)
    .execute(&mut *transaction)
    .await
    .unwrap();
    assert!(done.rows_affected() > 0, "{repository} has no {digest}");
    transaction.commit().await.unwrap();
    database.close().await;
}

#[tokio::test]
async fn a_damaged_manifest_on_sqlite_is_hidden_until_it_is_pushed_again() {
    is_hidden_until_pushed_again(Place::new(On::Sqlite, In::Disk).await.unwrap()).await;
}

#[tokio::test]
async fn a_damaged_manifest_on_postgres_is_hidden_until_it_is_pushed_again() {
    if let Some(place) = Place::new(On::Postgres, In::Bucket).await {
        is_hidden_until_pushed_again(place).await;
    }
}

async fn is_hidden_until_pushed_again(mut place: Place) {
    place.set("ORLOP__REGISTRY__SPARSE_INDEXES", "false");
    let orlop = place.serve().await;
    let http = orlop.http();
    fill(&http).await;
    let before = everything(&http).await;
    let digest = http.push_artifact("team/app0", "v0", &content(0, 2000)).await;
    damage(&place, "team/app0", &digest).await;
    let name = format!("team/app0@{digest}");

    let report = place.orlop("scrub -o json").await.with(3).json();
    assert_eq!(found(&report), [("manifest".to_owned(), name.clone())]);
    assert_eq!((&report["damagedManifests"], &report["damagedBlobs"]), (&json!(1), &json!(0)));
    let kept = outcome(&report, &name);
    let (hidden, kept) = kept.split_once("; bytes kept at ").unwrap();
    assert_eq!(hidden, "hidden");
    assert_eq!(place.read(kept).await, WRONG);
    assert_hidden(&http, &digest).await;
    let again = place.orlop("scrub -o json").await.with(3).json();
    assert_eq!(outcome(&again, &name), "hidden; known since an earlier scrub");
    let status = place.orlop("scrub --status -o json").await.with(3).json();
    assert_eq!(status["damagedManifests"], 1);

    http.push_artifact("team/app0", "v0", &content(0, 2000)).await;
    assert_eq!(everything(&http).await, before);
    let healed = place.orlop("scrub -o json").await.with(0).json();
    assert_eq!((&healed["findings"], &healed["damagedManifests"]), (&json!([]), &json!(0)));
}

/// It is not there for clients, neither to pull, nor for an index or a promotion; others are.
async fn assert_hidden(http: &Http, digest: &str) {
    for reference in ["v0", digest] {
        let path = format!("/v2/team/app0/manifests/{reference}");
        expect(http.head(&path).await, StatusCode::NOT_FOUND).await;
        let answer = json_of(expect(http.get(&path).await, StatusCode::NOT_FOUND).await).await;
        assert_eq!(answer["errors"][0]["code"], "MANIFEST_UNKNOWN");
        let message = answer["errors"][0]["message"].as_str().unwrap();
        assert!(message.contains("damaged") && message.contains("push it again"), "{message}");
    }
    expect(http.get("/v2/team/app0/manifests/v2").await, StatusCode::OK).await;
    let tags = json_of(http.get("/v2/team/app0/tags/list").await).await;
    assert_eq!(tags["tags"], json!(["empty", "v0", "v2", "v4"]));
    let index = json!({
        "schemaVersion": 2, "mediaType": OCI_INDEX,
        "manifests": [{"mediaType": OCI_MANIFEST, "digest": digest, "size": 500}],
    });
    let refused = http.put_manifest("team/app0", "index", OCI_INDEX, index.to_string()).await;
    assert!(refused.status().is_client_error(), "{}", refused.status());
    assert_eq!(json_of(refused).await["errors"][0]["code"], "MANIFEST_BLOB_UNKNOWN");
    let promotion = json!({"promotions": [
        {"source": format!("team/app0@{digest}"), "target": "promoted:v0"},
    ]});
    let refused = send(http.request(Method::POST, "/api/v1/promotions").json(&promotion)).await;
    let refused = expect(refused, StatusCode::NOT_FOUND).await;
    assert!(json_of(refused).await.to_string().contains("damaged"));
}

#[tokio::test]
async fn another_repository_with_the_same_manifest_heals_it() {
    for on in [On::Sqlite, On::Postgres] {
        let Some(place) = Place::new(on, In::Disk).await else { return };
        let orlop = place.serve().await;
        let http = orlop.http();
        let digest = http.push_artifact("a", "1", b"layer").await;
        http.push_artifact("b", "1", b"layer").await;
        damage(&place, "a", &digest).await;
        let report = place.orlop("scrub -o json").await.with(0).json();
        let outcome = outcome(&report, &format!("a@{digest}"));
        assert!(outcome.starts_with("healed from another repository; bytes kept at"), "{outcome}");
        pull(&http, "/v2/a/manifests/1", &digest).await;
        assert_eq!(place.orlop("scrub -o json").await.with(0).json()["findings"], json!([]));
    }
}

#[tokio::test]
async fn a_backup_in_a_folder_heals_manifests() {
    a_backup_heals(Place::new(On::Sqlite, In::Disk).await.unwrap()).await;
}

#[tokio::test]
async fn a_backup_in_a_bucket_heals_manifests() {
    if let Some(place) = Place::new(On::Postgres, In::Bucket).await {
        a_backup_heals(place).await;
    }
}

/// The newest backup has the damage too, so the one before it must help.
async fn a_backup_heals(mut place: Place) {
    let orlop = place.serve().await;
    let http = orlop.http();
    fill(&http).await;
    let before = everything(&http).await;
    let copy = place.beside("copy");
    place.orlop(&format!("backup --to {copy}")).await.with(0);
    let digest = http.push_artifact("team/app0", "v0", &content(0, 2000)).await;
    damage(&place, "team/app0", &digest).await;
    place.orlop(&format!("backup --to {copy}")).await.with(0);
    place.orlop("scrub -o json").await.with(3);

    let url = if copy.contains("://") { copy } else { format!("file://{copy}") };
    place.set("ORLOP__SCRUB__COPY", url);
    let report = place.orlop("scrub -o json").await.with(0).json();
    assert_eq!(
        outcome(&report, &format!("team/app0@{digest}")),
        "healed from a backup; known since an earlier scrub"
    );
    assert_eq!(everything(&http).await, before);
}

/// Bytes that are right again are served again; what is deleted is no damage that needs anybody.
#[tokio::test]
async fn damage_ends_when_the_bytes_are_right_or_needless() {
    let place = Place::new(On::Sqlite, In::Disk).await.unwrap();
    let orlop = place.serve().await;
    let http = orlop.http();
    let digest = http.push_artifact("a", "1", b"layer").await;
    let right = pull(&http, "/v2/a/manifests/1", &digest).await;
    damage(&place, "a", &digest).await;
    place.orlop("scrub").await.with(3);
    set_content(&place, "a", &digest, &right).await;
    let report = place.orlop("scrub -o json").await.with(0).json();
    assert_eq!(found(&report), [("recovered".to_owned(), format!("a@{digest}"))]);
    pull(&http, "/v2/a/manifests/1", &digest).await;

    damage(&place, "a", &digest).await;
    place.orlop("scrub").await.with(3);
    let path = format!("/v2/a/manifests/{digest}");
    expect(http.delete(&path).await, StatusCode::ACCEPTED).await;
    place.orlop("scrub").await.with(0);
    // Pushed again, it is there again, and whole.
    http.push_artifact("a", "1", b"layer").await;
    pull(&http, &path, &digest).await;
}

/// Bytes that changed since they were read are not called damaged.
#[tokio::test]
async fn a_change_in_between_outruns_the_mark() {
    for on in [On::Sqlite, On::Postgres] {
        let Some(place) = Place::new(on, In::Disk).await else { return };
        let orlop = place.serve().await;
        let digest = orlop.http().push_artifact("a", "1", b"layer").await;
        let right = pull(&orlop.http(), "/v2/a/manifests/1", &digest).await;
        damage(&place, "a", &digest).await;
        let database = Database::open(&place.database_url, 2).await.unwrap();
        let mut connection = database.read().await.unwrap();
        let read = stored_manifests::after(&mut connection, 0, 10).await.unwrap().remove(0);
        drop(connection);
        assert_eq!(read.content, WRONG);
        set_content(&place, "a", &digest, &right).await;
        let mut transaction = database.begin().await.unwrap();
        assert!(!stored_manifests::mark_damaged(&mut transaction, &read, 1).await.unwrap());
        transaction.commit().await.unwrap();
        pull(&orlop.http(), "/v2/a/manifests/1", &digest).await;
    }
}
