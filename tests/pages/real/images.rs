//! An image for two platforms, made by crane, pulled as the page says.

use super::{Story, holds, rows, short, within};
use crate::samples::archive;
use crate::support::{Tool, digest_of};

/// Pushes an image of two layers for each platform, and the index of both.
async fn push(story: &Story, crane: &Tool, base: &[u8], own: &[(&str, Vec<u8>)]) {
    let repository = format!("{}/team/shop", story.host);
    story.workspace.write("base.tar.gz", base);
    let mut parts = String::new();
    for (architecture, layer) in own {
        let file = format!("own-{architecture}.tar.gz");
        story.workspace.write(&file, layer);
        let tag = format!("{repository}:1.0-{architecture}");
        crane.run(format!("append --oci-empty-base -f base.tar.gz -f {file} -t {tag}")).await;
        let config = "--entrypoint /app/server,--now --env MODE=shop --label made=by-crane";
        let platform = format!("--set-platform linux/{architecture}");
        crane.run(format!("mutate {tag} {platform} {config} -t {tag}")).await;
        parts += &format!(" -m {tag}");
    }
    crane.run(format!("index append{parts} -t {repository}:1.0")).await;
}

#[tokio::test]
async fn an_image_for_two_platforms_is_shown_and_pulled() {
    let Some(story) = Story::begin().await else { return };
    let Some(crane) = story.workspace.tool("crane") else { return };
    let host = &story.host;
    let base = archive(&[("etc/passwd", b"root"), ("usr/bin/tool", b"a tool")]);
    let own = ["amd64", "arm64"]
        .map(|name| (name, archive(&[("app/server", name.as_bytes()), ("app/.wh.old", b"")])));
    push(&story, &crane, &base, &own).await;

    let digest = story.digest("team/shop:1.0").await;
    let amd64 = story.digest("team/shop:1.0-amd64").await;
    let arm64 = story.digest("team/shop:1.0-arm64").await;
    let layer = within("team/shop", "layers", &digest_of(&own[1].1));
    let seen = story
        .look(&[
            ("real-image-repository", "/r/team/shop".into()),
            ("real-image-index", within("team/shop", "manifests", "1.0")),
            ("real-image", within("team/shop", "manifests", &arm64)),
            ("real-image-files", layer.clone()),
        ])
        .await;
    let listed = rows(&seen["real-image-repository"], 3);
    let expected = [
        ["1.0", "Multi-platform", "linux/amd64, linux/arm64"],
        ["1.0-arm64", "Image", "linux/arm64"],
        ["1.0-amd64", "Image", "linux/amd64"],
    ];
    assert_eq!(listed, expected);
    let index = &seen["real-image-index"];
    assert_eq!(index["heading"], "1.0 Multi-platform");
    let platforms: Vec<_> =
        rows(index, 4).into_iter().map(|row| (row[0], row[1], row[3])).collect();
    let expected =
        [("linux/amd64", "Image", short(&amd64)), ("linux/arm64", "Image", short(&arm64))];
    assert_eq!(platforms, expected);
    assert_eq!(index["links"]["linux/arm64"], within("team/shop", "manifests", &arm64));
    let image = &seen["real-image"];
    let keys = [
        ("Platform", "linux/arm64"),
        ("Entry point", "/app/server --now"),
        ("MODE", "shop"),
        ("made", "by-crane"),
    ];
    for (key, value) in keys {
        assert_eq!(image["keys"][key], value, "{key}");
    }
    let size = format!("{} B", base.len());
    assert_eq!(rows(image, 4)[0][1], size);
    // The first layer is of both images, the second is not.
    assert!(rows(image, 4)[0][3].contains("1.0-amd64"), "{image}");
    assert_eq!(rows(image, 4)[1][3], "");
    let files = &seen["real-image-files"];
    assert_eq!(rows(files, 3)[0], ["-rwxr-xr-x", "app/server", "5 B"]);
    holds(files, "removes");

    let commands = &index["commands"];
    // There is no engine here; crane takes the same reference.
    let reference = format!("{host}/team/shop:1.0");
    assert_eq!(commands["docker"], format!("docker pull {reference}"));
    crane.run(format!("pull --format oci {reference} pulled")).await;
    story.layout_names("pulled", &digest);
    story.run(&commands["oras"]).await;
    story.layout_names("shop", &digest);
    pull_as_podman(&story, commands["podman"].as_str().unwrap()).await;
}

/// Runs podman's command with buildah, which shares what pulls with it and takes the same arguments.
async fn pull_as_podman(story: &Story, command: &str) {
    let workspace = &story.workspace;
    let Some(buildah) = workspace.tool("buildah") else { return };
    workspace.write("policy.json", r#"{"default": [{"type": "insecureAcceptAnything"}]}"#);
    workspace.write("registries.conf", "");
    let path = |name| workspace.path(name).display().to_string();
    let store = format!("--root {} --runroot {} --storage-driver vfs", path("store"), path("run"));
    let buildah = buildah
        .env("BUILDAH_ISOLATION", "chroot")
        .env("CONTAINERS_REGISTRIES_CONF", path("registries.conf"));
    let probe = buildah.attempt(&format!("{store} info"), b"").await;
    if !probe.succeeded {
        return buildah.skip(&format!("it cannot work for this user: {}", probe.stderr.trim()));
    }
    let arguments = command.strip_prefix("podman pull ").unwrap();
    let reference = arguments.split(' ').next_back().unwrap();
    let login = format!("login --tls-verify=false -u {} -p {}", super::ADMIN, super::PASSWORD);
    buildah.run(format!("{login} {}", story.host)).await;
    let policy = format!("--signature-policy {}", path("policy.json"));
    buildah.run(format!("{store} pull {policy} {arguments}")).await;
    let pulled = buildah.run(format!("{store} inspect --type image {reference}")).await.json();
    assert_eq!(pulled["OCIv1"]["config"]["Labels"]["made"], "by-crane");
}
