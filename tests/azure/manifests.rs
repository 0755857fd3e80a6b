use serde_json::json;

use crate::az::{Az, REPOSITORY, attributes};
use crate::support::digest_of;
use crate::support::http::{OCI_MANIFEST, expect};

#[tokio::test]
async fn az_lists_and_shows_the_metadata_of_manifests() {
    let Some(az) = Az::begin().await else { return };
    let (index, image) = az.push_index("multi").await;
    let listed =
        az.json(&format!("manifest list-metadata -n {REPOSITORY} --orderby time_asc")).await;
    assert_eq!(listed[0]["digest"], image);
    assert_eq!((&listed[0]["architecture"], &listed[0]["os"]), (&json!("amd64"), &json!("linux")));
    assert_eq!(listed[1]["digest"], index);
    assert_eq!(listed[1]["tags"], json!(["multi"]));

    let shown = az.json(&format!("manifest show-metadata -n {REPOSITORY}@{index}")).await;
    assert_eq!(shown["digest"], index);
    let child = json!([{"digest": image, "architecture": "amd64", "os": "linux"}]);
    assert_eq!(shown["references"], child);
    assert!(shown.get("architecture").is_none(), "{shown}");

    let update = format!("manifest update-metadata -n {REPOSITORY}@{image} --delete-enabled false");
    let updated = az.json(&update).await;
    assert_eq!(updated["changeableAttributes"], attributes(false, true, true, true));
}

#[tokio::test]
async fn az_shows_manifests_byte_for_byte() {
    let Some(az) = Az::begin().await else { return };
    let digest = az.push("1.0").await;
    let shown = az.json(&format!("manifest show -n {REPOSITORY}:1.0")).await;
    assert_eq!(shown["artifactType"], "application/vnd.example.test");
    let raw = az.run(&format!("manifest show -n {REPOSITORY}:1.0 --raw")).await;
    assert_eq!(digest_of(raw.stdout.trim_end_matches('\n')), digest);

    let listed = az.json(&format!("manifest list -n {REPOSITORY}")).await;
    assert_eq!(listed[0]["artifactType"], "application/vnd.example.test");
}

#[tokio::test]
async fn az_lists_referrers_and_tells_that_an_image_is_signed() {
    let Some(az) = Az::begin().await else { return };
    let digest = az.push("1.0").await;
    let kind = "application/vnd.cncf.notary.signature";
    let layer = az.http.push_blob(REPOSITORY, &b"signature"[..]).await;
    let config = az.http.push_blob(REPOSITORY, &b"{}"[..]).await;
    let signature = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": kind, "digest": config, "size": 2},
        "layers": [{"mediaType": "application/jose+json", "digest": layer, "size": 9}],
        "subject": {"mediaType": OCI_MANIFEST, "digest": digest, "size": 1},
    })
    .to_string();
    let reference = digest_of(&signature);
    let answer = az.http.put_manifest(REPOSITORY, &reference, OCI_MANIFEST, signature).await;
    expect(answer, reqwest::StatusCode::CREATED).await;

    let referrers = az.json(&format!("manifest list-referrers -n {REPOSITORY}:1.0")).await;
    assert_eq!(referrers["manifests"][0]["digest"], reference);
    assert_eq!(referrers["manifests"][0]["artifactType"], kind);
    let tag = az.json(&format!("repository show --image {REPOSITORY}:1.0")).await;
    assert_eq!(tag["signed"], true);
}

#[tokio::test]
async fn az_deletes_manifests() {
    let Some(az) = Az::begin().await else { return };
    let one = az.push("1").await;
    let two = az.push("2").await;
    az.run(&format!("manifest delete -n {REPOSITORY}:1 --yes")).await;
    az.run(&format!("manifest delete -n {REPOSITORY}@{two} --yes")).await;
    for digest in [one, two] {
        let path = format!("/v2/{REPOSITORY}/manifests/{digest}");
        assert_eq!(az.http.get(&path).await.status(), 404);
    }
}

#[tokio::test]
async fn az_takes_the_host_of_a_registry_in_the_name_of_an_image() {
    let Some(az) = Az::begin_with_dotted_host().await else { return };
    let digest = az.push("1.0").await;
    let port = az.orlop.url().rsplit_once(':').unwrap().1.to_owned();
    let image = format!("registry.localhost:{port}/{REPOSITORY}");
    for reference in [":1.0".to_owned(), format!("@{digest}")] {
        let shown = az.json(&format!("manifest show-metadata {image}{reference}")).await;
        assert_eq!(shown["digest"], digest);
        let raw = az.run(&format!("manifest show {image}{reference} --raw")).await;
        assert_eq!(digest_of(raw.stdout.trim_end_matches('\n')), digest);
    }
    let locked = format!("manifest update-metadata {image}:1.0 --write-enabled false");
    let locked = az.json(&locked).await;
    assert_eq!(locked["changeableAttributes"], attributes(true, true, true, false));
    let shown = az.json(&format!("repository show --image {REPOSITORY}:1.0")).await;
    assert_eq!(shown["changeableAttributes"], locked["changeableAttributes"]);
    az.json(&format!("manifest update-metadata {image}:1.0 --write-enabled true")).await;
    az.run(&format!("manifest delete {image}@{digest} --yes")).await;
    let listed = az.json(&format!("manifest list-metadata {image}")).await;
    assert_eq!(listed, json!([]));
}
