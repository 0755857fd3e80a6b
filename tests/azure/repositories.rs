use serde_json::json;

use crate::az::{Az, REPOSITORY, attributes, fields};
use crate::support::http::json_of;

#[tokio::test]
async fn az_lists_and_shows_repositories() {
    let Some(az) = Az::begin().await else { return };
    for repository in ["a", "b/c", "d"] {
        az.http.push_artifact(repository, "1.0", b"text").await;
    }
    assert_eq!(az.json("repository list").await, json!(["a", "b/c", "d"]));
    assert_eq!(az.json("repository list --top 2").await, json!(["a", "b/c"]));

    let shown = az.json("repository show --repository b/c").await;
    assert_eq!(shown["imageName"], "b/c");
    assert_eq!(
        shown["registry"],
        format!("localhost:{}", az.orlop.url().rsplit_once(':').unwrap().1)
    );
    assert_eq!(shown["manifestCount"], 1);
    assert_eq!(shown["tagCount"], 1);
    assert_eq!(shown["changeableAttributes"], attributes(true, true, true, true));
    let absent = az.refused("repository show --repository absent").await;
    assert!(absent.contains("repository name not known to registry"), "{absent}");
}

#[tokio::test]
async fn az_shows_an_image_by_tag_and_by_digest() {
    let Some(az) = Az::begin().await else { return };
    let digest = az.push("1.0").await;

    let tag = az.json(&format!("repository show --image {REPOSITORY}:1.0")).await;
    let names =
        ["changeableAttributes", "createdTime", "digest", "lastUpdateTime", "name", "signed"];
    assert_eq!(fields(&tag), names);
    let names = ["deleteEnabled", "listEnabled", "readEnabled", "writeEnabled"];
    assert_eq!(fields(&tag["changeableAttributes"]), names);
    assert_eq!(tag["digest"], digest);
    assert_eq!(tag["name"], "1.0");
    assert_eq!(tag["signed"], false);
    let time = tag["createdTime"].as_str().unwrap();
    assert_eq!((time.len(), &time[27..]), ("2026-11-23T18:10:23.7660472Z".len(), "Z"), "{time}");

    let manifest = az.json(&format!("repository show --image {REPOSITORY}@{digest}")).await;
    assert_eq!(manifest["digest"], digest);
    assert_eq!(manifest["tags"], json!(["1.0"]));
    assert_eq!(manifest["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    assert_eq!(manifest["configMediaType"], "application/vnd.oci.empty.v1+json");

    let absent = az.refused(&format!("repository show --image {REPOSITORY}:absent")).await;
    assert!(absent.contains("the specified tag does not exist"), "{absent}");
}

#[tokio::test]
async fn az_lists_tags_in_every_order_over_several_pages() {
    let Some(az) = Az::begin().await else { return };
    let pushed = ["3", "1", "2"];
    for tag in pushed {
        az.push(tag).await;
    }
    let list = format!("repository show-tags --repository {REPOSITORY}");
    assert_eq!(az.json(&list).await, json!(["1", "2", "3"]));
    assert_eq!(az.json(&format!("{list} --orderby time_asc")).await, json!(["3", "1", "2"]));
    assert_eq!(az.json(&format!("{list} --orderby time_desc")).await, json!(["2", "1", "3"]));
    let detail = az.json(&format!("{list} --detail --orderby time_desc --top 2")).await;
    assert_eq!(detail.as_array().unwrap().len(), 2);
    assert_eq!((&detail[0]["name"], &detail[1]["name"]), (&json!("2"), &json!("1")));
    assert_eq!(detail[0]["changeableAttributes"], attributes(true, true, true, true));

    // More than the hundred that az asks for at once.
    let digest = az.push("1").await;
    let path = format!("/v2/{REPOSITORY}/manifests/{digest}");
    let manifest = az.http.get(&path).await.text().await.unwrap();
    for start in [100, 200] {
        let tags = (start..start + 100).map(|n| format!("tag=t{n}")).collect::<Vec<_>>().join("&");
        let reference = format!("{digest}?{tags}");
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        let answer =
            az.http.put_manifest(REPOSITORY, &reference, media_type, manifest.clone()).await;
        assert_eq!(answer.status(), 201, "{}", json_of(answer).await);
    }
    for order in ["", " --orderby time_asc", " --orderby time_desc"] {
        let listed = az.json(&format!("{list}{order}")).await;
        let mut names: Vec<_> =
            listed.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 203, "{order}");
    }
}

#[tokio::test]
async fn az_lists_manifests_of_a_repository() {
    let Some(az) = Az::begin().await else { return };
    let one = az.push("1").await;
    let two = az.push("2").await;
    let list = format!("repository show-manifests --repository {REPOSITORY}");
    let listed = az.json(&format!("{list} --orderby time_desc")).await;
    assert_eq!(listed[0]["digest"], two);
    assert_eq!(listed[0]["tags"], json!(["2"]));
    assert_eq!(listed[1]["digest"], one);
    let detail = az.json(&format!("{list} --detail --orderby time_asc --top 1")).await;
    assert_eq!(detail.as_array().unwrap().len(), 1);
    assert_eq!(detail[0]["digest"], one);
    assert!(detail[0]["imageSize"].as_u64().unwrap() > 3, "{detail}");
}
