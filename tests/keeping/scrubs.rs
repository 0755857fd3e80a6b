//! `orlop scrub`: finds what is wrong and nothing else, hides it, and heals it.

use std::time::{Duration, Instant};

use orlop::metadata::Database;
use orlop::metadata::stored_blobs::{self, StoredBlob};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::content::{content, everything, fill, pull};
use super::place::{In, On, Place};
use super::support::http::{OCI_MANIFEST, expect, json_of, send};
use super::support::{Http, digest_of};

/// Kinds and names of what was found.
pub fn found(report: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let findings = report["findings"].as_array().unwrap().iter();
    findings.map(|finding| (text(&finding["kind"]), text(&finding["name"]))).collect()
}

pub fn outcome(report: &Value, name: &str) -> String {
    let findings = report["findings"].as_array().unwrap().iter();
    let of_name = findings.filter(|finding| finding["name"] == name);
    of_name.map(|finding| finding["outcome"].as_str().unwrap().to_owned()).next().unwrap()
}

fn key(digest: &str) -> String {
    let hex = digest.trim_start_matches("sha256:");
    format!("blobs/sha256/{}/{hex}", &hex[..2])
}

async fn until(what: &str, mut question: impl AsyncFnMut() -> bool) {
    let give_up_at = Instant::now() + Duration::from_secs(60);
    while !question().await {
        assert!(Instant::now() < give_up_at, "{what}: not within a minute");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn damage_on_disk_is_found_hidden_and_healed() {
    damage_is_found(Place::new(On::Sqlite, In::Disk).await.unwrap()).await;
}

#[tokio::test]
async fn damage_in_a_bucket_is_found_hidden_and_healed() {
    if let Some(place) = Place::new(On::Postgres, In::Bucket).await {
        damage_is_found(place).await;
    }
}

/// Damages four blobs, each in its way, and leaves bytes that nobody knows.
async fn damage_is_found(mut place: Place) {
    place.set("ORLOP__SCRUB__GRACE_SECONDS", "0");
    let orlop = place.serve().await;
    let http = orlop.http();
    fill(&http).await;
    let before = everything(&http).await;
    let sound = place.orlop("scrub -o json").await.with(0).json();
    assert_eq!(sound["findings"], json!([]));
    assert_eq!(sound["blobs"], 10);

    let blobs = [content(1, 4000), content(2, 6000), content(3, 8000), content(99, 6 << 20)];
    let digests = blobs.each_ref().map(digest_of);
    let mut flipped = blobs[0].to_vec();
    flipped[1234] ^= 1;
    place.write(&place.key_of(&blobs[0]).await, flipped.clone()).await;
    place.write(&place.key_of(&blobs[1]).await, blobs[1][..5999].to_vec()).await;
    place.remove(&place.key_of(&blobs[2]).await).await;
    let mut large = blobs[3].to_vec();
    *large.last_mut().unwrap() ^= 1;
    place.write(&place.key_of(&blobs[3]).await, large).await;
    let orphan = key(&digest_of("orphan"));
    place.write(&orphan, b"orphan".to_vec()).await;
    place.write("blobs/sha256/zz/strange", b"strange".to_vec()).await;

    let report = place.orlop("scrub -o json").await.with(3).json();
    let expected = [
        ("content", digests[0].clone()),
        ("content", digests[3].clone()),
        ("foreign", "blobs/sha256/zz/strange".into()),
        ("missing", digests[2].clone()),
        ("orphan", orphan.clone()),
        ("size", digests[1].clone()),
    ];
    let mut expected = expected.map(|(kind, name)| (kind.to_owned(), name)).to_vec();
    expected.sort();
    assert_eq!(found(&report), expected);
    assert_eq!(report["damagedBlobs"], 4);
    let status = place.orlop("scrub --status -o json").await.with(3);
    assert_eq!(status.json()["findings"], report["findings"]);

    let kept = outcome(&report, &digests[0]);
    let (_, kept) = kept.split_once("kept at ").unwrap();
    assert_eq!(place.read(kept).await, flipped);
    assert_hidden(&http, &digests).await;
    pull_all_but(&http, &before, &digests).await;

    for (n, blob) in blobs.iter().enumerate() {
        let repository = before.keys().find(|name| name.ends_with(&digests[n])).unwrap();
        let (repository, _) = repository.split_once(' ').unwrap();
        if n == 0 {
            let path = format!("/v2/{repository}/blobs/uploads/?digest={}", digests[0]);
            let request = http.request(Method::POST, &path).body(blob.clone());
            expect(send(request).await, StatusCode::CREATED).await;
        } else {
            http.push_blob(repository, blob.clone()).await;
        }
    }
    assert_eq!(everything(&http).await, before);
    let healed = place.orlop("scrub -o json --collect").await.with(0).json();
    let kinds = found(&healed).into_iter().map(|(kind, _)| kind).collect::<Vec<_>>();
    assert!(kinds.iter().all(|kind| kind == "orphan" || kind == "foreign"), "{healed:#}");
    assert_eq!(outcome(&healed, &orphan), "given to the collector");
    let again = place.orlop("scrub -o json --collect").await.with(0).json();
    assert_eq!(found(&again), [("foreign".to_owned(), "blobs/sha256/zz/strange".to_owned())]);

    // Bytes that wait for the collector become a blob when somebody pushes them.
    http.push_blob("team/app0", "orphan").await;
    let digest = digest_of("orphan");
    pull(&http, &format!("/v2/team/app0/blobs/{digest}"), &digest).await;
}

/// Damaged blobs are not there: neither to pull, nor to mount, nor for a manifest.
async fn assert_hidden(http: &Http, digests: &[String]) {
    for digest in digests {
        for name in ["team/app0", "team/app1", "large"] {
            let path = format!("/v2/{name}/blobs/{digest}");
            let answer = http.head(&path).await;
            expect(answer, StatusCode::NOT_FOUND).await;
            let answer = expect(http.get(&path).await, StatusCode::NOT_FOUND).await;
            assert_eq!(json_of(answer).await["errors"][0]["code"], "BLOB_UNKNOWN");
        }
        let mount = format!("/v2/team/app0/blobs/uploads/?mount={digest}&from=team/app1");
        expect(send(http.request(Method::POST, &mount)).await, StatusCode::ACCEPTED).await;
    }
    let digest = &digests[0];
    let message = json_of(http.get(&format!("/v2/team/app1/blobs/{digest}")).await).await;
    let message = message["errors"][0]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("damaged") && message.contains("push it again"), "{message}");
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "config": {"mediaType": "text/plain", "digest": digest, "size": 4000}, "layers": [],
    });
    let refused = http.put_manifest("team/app1", "new", OCI_MANIFEST, manifest.to_string()).await;
    assert!(refused.status().is_client_error(), "{}", refused.status());
    let refused = json_of(refused).await;
    assert_eq!(refused["errors"][0]["code"], "MANIFEST_BLOB_UNKNOWN");
}

async fn pull_all_but(
    http: &Http,
    all: &std::collections::BTreeMap<String, String>,
    damaged: &[String],
) {
    for name in all.keys() {
        let Some((repository, digest)) = name.split_once(' ') else { continue };
        if !damaged.iter().any(|damaged| damaged == digest) {
            pull(http, &format!("/v2/{repository}/blobs/{digest}"), digest).await;
        }
    }
}

#[tokio::test]
async fn a_backup_heals_what_is_damaged_on_disk() {
    a_copy_heals(Place::new(On::Sqlite, In::Disk).await.unwrap()).await;
}

#[tokio::test]
async fn a_backup_heals_what_is_damaged_in_a_bucket() {
    if let Some(place) = Place::new(On::Sqlite, In::Bucket).await {
        a_copy_heals(place).await;
    }
}

async fn a_copy_heals(mut place: Place) {
    let orlop = place.serve().await;
    let http = orlop.http();
    fill(&http).await;
    let before = everything(&http).await;
    let copy = place.beside("copy");
    place.orlop(&format!("backup --to {copy}")).await.with(0);
    let url = if copy.contains("://") { copy } else { format!("file://{copy}") };
    place.set("ORLOP__SCRUB__COPY", url);

    let (small, large) = (content(1, 4000), content(99, 6 << 20));
    place.write(&place.key_of(&small).await, vec![0; 4000]).await;
    place.remove(&place.key_of(&large).await).await;
    let report = place.orlop("scrub -o json").await.with(0).json();
    let mut expected =
        vec![("content".to_owned(), digest_of(&small)), ("missing".to_owned(), digest_of(&large))];
    expected.sort();
    assert_eq!(found(&report), expected);
    assert!(outcome(&report, &digest_of(&small)).starts_with("healed from a copy"), "{report:#}");
    assert_eq!(everything(&http).await, before);
    assert_eq!(place.orlop("scrub -o json").await.with(0).json()["findings"], json!([]));
}

/// What was looked at before a crash is not looked at again.
#[tokio::test]
async fn a_look_goes_on_where_it_was_killed() {
    let place = Place::new(On::Sqlite, In::Disk).await.unwrap();
    let orlop = place.serve().await;
    let http = orlop.http();
    for n in 0..40 {
        http.push_blob("a", content(n, 50_000)).await;
    }
    let mut slow = place.command("scrub --rate 250000").spawn().unwrap();
    until("some blobs are read", async || {
        let status = place.orlop("scrub --status -o json").await;
        status.code == Some(0) && status.json()["blobs"].as_u64().unwrap() >= 5
    })
    .await;
    slow.kill().await.unwrap();
    let killed = place.orlop("scrub --status -o json").await.with(0).json();
    assert_eq!((&killed["phase"], &killed["finishedAt"]), (&json!("blobs"), &Value::Null));

    // The first of all was read before, so its damage belongs to the next look.
    let first = content(0, 50_000);
    place.write(&place.key_of(&first).await, vec![1; 50_000]).await;
    let resumed = place.orlop("scrub -o json").await.with(0).json();
    assert_eq!(resumed["startedAt"], killed["startedAt"]);
    assert_eq!((&resumed["blobs"], &resumed["findings"]), (&json!(40), &json!([])));
    let next = place.orlop("scrub -o json").await.with(3).json();
    assert_eq!(found(&next), [("content".to_owned(), digest_of(&first))]);
}

#[tokio::test]
async fn two_looks_at_once_are_refused() {
    let place = Place::new(On::Sqlite, In::Disk).await.unwrap();
    let orlop = place.serve().await;
    for n in 0..40 {
        orlop.http().push_blob("a", content(n, 50_000)).await;
    }
    let slow = place.command("scrub --rate 100000").spawn().unwrap();
    until("it has begun", async || place.orlop("scrub --status").await.code == Some(0)).await;
    let refused = place.orlop("scrub").await.with(1);
    assert!(refused.stderr.contains("another scrub is under way"), "{}", refused.stderr);
    drop(slow);
}

/// A serving registry looks by itself, and clients that push meanwhile do not disturb it, nor it
/// them.
#[tokio::test]
async fn the_server_looks_by_itself_beside_pushes() {
    let mut place = Place::new(On::Sqlite, In::Disk).await.unwrap();
    let mut orlop = place.serve().await;
    fill(&orlop.http()).await;
    orlop.stop().await;
    let damaged = content(1, 4000);
    place.write(&place.key_of(&damaged).await, vec![2; 4000]).await;

    place.set("ORLOP__SCRUB__INTERVAL_HOURS", "1");
    let orlop = place.serve().await;
    let http = orlop.http();
    until("the look is finished", async || {
        let status = place.orlop("scrub --status -o json").await;
        matches!(status.code, Some(0 | 3)) && status.json()["finishedAt"].is_string()
    })
    .await;
    let report = place.orlop("scrub --status -o json").await.with(3).json();
    assert_eq!(found(&report), [("content".to_owned(), digest_of(&damaged))]);

    // The same few blobs pushed and looked at again and again.
    http.push_blob("team/app1", damaged).await;
    let pushing = tokio::spawn({
        let http = http.clone();
        async move {
            for round in 0..12 {
                for n in 0..3 {
                    let tag = format!("r{round}");
                    http.push_artifact(&format!("busy/{n}"), &tag, &content(n, 30_000)).await;
                }
            }
        }
    });
    while !pushing.is_finished() {
        let report = place.orlop("scrub --restart -o json").await.with(0).json();
        assert_eq!(report["findings"], json!([]));
    }
    pushing.await.unwrap();
    everything(&http).await;
}

/// A push that ends while a blob is being read makes what was read a thing of the past.
#[tokio::test]
async fn a_push_in_between_outruns_the_mark() {
    for on in [On::Sqlite, On::Postgres] {
        let Some(place) = Place::new(on, In::Disk).await else { return };
        let orlop = place.serve().await;
        let http = orlop.http();
        let digest = http.push_blob("a", "content").await;
        let path = format!("/v2/a/blobs/{digest}");
        let database = Database::open(&place.database_url, 2).await.unwrap();
        let read = async || {
            let mut connection = database.read().await.unwrap();
            stored_blobs::after(&mut connection, 0, 10).await.unwrap().remove(0)
        };
        let mark = async |blob: &StoredBlob| {
            let mut transaction = database.begin().await.unwrap();
            let marked = stored_blobs::mark_damaged(&mut transaction, blob, 1).await.unwrap();
            transaction.commit().await.unwrap();
            marked
        };
        let before = read().await;
        http.push_blob("a", "content").await;
        assert!(!mark(&before).await, "{on:?}");
        expect(http.head(&path).await, StatusCode::OK).await;
        assert!(mark(&read().await).await, "{on:?}");
        expect(http.head(&path).await, StatusCode::NOT_FOUND).await;
        http.push_blob("a", "content").await;
        expect(http.head(&path).await, StatusCode::OK).await;
    }
}

/// A disk that is not mounted must not make every blob damaged.
#[tokio::test]
async fn a_store_without_any_blob_is_not_believed() {
    let place = Place::new(On::Sqlite, In::Disk).await.unwrap();
    let orlop = place.serve().await;
    orlop.http().push_artifact("a", "1", b"layer").await;
    std::fs::rename(place.folder.path().join("store"), place.folder.path().join("away")).unwrap();
    let refused = place.orlop("scrub").await.with(1);
    assert!(refused.stderr.contains("is its disk mounted?"), "{}", refused.stderr);
    std::fs::remove_dir_all(place.folder.path().join("store")).unwrap();
    std::fs::rename(place.folder.path().join("away"), place.folder.path().join("store")).unwrap();
    place.orlop("scrub").await.with(0);
    everything(&orlop.http()).await;
}

#[tokio::test]
async fn commands_without_a_registry_say_so() {
    let place = Place::new(On::Sqlite, In::Disk).await.unwrap();
    for line in ["scrub", "scrub --status", "backup --to copy"] {
        let refused = place.orlop(line).await.with(1);
        assert!(refused.stderr.contains("no registry in the database"), "{}", refused.stderr);
        assert!(!place.folder.path().join("orlop.db").exists());
    }
}
