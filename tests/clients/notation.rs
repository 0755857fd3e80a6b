use serde_json::json;

use crate::image::{Image, tar};
use crate::support::http::json_of;
use crate::support::{ADMIN, Options, Orlop, PASSWORD, Workspace};

#[tokio::test]
async fn notation_signs_verifies_and_lists() {
    let workspace = Workspace::new();
    let (Some(notation), Some(crane)) = (workspace.tool("notation"), workspace.tool("crane"))
    else {
        return;
    };
    let notation = notation.env("NOTATION_USERNAME", ADMIN).env("NOTATION_PASSWORD", PASSWORD);
    let server = Orlop::start(Options::default()).await;
    let host = server.host();
    let layer = tar("hello.txt", b"hello image\n");
    let digest = Image::write(&workspace, "layout", "1.0", layer).manifest_digest;
    crane.run(format!("auth login {host} -u {ADMIN} -p {PASSWORD}")).await;
    crane.run(format!("push layout {host}/samples/image:1.0")).await;
    let image = format!("{host}/samples/image@{digest}");

    notation.run("cert generate-test --default orlop.test").await;
    let policy = json!({
        "version": "1.0",
        "trustPolicies": [{
            "name": "test",
            "registryScopes": ["*"],
            "signatureVerification": {"level": "strict"},
            "trustStores": ["ca:orlop.test"],
            "trustedIdentities": ["*"],
        }],
    });
    workspace.write("policy.json", policy.to_string());
    notation.run("policy import policy.json").await;

    notation.refused(format!("verify --insecure-registry {image}")).await;
    let sign = "sign --insecure-registry --force-referrers-tag=false";
    notation.run(format!("{sign} {image}")).await;
    let verified = notation.run(format!("verify --insecure-registry {image}")).await;
    assert!(verified.stdout.contains("Successfully verified"), "{}", verified.stdout);

    let path = format!("/v2/samples/image/referrers/{digest}");
    let referrers = json_of(server.http().get(&path).await).await;
    let signature = referrers["manifests"][0]["digest"].as_str().expect("a digest is text");
    let listed = notation.run(format!("list --insecure-registry {image}")).await;
    assert!(listed.stdout.contains(signature), "{}", listed.stdout);
    let kind = "application/vnd.cncf.notary.signature";
    assert_eq!(referrers["manifests"][0]["artifactType"], kind);
    let shown = json_of(server.http().get("/acr/v1/samples/image/_tags/1.0").await).await;
    assert_eq!(shown["tag"]["signed"], true);
}
