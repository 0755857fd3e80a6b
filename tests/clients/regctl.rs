use crate::image::{Image, tar};
use crate::support::{ADMIN, Options, Orlop, PASSWORD, Tool, Workspace, digest_of};

struct Story {
    workspace: Workspace,
    regctl: Tool,
    host: String,
    image: Image,
    server: Orlop,
}

impl Story {
    /// A signed-in regctl, with the image of the layout `layout:1.0` pushed as `samples/image:1.0`.
    async fn begin() -> Option<Self> {
        let workspace = Workspace::new();
        let regctl = workspace.tool("regctl")?;
        let regctl = regctl.env("REGCTL_CONFIG", workspace.path("regctl.json").to_string_lossy());
        let server = Orlop::start(Options::default()).await;
        let host = server.host();
        let image = Image::write(&workspace, "layout", "1.0", tar("hello.txt", b"hello image\n"));
        regctl.run(format!("registry set --skip-check --tls disabled {host}")).await;
        regctl.run(format!("registry login {host} --user {ADMIN} --pass {PASSWORD}")).await;
        regctl.run(format!("image copy ocidir://layout:1.0 {host}/samples/image:1.0")).await;
        Some(Self { workspace, regctl, host, image, server })
    }
}

#[tokio::test]
async fn regctl_is_refused_with_a_wrong_password() {
    let workspace = Workspace::new();
    let Some(regctl) = workspace.tool("regctl") else { return };
    let regctl = regctl.env("REGCTL_CONFIG", workspace.path("regctl.json").to_string_lossy());
    let server = Orlop::start(Options::default()).await;
    let host = server.host();
    regctl.run(format!("registry set --skip-check --tls disabled {host}")).await;
    let login = format!("registry login {host} --user {ADMIN} --pass wrong");
    let said = regctl.refused(login).await;
    assert!(said.stderr.to_lowercase().contains("unauthorized"), "{}", said.stderr);
}

#[tokio::test]
async fn regctl_copies_an_image_in_across_and_out() {
    let Some(story) = Story::begin().await else { return };
    let Story { workspace, regctl, host, image, .. } = &story;
    let digest = regctl.run(format!("image digest {host}/samples/image:1.0")).await;
    assert_eq!(digest.text(), image.manifest_digest);
    regctl.run(format!("image copy {host}/samples/image:1.0 {host}/mirror/image:1.0")).await;
    let format = "--format raw-body";
    let manifest = regctl.run(format!("manifest get {format} {host}/mirror/image:1.0")).await;
    assert_eq!(digest_of(&manifest.stdout), image.manifest_digest);

    regctl.run(format!("image copy {host}/mirror/image:1.0 ocidir://out:1.0")).await;
    let hex = image.layer_digest.strip_prefix("sha256:").expect("the digest is SHA-256");
    assert_eq!(workspace.read(&format!("out/blobs/sha256/{hex}")), image.layer);
}

#[tokio::test]
async fn regctl_lists_and_deletes() {
    let Some(story) = Story::begin().await else { return };
    let Story { regctl, host, image, .. } = &story;
    let repository = format!("{host}/samples/image");
    regctl.run(format!("image copy {repository}:1.0 {repository}:2.0")).await;
    assert_eq!(regctl.run(format!("tag ls {repository}")).await.lines(), ["1.0", "2.0"]);
    assert_eq!(regctl.run(format!("repo ls {host}")).await.lines(), ["samples/image"]);

    // Only the tag goes; the manifest and its other tag stay.
    regctl.run(format!("tag delete {repository}:1.0")).await;
    assert_eq!(regctl.run(format!("tag ls {repository}")).await.lines(), ["2.0"]);
    let digest = regctl.run(format!("image digest {repository}:2.0")).await;
    assert_eq!(digest.text(), image.manifest_digest);

    regctl.run(format!("manifest delete {repository}@{}", image.manifest_digest)).await;
    regctl.refused(format!("manifest head {repository}:2.0")).await;
}

#[tokio::test]
async fn regctl_puts_and_gets_blobs_whole_and_in_chunks() {
    let Some(story) = Story::begin().await else { return };
    let Story { regctl, host, .. } = &story;
    let repository = format!("{host}/samples/image");
    let content: String = ('a'..='z').cycle().take(1_000_000).collect();
    let put = format!("blob put {repository}");
    let put_whole = regctl.run_with_input(&put, &content[..600_000]).await;
    assert_eq!(put_whole.text(), digest_of(&content[..600_000]));

    // Content above the maximum is sent in pieces with Content-Range.
    let limits = "--blob-chunk 100000 --blob-max 200000";
    regctl.run(format!("registry set --skip-check {limits} {host}")).await;
    let put_in_chunks = regctl.run_with_input(&put, &content).await;
    assert_eq!(put_in_chunks.text(), digest_of(&content));
    let got = regctl.run(format!("blob get {repository} {}", digest_of(&content))).await;
    assert_eq!(got.stdout, content);
}

#[tokio::test]
async fn regctl_puts_artifacts_and_finds_them_as_referrers() {
    let Some(story) = Story::begin().await else { return };
    let Story { workspace, regctl, host, image, server, .. } = &story;
    let repository = format!("{host}/samples/image");
    workspace.write("notes.txt", "notes of this release\n");
    let put = "artifact put --artifact-type application/vnd.example.notes --file notes.txt";
    regctl.run(format!("{put} --subject {repository}:1.0")).await;
    regctl.run(format!("{put} {repository}:notes")).await;

    let got = regctl.run(format!("artifact get {repository}:notes")).await;
    assert_eq!(got.stdout, "notes of this release\n");
    let list = format!("artifact list {repository}:1.0 --format raw-body");
    let list = regctl.run(list).await.json();
    let path = format!("/v2/samples/image/referrers/{}", image.manifest_digest);
    let answer = server.http().get(&path).await;
    let referrers = crate::support::http::json_of(answer).await;
    assert_eq!(list["manifests"], referrers["manifests"]);
    assert_eq!(list["manifests"][0]["artifactType"], "application/vnd.example.notes");
    let got = regctl.run(format!("artifact get --subject {repository}:1.0")).await;
    assert_eq!(got.stdout, "notes of this release\n");
}
