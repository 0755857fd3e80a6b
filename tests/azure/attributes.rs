use serde_json::{Value, json};

use crate::az::{Az, REPOSITORY, attributes};
use crate::support::http::{expect, send};

const FLAGS: [(&str, &str); 4] = [
    ("delete", "deleteEnabled"),
    ("list", "listEnabled"),
    ("read", "readEnabled"),
    ("write", "writeEnabled"),
];

/// Turns each attribute off and on again.
async fn change_each(az: &Az, target: &str) {
    for (flag, attribute) in FLAGS {
        let update = format!("repository update {target} --{flag}-enabled");
        let off = az.json(&format!("{update} false")).await;
        let mut expected = attributes(true, true, true, true);
        expected[attribute] = json!(false);
        assert_eq!(off["changeableAttributes"], expected, "{target} {flag}");
        let on = az.json(&format!("{update} true")).await;
        assert_eq!(on["changeableAttributes"], attributes(true, true, true, true));
    }
}

#[tokio::test]
async fn az_changes_each_attribute_of_a_repository() {
    let Some(az) = Az::begin().await else { return };
    az.push("1.0").await;
    change_each(&az, &format!("--repository {REPOSITORY}")).await;
    // Without a flag, it asks with GET and a body.
    let shown = az.json(&format!("repository update --repository {REPOSITORY}")).await;
    assert_eq!(shown["changeableAttributes"], attributes(true, true, true, true));
}

#[tokio::test]
async fn az_changes_each_attribute_of_a_tag() {
    let Some(az) = Az::begin().await else { return };
    az.push("1.0").await;
    change_each(&az, &format!("--image {REPOSITORY}:1.0")).await;
}

#[tokio::test]
async fn az_changes_each_attribute_of_a_manifest() {
    let Some(az) = Az::begin().await else { return };
    let digest = az.push("1.0").await;
    change_each(&az, &format!("--image {REPOSITORY}@{digest}")).await;
}

#[tokio::test]
async fn az_is_told_why_something_locked_stays() {
    let Some(az) = Az::begin().await else { return };
    let digest = az.push("1.0").await;
    let lock = "--write-enabled false --delete-enabled false";
    az.run(&format!("repository update --image {REPOSITORY}:1.0 {lock}")).await;
    for command in [
        format!("repository untag --image {REPOSITORY}:1.0"),
        format!("repository delete --image {REPOSITORY}:1.0 --yes"),
        format!("repository delete --image {REPOSITORY}@{digest} --yes"),
        format!("repository delete --repository {REPOSITORY} --yes"),
    ] {
        let said = az.refused(&command).await;
        assert!(said.contains("The operation is disallowed"), "{said}");
        assert!(said.contains(&format!("tag {REPOSITORY}:1.0 is locked")), "{said}");
        assert!(said.contains("Correlation ID: "), "{said}");
    }
    az.run(&format!("repository update --image {REPOSITORY}:1.0 --write-enabled true")).await;
    az.refused(&format!("repository untag --image {REPOSITORY}:1.0")).await;
    az.run(&format!("repository update --image {REPOSITORY}:1.0 --delete-enabled true")).await;
    az.run(&format!("repository untag --image {REPOSITORY}:1.0")).await;
}

#[tokio::test]
async fn az_leaves_out_of_its_lists_what_is_not_to_be_listed() {
    let Some(az) = Az::begin().await else { return };
    let digest = az.push("1.0").await;
    let hide = "--list-enabled false";
    az.run(&format!("repository update --image {REPOSITORY}:1.0 {hide}")).await;
    let tags = az.json(&format!("repository show-tags --repository {REPOSITORY}")).await;
    assert_eq!(tags, json!([]));
    az.run(&format!("repository update --image {REPOSITORY}@{digest} {hide}")).await;
    let manifests = az.json(&format!("manifest list-metadata -n {REPOSITORY}")).await;
    assert_eq!(manifests, json!([]));
    az.run(&format!("repository update --repository {REPOSITORY} {hide}")).await;
    assert_eq!(az.json("repository list").await, json!([]));
    let tag: Value = az.json(&format!("repository show --image {REPOSITORY}:1.0")).await;
    assert_eq!(tag["digest"], digest);
}

#[tokio::test]
async fn az_is_told_what_it_has_no_right_to() {
    const SECRET: &str = "correct-horse-battery";
    let Some(az) = Az::begin().await else { return };
    az.push("1.0").await;
    for (path, body) in [
        ("/api/v1/users", json!({"name": "reader", "password": SECRET})),
        (
            "/api/v1/assignments",
            json!({"identity": "reader", "role": "Reader", "repositories": "samples/*"}),
        ),
    ] {
        let request = az.http.request(reqwest::Method::POST, path).json(&body);
        expect(send(request).await, reqwest::StatusCode::CREATED).await;
    }
    let image = format!("--image {REPOSITORY}:1.0");
    let shown = az.json_as("reader", SECRET, &format!("repository show {image}")).await;
    assert_eq!(shown["name"], "1.0");
    for command in [
        format!("repository update {image} --write-enabled false"),
        format!("repository untag {image}"),
        format!("repository delete --repository {REPOSITORY} --yes"),
        "repository show --repository other".to_owned(),
    ] {
        let said = az.refused_as("reader", SECRET, &command).await;
        assert!(said.contains("authentication required"), "{command}: {said}");
    }
    let wrong = az.refused_as("reader", "wrong", &format!("repository show {image}")).await;
    assert!(wrong.contains("was denied. Response code: 401"), "{wrong}");
}
