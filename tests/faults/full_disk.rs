//! The disk of the data folder fills up and is freed again, under a server that goes on.

use std::path::{Path, PathBuf};

use reqwest::{Method, Response, StatusCode};

use super::data;
use super::random::{Random, setting};
use super::support::http::{OCI_INDEX, expect, header, send};
use super::support::{Http, Options, Orlop, digest_of, small_disk, tool};

const MIB: usize = 1 << 20;

#[tokio::test]
async fn a_full_disk_refuses_pushes_and_nothing_else() {
    if let Err(reason) = small_disk::is_possible().await {
        return tool::skip("a small file system", &reason);
    }
    let rounds = setting("ORLOP_TORTURE_FILLS", 8);
    let mut random = Random::start();
    // What is pushed in a round stays: nothing removes the bytes of deleted blobs meanwhile.
    let disk_mib = 32 + 2 * u32::try_from(rounds).expect("there are not that many rounds");
    let options = Options { disk_mib: Some(disk_mib), ..Options::default() };
    let orlop = Orlop::start(options).await;
    let http = orlop.http();
    let manifest = http.push_artifact("kept", "latest", b"layer").await;
    let kept = random.bytes(MIB);
    let blob = http.push_blob("kept", kept.clone()).await;
    let disk = orlop.data_dir_of_process();
    let (mut refused, mut held) = (0, 0);
    for round in 0..rounds {
        let room = *random.pick(&[0, 0, 4 << 10, 40 << 10, 200 << 10, MIB]);
        let filler = fill(&disk, room);
        let mut sessions = Vec::new();
        for _ in 0..4 {
            refused += push_all_ways(&http, &mut random, &mut sessions).await;
        }
        expect(http.head("/v2/").await, StatusCode::OK).await;
        let got = expect(http.get(&format!("/v2/kept/blobs/{blob}")).await, StatusCode::OK).await;
        assert_eq!(got.bytes().await.unwrap(), kept);
        let got = expect(http.get("/v2/kept/manifests/latest").await, StatusCode::OK).await;
        assert_eq!(header(&got, "docker-content-digest"), manifest);

        std::fs::remove_file(&filler).expect("the filler can be removed");
        for session in sessions {
            // One that could not even be given back is held until its lease has run out.
            let status = http.delete(&session).await.status().as_u16();
            assert!([204, 404, 409].contains(&status), "{status}");
            held += usize::from(status == 409);
        }
        let tag = format!("round-{round}");
        http.push_artifact("kept", &tag, format!("layer {round}").as_bytes()).await;
        let large = http.push_blob("kept", random.bytes(MIB / 2)).await;
        expect(http.delete(&format!("/v2/kept/blobs/{large}")).await, StatusCode::ACCEPTED).await;
    }
    let waiting = std::fs::read_dir(disk.join("uploads")).expect("it is there").count();
    assert!(waiting <= held, "bytes of uploads that were refused are still there");
    println!("{rounds} times full, {refused} requests refused, {held} sessions held on");
    assert!(refused >= rounds, "the disk was hardly ever full");
    assert!(!orlop.output().contains("panicked"), "{}", orlop.output());
    data::check_copy(&orlop, &disk).await;
}

/// Leaves `room` bytes, about.
fn fill(disk: &Path, room: usize) -> PathBuf {
    let path = disk.join("filler");
    let mut file = std::fs::File::create(&path).expect("a file can be made");
    let block = vec![0; 4096];
    let mut size = 0;
    while std::io::Write::write_all(&mut file, &block).is_ok() {
        size += block.len();
    }
    let rest = u64::try_from(size.saturating_sub(room)).expect("it fits");
    file.set_len(rest).expect("a file can be shortened");
    path
}

/// Gives how many requests the disk was too full for. Keeps the upload sessions in `sessions`.
async fn push_all_ways(http: &Http, random: &mut Random, sessions: &mut Vec<String>) -> usize {
    let length = 1 + random.below(MIB);
    let content = random.bytes(length);
    let digest = digest_of(&content);
    let path = "/v2/other/blobs/uploads/";

    let single = http.request(Method::POST, path).query(&[("digest", &digest)]);
    let single = send(single.body(content.clone())).await;
    let mut done = vec![is_done(single, StatusCode::CREATED).await];

    let opened = send(http.request(Method::POST, path)).await;
    if opened.status() == StatusCode::ACCEPTED {
        let location = header(&opened, "location");
        let rest = content[length / 2..].to_vec();
        let half = content[..length / 2].to_vec();
        let patched = send(http.request(Method::PATCH, &location).body(half)).await;
        let is_patched = is_done(patched, StatusCode::ACCEPTED).await;
        done.push(is_patched);
        if is_patched {
            let closed = http.finish_upload(&location, &digest, rest).await;
            done.push(is_done(closed, StatusCode::CREATED).await);
        }
        sessions.push(location);
    } else {
        done.push(is_done(opened, StatusCode::ACCEPTED).await);
    }
    if !done.contains(&true) {
        let got = http.get(&format!("/v2/other/blobs/{digest}")).await;
        expect(got, StatusCode::NOT_FOUND).await;
    }

    let text = format!(r#"{{"schemaVersion":2,"manifests":[],"annotations":{{"a":"{digest}"}}}}"#);
    let answer = http.put_manifest("other", &digest_of(&text), OCI_INDEX, text.clone()).await;
    let is_pushed = is_done(answer, StatusCode::CREATED).await;
    let got = http.get(&format!("/v2/other/manifests/{}", digest_of(&text))).await;
    assert_eq!(got.status() == StatusCode::OK, is_pushed);
    done.push(is_pushed);
    done.iter().filter(|is_done| !**is_done).count()
}

/// Whether this was done, as its status says, or the disk was too full for it.
async fn is_done(answer: Response, status: StatusCode) -> bool {
    if answer.status() == status {
        return true;
    }
    let answer = expect(answer, StatusCode::INSUFFICIENT_STORAGE).await;
    assert!(header(&answer, "retry-after").parse::<u32>().is_ok());
    false
}
