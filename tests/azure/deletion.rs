use serde_json::json;

use crate::az::{Az, REPOSITORY, fields};

async fn status(az: &Az, reference: &str) -> u16 {
    let path = format!("/v2/{REPOSITORY}/manifests/{reference}");
    az.http.get(&path).await.status().as_u16()
}

#[tokio::test]
async fn az_untags_and_the_manifest_stays() {
    let Some(az) = Az::begin().await else { return };
    let digest = az.push("1.0").await;
    az.run(&format!("repository untag --image {REPOSITORY}:1.0")).await;
    assert_eq!(status(&az, "1.0").await, 404);
    assert_eq!(status(&az, &digest).await, 200);
    let shown = az.json(&format!("repository show --image {REPOSITORY}@{digest}")).await;
    assert!(shown.get("tags").is_none(), "{shown}");
    let absent = az.refused(&format!("repository untag --image {REPOSITORY}:1.0")).await;
    assert!(absent.contains("the specified tag does not exist"), "{absent}");
}

#[tokio::test]
async fn az_deletes_an_image_with_all_its_tags() {
    let Some(az) = Az::begin().await else { return };
    let digest = az.push("1.0").await;
    let path = format!("/v2/{REPOSITORY}/manifests/{digest}");
    let manifest = az.http.get(&path).await.text().await.unwrap();
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    az.http.put_manifest(REPOSITORY, "latest", media_type, manifest).await;
    az.run(&format!("repository delete --image {REPOSITORY}:latest --yes")).await;
    for reference in ["1.0", "latest", &digest] {
        assert_eq!(status(&az, reference).await, 404, "{reference}");
    }
}

#[tokio::test]
async fn az_deletes_a_repository_and_tells_what_was_in_it() {
    let Some(az) = Az::begin().await else { return };
    let digest = az.push("1.0").await;
    let deleted = az.json(&format!("repository delete --repository {REPOSITORY} --yes")).await;
    assert_eq!(deleted, json!({"manifestsDeleted": [digest], "tagsDeleted": ["1.0"]}));
    assert_eq!(az.json("repository list").await, json!([]));
    let listed = az.json("repository list-deleted").await;
    assert_eq!(fields(&listed[0]), ["createdAt", "deletedAt", "repository"]);
    assert_eq!(listed[0]["repository"], REPOSITORY);
}

#[tokio::test]
async fn az_restores_what_was_deleted() {
    let Some(az) = Az::begin().await else { return };
    let digest = az.push("1.0").await;
    az.run(&format!("repository delete --repository {REPOSITORY} --yes")).await;
    let restored = az.json(&format!("manifest restore -n {REPOSITORY}:1.0 --yes")).await;
    assert_eq!(restored["manifest"]["digest"], digest);
    assert_eq!(restored["manifest"]["tags"], json!(["1.0"]));
    assert_eq!(status(&az, "1.0").await, 200);

    // The tag is given again meanwhile.
    az.run(&format!("repository delete --image {REPOSITORY}:1.0 --yes")).await;
    let other = az.push("other").await;
    let path = format!("/v2/{REPOSITORY}/manifests/{other}");
    let manifest = az.http.get(&path).await.text().await.unwrap();
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    az.http.put_manifest(REPOSITORY, "1.0", media_type, manifest).await;
    let restore = format!("manifest restore -n {REPOSITORY}:1.0 -d {digest} --yes");
    let refused = az.refused(&restore).await;
    assert!(refused.contains("restore with force"), "{refused}");
    az.run(&format!("{restore} --force")).await;
    let shown = az.json(&format!("repository show --image {REPOSITORY}:1.0")).await;
    assert_eq!(shown["digest"], digest);
}
