//! Signatures with a key of our own, without any service of Sigstore.

use serde_json::{Value, json};

use crate::image::{Image, tar};
use crate::support::http::json_of;
use crate::support::{ADMIN, Http, Options, Orlop, PASSWORD, Tool, Workspace};

struct Story {
    cosign: Tool,
    /// `HOST/samples/image@DIGEST`
    image: String,
    digest: String,
    http: Http,
    _server: Orlop,
    _workspace: Workspace,
}

impl Story {
    /// A signed-in cosign with two key pairs, and an image to sign.
    async fn begin() -> Option<Self> {
        let workspace = Workspace::new();
        let cosign = workspace.tool("cosign")?.env("COSIGN_PASSWORD", "");
        let crane = workspace.tool("crane")?;
        let server = Orlop::start(Options::default()).await;
        let host = server.host();
        let layer = tar("hello.txt", b"hello image\n");
        let digest = Image::write(&workspace, "layout", "1.0", layer).manifest_digest;

        cosign.run(format!("login {host} -u {ADMIN} -p {PASSWORD}")).await;
        crane.run(format!("push layout {host}/samples/image:1.0")).await;
        cosign.run("generate-key-pair").await;
        cosign.run("generate-key-pair --output-key-prefix other").await;
        // Neither a log of signatures nor a time stamp authority.
        cosign.run("signing-config create --out signing.json").await;
        cosign.run("trusted-root create --out root.json").await;
        let image = format!("{host}/samples/image@{digest}");
        let http = server.http();
        Some(Self { cosign, image, digest, http, _server: server, _workspace: workspace })
    }

    /// The image signed and verified with `cosign.key`, and refused with another key.
    async fn sign_and_verify(&self, sign: &str, verify: &str) {
        let Self { cosign, image, digest, .. } = self;
        let verify = format!("verify --insecure-ignore-tlog {verify}");
        cosign.refused(format!("{verify} --key cosign.pub {image}")).await;
        assert_eq!(self.is_signed().await, false);
        cosign.run(format!("sign --yes --key cosign.key {sign} {image}")).await;
        let verified = cosign.run(format!("{verify} --key cosign.pub {image}")).await.json();
        assert_eq!(verified[0]["critical"]["image"]["docker-manifest-digest"], *digest);
        cosign.refused(format!("{verify} --key other.pub {image}")).await;
        assert_eq!(self.is_signed().await, true);
    }

    /// What Azure's API says of the image's tag.
    async fn is_signed(&self) -> Value {
        let shown = json_of(self.http.get("/acr/v1/samples/image/_tags/1.0").await).await;
        shown["tag"]["signed"].clone()
    }
}

#[tokio::test]
async fn cosign_signs_with_a_bundle_that_refers_to_the_image() {
    let Some(story) = Story::begin().await else { return };
    let root = "--trusted-root root.json";
    story.sign_and_verify(&format!("--signing-config signing.json {root}"), root).await;

    let path = format!("/v2/samples/image/referrers/{}", story.digest);
    let referrers = json_of(story.http.get(&path).await).await;
    let kind = "application/vnd.dev.sigstore.bundle.v0.3+json";
    assert_eq!(referrers["manifests"][0]["artifactType"], kind);
    // The API made the tag that stands in for it needless.
    let tags = json_of(story.http.get("/v2/samples/image/tags/list").await).await;
    assert_eq!(tags["tags"], json!(["1.0"]));
}

#[tokio::test]
async fn cosign_signs_with_a_tag_beside_the_image() {
    let Some(story) = Story::begin().await else { return };
    let old = "--new-bundle-format=false";
    let sign = format!("{old} --use-signing-config=false --tlog-upload=false");
    story.sign_and_verify(&sign, old).await;

    let tags = json_of(story.http.get("/v2/samples/image/tags/list").await).await;
    let signature = format!("{}.sig", story.digest.replace(':', "-"));
    assert_eq!(tags["tags"], json!(["1.0", signature]));
}
