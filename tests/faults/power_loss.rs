//! The power fails at random moments under load: of files and folders there is what was synced, and
//! of all else any part. Whatever the server had acknowledged is there afterwards.

use reqwest::StatusCode;

use super::crash::{Load, Starts};
use super::data;
use super::model::Deleted;
use super::random::{Random, setting};
use super::support::faulty_disk::kind;
use super::support::http::header;
use super::support::{Http, Options, Orlop, digest_of};
use super::uploader::Uploads;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn power_failures_lose_nothing_acknowledged() {
    let rounds = setting("ORLOP_TORTURE_POWER_FAILURES", 4);
    let mut random = Random::start();
    let mut load = Load::new(&mut random, Uploads::MayGoBack, Deleted::CanBeRestored);
    let mut orlop = on_faulty_disk().await;
    let (mut lost, mut starts) = (0, Starts::default());
    for round in 1..=rounds {
        load.until_killed(&mut orlop, &mut random).await;
        // All that was not synced is gone, or only one change in so many.
        lost += match random.below(3) {
            0 => orlop.lose_power(|| false),
            _ => {
                let one_in = 2 + random.below(8);
                orlop.lose_power(|| !random.once_in(one_in))
            }
        };
        starts.restart(&mut orlop).await;
        load.check(&orlop, round).await;
    }
    assert!(orlop.stop().await.success());
    let blobs = data::check(&orlop, &orlop.data_dir()).await;
    println!(
        "{rounds} power failures, {lost} changes lost, {}, {blobs} blobs at the end, {}",
        load.tally(),
        starts.tally()
    );
    assert!(lost > 0, "nothing was ever lost");
}

/// Shows that the experiment would notice a sync that is missing.
#[tokio::test]
async fn without_a_sync_of_any_kind_something_is_lost() {
    assert!(survives(0).await);
    for (kind, what) in [(kind::UPLOAD, "bytes"), (kind::FOLDER, "folders"), (kind::WAL, "rows")] {
        if kind == kind::WAL && std::env::var("ORLOP_TEST_DATABASE").is_ok_and(|it| it != "sqlite")
        {
            continue;
        }
        assert!(!survives(kind).await, "nothing is lost without a sync of {what}");
    }
}

/// The data folder, which is made at the start, and what is acknowledged at once.
#[tokio::test]
async fn the_first_push_survives_a_power_failure() {
    let mut orlop = on_faulty_disk().await;
    let digest = orlop.http().push_artifact("first", "latest", b"layer").await;
    orlop.kill().await;
    orlop.lose_power(|| false);
    orlop.restart().await;
    assert!(is_whole(&orlop.http(), "first", &digest, b"layer").await);
}

/// Two uploads that make the same folder at once: neither may trust the other to sync it.
#[tokio::test]
async fn a_folder_that_a_killed_server_made_is_made_durable_by_the_next() {
    let mut orlop = on_faulty_disk().await;
    // Folders are made and never synced.
    orlop.disk().ignore_syncs(kind::FOLDER);
    orlop.http().push_artifact("a", "latest", b"layer").await;
    orlop.kill().await;
    orlop.disk().ignore_syncs(0);
    orlop.restart().await;
    let digest = orlop.http().push_artifact("a", "latest", b"layer").await;
    orlop.kill().await;
    orlop.lose_power(|| false);
    orlop.restart().await;
    assert!(is_whole(&orlop.http(), "a", &digest, b"layer").await);
}

/// Whether a push survives when syncs of these kinds of files do nothing.
async fn survives(unsynced: u32) -> bool {
    let mut orlop = on_faulty_disk().await;
    let http = orlop.http();
    http.push_artifact("a", "first", b"before").await;
    orlop.disk().ignore_syncs(unsynced);
    let digest = http.push_artifact("a", "second", b"after").await;
    orlop.kill().await;
    orlop.lose_power(|| false);
    orlop.restart().await;
    is_whole(&orlop.http(), "a", &digest, b"after").await
}

async fn is_whole(http: &Http, repository: &str, digest: &str, layer: &[u8]) -> bool {
    let manifest = http.get(&format!("/v2/{repository}/manifests/{digest}")).await;
    let blob = http.get(&format!("/v2/{repository}/blobs/{}", digest_of(layer))).await;
    if manifest.status() != StatusCode::OK || blob.status() != StatusCode::OK {
        return false;
    }
    header(&manifest, "docker-content-digest") == digest
        && blob.bytes().await.is_ok_and(|content| content == layer)
}

async fn on_faulty_disk() -> Orlop {
    let config = Some("[registry]\nupload_lease_seconds = 1\n".into());
    Orlop::start(Options { faulty_disk: true, config, ..Options::default() }).await
}
