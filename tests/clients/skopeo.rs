use crate::image::{Image, tar};
use crate::support::{ADMIN, Options, Orlop, PASSWORD, Tool, Workspace};

struct Story {
    server: Orlop,
    workspace: Workspace,
    skopeo: Tool,
    image: Image,
}

impl Story {
    /// A signed-in skopeo, with the image of the layout `layout:1.0` pushed as `samples/image:1.0`.
    async fn begin() -> Option<Self> {
        let workspace = Workspace::new();
        let skopeo = workspace.tool("skopeo")?;
        let server = Orlop::start(Options::default()).await;
        let host = server.host();
        let image = Image::write(&workspace, "layout", "1.0", tar("hello.txt", b"hello image\n"));
        skopeo.run(format!("login --tls-verify=false -u {ADMIN} -p {PASSWORD} {host}")).await;
        let copy = "--insecure-policy copy --preserve-digests --dest-tls-verify=false";
        skopeo.run(format!("{copy} oci:layout:1.0 docker://{host}/samples/image:1.0")).await;
        Some(Self { server, workspace, skopeo, image })
    }
}

#[tokio::test]
async fn skopeo_is_refused_with_a_wrong_password() {
    let workspace = Workspace::new();
    let Some(skopeo) = workspace.tool("skopeo") else { return };
    let server = Orlop::start(Options::default()).await;
    let login = format!("login --tls-verify=false -u {ADMIN} -p wrong {}", server.host());
    let said = skopeo.refused(login).await;
    assert!(said.stderr.contains("invalid username/password"), "{}", said.stderr);
}

#[tokio::test]
async fn skopeo_copies_an_image_in_and_out_unchanged() {
    let Some(story) = Story::begin().await else { return };
    let Story { server, workspace, skopeo, image, .. } = &story;
    let source = format!("docker://{}/samples/image:1.0", server.host());

    let inspected = skopeo.run(format!("inspect --tls-verify=false {source}")).await.json();
    assert_eq!(inspected["Digest"], image.manifest_digest);
    assert_eq!(inspected["Layers"][0], image.layer_digest);
    assert_eq!(inspected["Labels"]["made"], "by hand");

    let copy = "--insecure-policy copy --preserve-digests --src-tls-verify=false";
    skopeo.run(format!("{copy} {source} dir:out")).await;
    let hex = image.layer_digest.strip_prefix("sha256:").expect("the digest is SHA-256");
    assert_eq!(workspace.read(&format!("out/{hex}")), image.layer);

    skopeo.run(format!("{copy} {source} oci:again:1.0")).await;
    let digest = workspace.json("again/index.json")["manifests"][0]["digest"].clone();
    assert_eq!(digest, image.manifest_digest);
}

#[tokio::test]
async fn skopeo_copies_across_repositories() {
    let Some(story) = Story::begin().await else { return };
    let Story { server, skopeo, image, .. } = &story;
    let host = server.host();
    let copy = "--insecure-policy copy --preserve-digests --src-tls-verify=false \
                --dest-tls-verify=false";
    let to = format!("docker://{host}/elsewhere/deep/image:copied");
    skopeo.run(format!("{copy} docker://{host}/samples/image:1.0 {to}")).await;
    let inspected = skopeo.run(format!("inspect --tls-verify=false {to}")).await.json();
    assert_eq!(inspected["Digest"], image.manifest_digest);
}

#[tokio::test]
async fn skopeo_lists_and_deletes() {
    let Some(story) = Story::begin().await else { return };
    let Story { server, skopeo, .. } = &story;
    let repository = format!("docker://{}/samples/image", server.host());
    let copy = "--insecure-policy copy --preserve-digests --dest-tls-verify=false";
    skopeo.run(format!("{copy} oci:layout:1.0 {repository}:2.0")).await;

    let listed = skopeo.run(format!("list-tags --tls-verify=false {repository}")).await.json();
    assert_eq!(listed["Tags"], serde_json::json!(["1.0", "2.0"]));

    // Deletes the manifest, and so both tags.
    skopeo.run(format!("delete --tls-verify=false {repository}:1.0")).await;
    for tag in ["1.0", "2.0"] {
        let said = skopeo.refused(format!("inspect --tls-verify=false {repository}:{tag}")).await;
        assert!(said.stderr.contains("manifest unknown"), "{}", said.stderr);
    }
}

#[tokio::test]
async fn skopeo_pushes_docker_schema_2() {
    let Some(story) = Story::begin().await else { return };
    let Story { server, workspace, skopeo, .. } = &story;
    let image = format!("docker://{}/samples/docker:1.0", server.host());
    let copy = "--insecure-policy copy --format v2s2 --dest-tls-verify=false";
    skopeo.run(format!("{copy} oci:layout:1.0 {image}")).await;

    let manifest = skopeo.run(format!("inspect --raw --tls-verify=false {image}")).await.json();
    assert_eq!(manifest["mediaType"], "application/vnd.docker.distribution.manifest.v2+json");
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.docker.container.image.v1+json");
    skopeo.run(format!("--insecure-policy copy --src-tls-verify=false {image} dir:out")).await;
    assert_eq!(workspace.json("out/manifest.json"), manifest);
}
