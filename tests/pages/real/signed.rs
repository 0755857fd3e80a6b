//! An image signed by cosign and notation, with SBOMs and a provenance.

use serde_json::{Value, json};

use super::{Story, holds, rows, short, within};
use crate::samples::archive;
use crate::support::{ADMIN, PASSWORD, Tool, digest_of};

const IMAGE: &str = "team/signed";

/// A log of signatures and a time stamp authority are services of others.
const ALONE: &str = "--yes --key cosign.key --signing-config signing.json --trusted-root root.json";
const OLD: &str = "--yes --key cosign.key --new-bundle-format=false --use-signing-config=false --tlog-upload=false";

fn spdx(packages: &[(&str, &str)]) -> String {
    let packages: Vec<_> = packages
        .iter()
        .map(|(name, version)| {
            json!({"name": name, "versionInfo": version, "licenseConcluded": "Zlib", "externalRefs": [
                {"referenceType": "purl", "referenceLocator": format!("pkg:deb/{name}@{version}")},
            ]})
        })
        .collect();
    let document = json!({
        "spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "name": "signed",
        "dataLicense": "CC0-1.0", "documentNamespace": "https://example.com/signed",
        "creationInfo": {"created": "2026-01-01T00:00:00Z", "creators": ["Tool: by-hand"]},
        "packages": packages,
    });
    document.to_string()
}

/// What `cosign attest` takes as SLSA's provenance.
fn provenance() -> String {
    let predicate = json!({
        "buildDefinition": {"buildType": "https://ci.example/build/v1", "externalParameters": {}},
        "runDetails": {
            "builder": {"id": "https://ci.example/runner"},
            "metadata": {"invocationId": "run-7", "startedOn": "2026-01-01T00:00:00Z"},
        },
    });
    predicate.to_string()
}

struct Signed {
    story: Story,
    cosign: Tool,
    /// By which cosign and notation know it.
    image: String,
    digest: String,
}

impl Signed {
    async fn begin() -> Option<Self> {
        let story = Story::begin().await?;
        let Story { workspace, host, .. } = &story;
        let (cosign, crane) = (workspace.tool("cosign")?, workspace.tool("crane")?);
        let cosign = cosign.env("COSIGN_PASSWORD", "");
        workspace.write("layer.tar.gz", archive(&[("app/server", b"signed")]));
        let target = format!("{host}/{IMAGE}:1.0");
        crane.run(format!("append --oci-empty-base -f layer.tar.gz -t {target}")).await;
        crane.run(format!("mutate {target} --set-platform linux/amd64 -t {target}")).await;
        cosign.run("generate-key-pair").await;
        cosign.run("signing-config create --out signing.json").await;
        cosign.run("trusted-root create --out root.json").await;
        let digest = story.digest(&format!("{IMAGE}:1.0")).await;
        let image = format!("{host}/{IMAGE}@{digest}");
        Some(Self { story, cosign, image, digest })
    }

    /// What refers to something, by its artifact type or the type of what it states.
    async fn referrers(&self, of: &str) -> Vec<(String, String)> {
        let line = format!("discover --plain-http --format json --depth 1 {of}");
        let found = self.story.oras.run(line).await.json();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let referrers = found["referrers"].as_array().unwrap().iter();
        let referrers = referrers.map(|one| {
            let stated = text(&one["annotations"]["dev.sigstore.bundle.predicateType"]);
            let kind = stated.or_else(|| text(&one["artifactType"])).unwrap();
            (kind, text(&one["digest"]).unwrap())
        });
        referrers.collect()
    }

    /// The only layer of a manifest.
    async fn layer(&self, digest: &str) -> String {
        let reference = format!("{}/{IMAGE}@{digest}", self.story.host);
        let line = format!("manifest fetch --plain-http {reference}");
        let manifest = self.story.oras.run(line).await.json();
        assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);
        manifest["layers"][0]["digest"].as_str().unwrap().to_owned()
    }
}

fn manifest(digest: &str) -> String {
    within(IMAGE, "manifests", digest)
}

fn document(digest: &str) -> String {
    within(IMAGE, "documents", digest)
}

#[tokio::test]
async fn what_is_attached_to_a_signed_image_is_shown_and_pulled() {
    let Some(signed) = Signed::begin().await else { return };
    let Signed { story, cosign, image, digest } = &signed;
    let Story { workspace, oras, host, .. } = story;
    let Some(notation) = workspace.tool("notation") else { return };
    let notation = notation.env("NOTATION_USERNAME", ADMIN).env("NOTATION_PASSWORD", PASSWORD);
    notation.run("cert generate-test --default orlop.test").await;

    cosign.run(format!("sign {ALONE} {image}")).await;
    notation.run(format!("sign --insecure-registry --force-referrers-tag=false {image}")).await;
    workspace.write("provenance.json", provenance());
    let attest = format!("attest {ALONE} --type slsaprovenance1 --predicate provenance.json");
    cosign.run(format!("{attest} {image}")).await;
    workspace.write("attested.json", spdx(&[("attested", "4.5")]));
    cosign.run(format!("attest {ALONE} --type spdxjson --predicate attested.json {image}")).await;
    let attached = spdx(&[("zlib", "1.3"), ("openssl", "3.1")]);
    workspace.write("sbom.spdx.json", &attached);
    let kind = "application/spdx+json";
    oras.run(format!("attach --plain-http {image} --artifact-type {kind} sbom.spdx.json:{kind}"))
        .await;
    let cyclonedx = json!({
        "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
        "metadata": {"component": {"type": "application", "name": "signed"}},
        "components": [{
            "type": "library", "group": "org.example", "name": "mast", "version": "2.0",
            "licenses": [{"license": {"id": "MIT"}}], "purl": "pkg:maven/org.example/mast@2.0",
        }],
    });
    workspace.write("sbom.cdx.json", cyclonedx.to_string());
    let kind = "application/vnd.cyclonedx+json";
    oras.run(format!("attach --plain-http {image} --artifact-type {kind} sbom.cdx.json:{kind}"))
        .await;
    let referrers = signed.referrers(image).await;
    let of = |kind: &str| {
        let found = referrers.iter().find(|(found, _)| found == kind);
        &found.unwrap_or_else(|| panic!("no {kind}: {referrers:?}")).1
    };
    let slsa = of("https://slsa.dev/provenance/v1");
    let signature = of("https://sigstore.dev/cosign/sign/v1");
    let (plain, attested) = (of("application/spdx+json"), of("https://spdx.dev/Document"));
    let cyclonedx_digest = of("application/vnd.cyclonedx+json");
    let notary = of("application/vnd.cncf.notary.signature");
    // The SBOM is signed in turn.
    cosign.run(format!("sign {ALONE} {host}/{IMAGE}@{plain}")).await;
    let of_sbom = signed.referrers(&format!("{host}/{IMAGE}@{plain}")).await;
    assert_eq!(of_sbom.len(), 1);
    let of_sbom = &of_sbom[0].1;

    let seen = story
        .look(&[
            ("real-signed-repository", format!("/r/{IMAGE}")),
            ("real-signed", manifest("1.0")),
            ("real-sbom", manifest(plain)),
            ("real-sbom-packages", document(&digest_of(&attached))),
            ("real-sbom-cyclonedx", document(&digest_of(cyclonedx.to_string()))),
            ("real-sbom-attested", document(&signed.layer(attested).await)),
            ("real-attestation", manifest(slsa)),
            ("real-provenance", document(&signed.layer(slsa).await)),
            ("real-signature", document(&signed.layer(signature).await)),
            ("real-signature-notation", manifest(notary)),
        ])
        .await;
    holds(&seen["real-signed-repository"], "1.0 signed");
    let mut tree: Vec<_> = seen["real-signed"]["tree"].as_array().unwrap().iter().collect();
    tree.sort_by_key(|line| line.to_string());
    let line = |kind: &str, digest: &str, what: &str| format!("{kind} {} {what}", short(digest));
    let mut expected = [
        line("Signature", signature, "https://sigstore.dev/cosign/sign/v1"),
        line("Signature", notary, "application/vnd.cncf.notary.signature"),
        line("Attestation", slsa, "https://slsa.dev/provenance/v1"),
        line("SBOM", attested, "https://spdx.dev/Document"),
        line("SBOM", plain, "application/spdx+json"),
        line("SBOM", cyclonedx_digest, "application/vnd.cyclonedx+json"),
        line("Signature", of_sbom, "https://sigstore.dev/cosign/sign/v1"),
    ];
    expected.sort();
    assert_eq!(tree.len(), expected.len(), "{tree:?}");
    for (line, expected) in tree.iter().zip(expected) {
        assert!(line.as_str().unwrap().starts_with(&expected), "{line} is not {expected}");
    }

    let purl = |name: &str, version: &str| format!("pkg:deb/{name}@{version}");
    let packages = rows(&seen["real-sbom-packages"], 4);
    let (zlib, openssl) = (purl("zlib", "1.3"), purl("openssl", "3.1"));
    assert_eq!(packages, [["openssl", "3.1", "Zlib", &*openssl], ["zlib", "1.3", "Zlib", &*zlib]]);
    assert_eq!(seen["real-sbom-packages"]["keys"]["By"], "Tool: by-hand");
    let packages = rows(&seen["real-sbom-cyclonedx"], 4);
    assert_eq!(packages, [["org.example/mast", "2.0", "MIT", "pkg:maven/org.example/mast@2.0"]]);
    let page = &seen["real-sbom-attested"];
    assert_eq!(page["heading"], "SBOM, SPDX");
    assert_eq!(rows(page, 2), [["attested", "4.5"]]);
    assert_eq!(seen["real-attestation"]["heading"], format!("{} Attestation", short(slsa)));
    let page = &seen["real-provenance"];
    assert_eq!(page["heading"], "Attestation, SLSA provenance");
    assert_eq!(page["keys"]["Builder"], "https://ci.example/runner");
    assert_eq!(page["keys"]["Build type"], "https://ci.example/build/v1");
    assert_eq!(page["keys"]["Invocation"], "run-7");
    // What is stated can be read, though it is packed in what is signed.
    holds(page, r#""invocationId": "run-7""#);
    assert!(page["keys"]["About"].as_str().unwrap().ends_with(digest), "{page}");
    let page = &seen["real-signature"];
    assert_eq!(page["heading"], "Signature by cosign");
    assert!(page["keys"]["About"].as_str().unwrap().ends_with(digest), "{page}");
    assert_eq!(seen["real-signature-notation"]["heading"], format!("{} Signature", short(notary)));

    // By file name, or as it is where there is none.
    std::fs::remove_file(workspace.path("sbom.spdx.json")).unwrap();
    story.run(&seen["real-sbom"]["commands"]["oras"]).await;
    assert_eq!(workspace.read("sbom.spdx.json"), attached.as_bytes());
    story.run(&seen["real-attestation"]["commands"]["oras"]).await;
    story.layout_names("signed", slsa);
}

#[tokio::test]
async fn what_older_cosign_keeps_under_tags_is_told_from_images() {
    let Some(signed) = Signed::begin().await else { return };
    let Signed { story, cosign, image, digest } = &signed;
    let workspace = &story.workspace;
    workspace.write("provenance.json", provenance());
    workspace.write("sbom.spdx.json", spdx(&[("zlib", "1.3")]));
    cosign.run(format!("sign {OLD} {image}")).await;
    let attest = format!("attest {OLD} --type slsaprovenance1 --predicate provenance.json");
    cosign.run(format!("{attest} {image}")).await;
    cosign.run(format!("attach sbom --sbom sbom.spdx.json {image}")).await;

    let tag = |suffix: &str| format!("{}.{suffix}", digest.replace(':', "-"));
    let att = story.digest(&format!("{IMAGE}:{}", tag("att"))).await;
    let sbom = story.digest(&format!("{IMAGE}:{}", tag("sbom"))).await;
    let seen = story
        .look(&[
            ("real-old-repository", format!("/r/{IMAGE}")),
            ("real-old-image", manifest("1.0")),
            ("real-old-signature", manifest(&tag("sig"))),
            ("real-old-attestation", document(&signed.layer(&att).await)),
            ("real-old-sbom", document(&signed.layer(&sbom).await)),
        ])
        .await;
    let mut kinds = rows(&seen["real-old-repository"], 3);
    kinds.sort_unstable();
    let [att_tag, sbom_tag, sig_tag] = ["att", "sbom", "sig"].map(tag);
    let expected = [
        vec!["1.0 signed", "Image", "linux/amd64"],
        vec![&*att_tag, "Attestation", ""],
        vec![&*sbom_tag, "SBOM", ""],
        vec![&*sig_tag, "Signature", ""],
    ];
    assert_eq!(kinds, expected);
    let tree = seen["real-old-image"]["tree"].as_array().unwrap();
    let kinds: Vec<_> =
        tree.iter().map(|line| line.as_str().unwrap().split(' ').next().unwrap()).collect();
    assert_eq!(kinds, ["Signature", "Attestation", "SBOM"]);
    let page = &seen["real-old-signature"];
    assert_eq!(page["heading"], format!("{} Signature", tag("sig")));
    assert!(page["commands"]["docker"].is_null(), "{page}");
    assert_eq!(seen["real-old-attestation"]["keys"]["Builder"], "https://ci.example/runner");
    assert_eq!(rows(&seen["real-old-sbom"], 2), [["zlib", "1.3"]]);

    story.run(&page["commands"]["oras"]).await;
    let sig = story.digest(&format!("{IMAGE}:{}", tag("sig"))).await;
    story.layout_names("signed", &sig);
}
