//! crane knows by itself that a registry on the loopback speaks plain HTTP.

use serde_json::json;

use crate::image::{Image, tar};
use crate::support::{ADMIN, Options, Orlop, PASSWORD, Tool, Workspace, digest_of};

struct Story {
    workspace: Workspace,
    crane: Tool,
    host: String,
    _server: Orlop,
}

impl Story {
    /// A signed-in crane, with `samples/image:1.0` made of one layer.
    async fn begin() -> Option<Self> {
        let workspace = Workspace::new();
        let crane = workspace.tool("crane")?;
        let server = Orlop::start(Options::default()).await;
        let host = server.host();
        workspace.write("layer.tar", tar("hello.txt", b"hello image\n"));
        crane.run(format!("auth login {host} -u {ADMIN} -p {PASSWORD}")).await;
        crane.run(format!("append -f layer.tar -t {host}/samples/image:1.0")).await;
        Some(Self { workspace, crane, host, _server: server })
    }

    async fn digest(&self, reference: &str) -> String {
        self.crane.run(format!("digest {}/{reference}", self.host)).await.text().to_owned()
    }
}

#[tokio::test]
async fn crane_is_refused_without_signing_in() {
    let workspace = Workspace::new();
    let Some(crane) = workspace.tool("crane") else { return };
    let server = Orlop::start(Options::default()).await;
    let said = crane.refused(format!("catalog {}", server.host())).await;
    assert!(said.stderr.contains("UNAUTHORIZED"), "{}", said.stderr);
}

#[tokio::test]
async fn crane_appends_and_pulls_a_layer() {
    let Some(story) = Story::begin().await else { return };
    let Story { workspace, crane, host, .. } = &story;

    crane.run(format!("validate --remote {host}/samples/image:1.0")).await;
    let manifest = crane.run(format!("manifest {host}/samples/image:1.0")).await;
    assert_eq!(digest_of(&manifest.stdout), story.digest("samples/image:1.0").await);
    crane.run(format!("export {host}/samples/image:1.0 files.tar")).await;
    let files = workspace.read("files.tar");
    assert!(files.windows(12).any(|bytes| bytes == b"hello image\n"));
}

#[tokio::test]
async fn crane_pushes_and_pulls_layouts_and_archives() {
    let Some(story) = Story::begin().await else { return };
    let Story { workspace, crane, host, .. } = &story;
    let image = Image::write(workspace, "layout", "1.0", tar("by-hand.txt", b"by hand\n"));

    crane.run(format!("push layout {host}/samples/layout:1.0")).await;
    assert_eq!(story.digest("samples/layout:1.0").await, image.manifest_digest);
    crane.run(format!("pull --format oci {host}/samples/layout:1.0 pulled")).await;
    let hex = image.layer_digest.strip_prefix("sha256:").expect("the digest is SHA-256");
    assert_eq!(workspace.read(&format!("pulled/blobs/sha256/{hex}")), image.layer);
    let config = crane.run(format!("config {host}/samples/layout:1.0")).await;
    assert_eq!(digest_of(&config.stdout), image.config_digest);

    crane.run(format!("pull {host}/samples/image:1.0 image.tar")).await;
    crane.run(format!("push image.tar {host}/samples/archive:1.0")).await;
    crane.run(format!("validate --remote {host}/samples/archive:1.0")).await;
}

#[tokio::test]
async fn crane_copies_tags_lists_and_deletes() {
    let Some(story) = Story::begin().await else { return };
    let Story { crane, host, .. } = &story;
    let digest = story.digest("samples/image:1.0").await;

    crane.run(format!("copy {host}/samples/image:1.0 {host}/mirror/image:1.0")).await;
    assert_eq!(story.digest("mirror/image:1.0").await, digest);
    crane.run(format!("tag {host}/mirror/image:1.0 latest")).await;
    let tags = crane.run(format!("ls {host}/mirror/image")).await;
    assert_eq!(tags.lines(), ["1.0", "latest"]);
    let repositories = crane.run(format!("catalog {host}")).await;
    assert_eq!(repositories.lines(), ["mirror/image", "samples/image"]);

    crane.run(format!("delete {host}/mirror/image@{digest}")).await;
    let said = crane.refused(format!("digest {host}/mirror/image:latest")).await;
    assert!(said.stderr.contains("404"), "{}", said.stderr);
    assert_eq!(story.digest("samples/image:1.0").await, digest);
}

#[tokio::test]
async fn crane_makes_an_index_and_changes_an_image() {
    let Some(story) = Story::begin().await else { return };
    let Story { crane, host, .. } = &story;
    let image = format!("{host}/samples/image");

    crane.run(format!("mutate {image}:1.0 --label made=by-crane -t {image}:labelled")).await;
    let config = crane.run(format!("config {image}:labelled")).await.json();
    assert_eq!(config["config"]["Labels"], json!({"made": "by-crane"}));

    let parts = format!("-m {image}:1.0 -m {image}:labelled");
    crane.run(format!("index append {parts} -t {image}:index")).await;
    let index = crane.run(format!("manifest {image}:index")).await.json();
    let digests: Vec<_> = index["manifests"]
        .as_array()
        .expect("an index lists manifests")
        .iter()
        .map(|child| child["digest"].clone())
        .collect();
    let parts =
        [story.digest("samples/image:1.0").await, story.digest("samples/image:labelled").await];
    assert_eq!(digests, parts);
    crane.run(format!("copy {image}:index {host}/mirror/index:1.0")).await;
    assert_eq!(story.digest("mirror/index:1.0").await, story.digest("samples/image:index").await);
}
