//! OCI image layouts, in and out.

use serde_json::Value;

use super::content::{self, push_image, push_index, referrers};
use super::distribution::login;
use super::support::{ADMIN, Options, Orlop, PASSWORD, Workspace, digest_of};

/// A server with a repository `team/app` of several tags, a manifest without one, and a signature.
async fn filled(workspace: &Workspace) -> Option<(Orlop, String)> {
    let oras = workspace.tool("oras")?;
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    push_index(&http, "team/app", "multi", &["amd64 layer", "arm64 layer"]).await;
    push_image(&http, "team/app", "moving", "before").await;
    push_image(&http, "team/app", "moving", "after").await;
    let subject = push_image(&http, "team/app", "1.0", "a layer").await;
    let host = orlop.host();
    login(&oras, &host).await;
    workspace.write("statement.json", "{\"it is\": \"signed\"}\n");
    let kind = "--artifact-type application/vnd.example.statement";
    oras.run(format!("attach --plain-http {kind} {host}/team/app:1.0 statement.json")).await;
    Some((orlop, subject["digest"].as_str().expect("it is text").to_owned()))
}

#[tokio::test]
async fn a_repository_survives_the_way_through_a_folder_and_through_a_tar_file() {
    let workspace = Workspace::new();
    let Some((orlop, subject)) = filled(&workspace).await else { return };
    let here = workspace.orlop_at(&orlop);
    let http = orlop.http();
    let expected = content::of(&http, "team/app").await;
    for (layout, name) in [("folder", "from/folder"), ("file.tar", "from/tar")] {
        let said = here.run(format!("export --repository team/app {layout}")).await;
        assert_eq!(said.lines()[..2], ["tags       3", "manifests  7"]);
        here.run(format!("import layout {layout} --repository {name}")).await;
        assert_eq!(content::of(&http, name).await, expected);
        let untagged = digest_of_image(&expected, "before").await;
        assert!(untagged.is_none(), "no tag leads to it");
        let expected = referrers(&http, "team/app", &subject).await;
        assert_eq!(expected.len(), 1);
        assert_eq!(referrers(&http, name, &subject).await, expected);
        let manifests =
            here.run(format!("repository show-manifests --repository {name} -o json")).await;
        assert_eq!(manifests.json().as_array().map(Vec::len), Some(7));
    }
    let said = here.refused("export --repository team/app file.tar").await;
    assert!(said.stderr.contains("cannot write file.tar"), "{}", said.stderr);
    let said = here.refused("import layout . --repository a").await;
    assert!(said.stderr.contains("is no OCI image layout"), "{}", said.stderr);
}

/// The image of a layer among those that tags lead to.
async fn digest_of_image(content: &content::Content, layer: &str) -> Option<String> {
    let layer = digest_of(layer);
    let has_it = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(&layer);
    let mut manifests = content.manifests.iter();
    manifests.find(|(_, (_, bytes))| has_it(bytes)).map(|(digest, _)| digest.clone())
}

#[tokio::test]
async fn clients_read_what_is_exported() {
    let workspace = Workspace::new();
    let Some((orlop, subject)) = filled(&workspace).await else { return };
    let here = workspace.orlop_at(&orlop);
    here.run("export --image team/app:1.0 folder").await;
    here.run("export --image team/app:multi folder").await;
    here.run("export --image team/app:1.0 file.tar").await;
    let layer = format!("blobs/sha256/{}", digest_of("a layer").trim_start_matches("sha256:"));
    assert_eq!(workspace.read(&format!("folder/{layer}")), b"a layer");

    let oras = workspace.tool("oras").expect("it was there before");
    for layout in ["folder", "file.tar"] {
        let found = oras.run(format!("resolve --oci-layout {layout}:1.0")).await;
        assert_eq!(found.text(), subject, "{layout}");
        let line = format!("discover --oci-layout --format json {layout}:1.0");
        let found = oras.run(line).await.json();
        let kind = &found["referrers"].as_array().or(found["manifests"].as_array()).unwrap()[0];
        assert_eq!(kind["artifactType"], "application/vnd.example.statement", "{layout}");
    }
    if let Some(skopeo) = workspace.tool("skopeo") {
        skopeo.run("--insecure-policy copy --preserve-digests oci:folder:1.0 dir:out").await;
        let hex = digest_of("a layer").trim_start_matches("sha256:").to_owned();
        assert_eq!(workspace.read(&format!("out/{hex}")), b"a layer");
    }
    if let Some(crane) = workspace.tool("crane") {
        // crane pushes a layout of one image.
        here.run("export --image team/app:multi single").await;
        let host = orlop.host();
        crane.run(format!("auth login {host} -u {ADMIN} -p {PASSWORD}")).await;
        crane.run(format!("push single {host}/by/crane:multi")).await;
        let expected = content::of(&orlop.http(), "team/app").await.tags["multi"].clone();
        let pushed = content::of(&orlop.http(), "by/crane").await;
        assert!(pushed.tags["multi"] == expected || pushed.manifests.contains_key(&expected));
    }
}

#[tokio::test]
async fn what_clients_write_is_imported() {
    let workspace = Workspace::new();
    let Some((orlop, subject)) = filled(&workspace).await else { return };
    let (here, http, host) = (workspace.orlop_at(&orlop), orlop.http(), orlop.host());
    let expected = content::of(&http, "team/app").await;

    let oras = workspace.tool("oras").expect("it was there before");
    oras.run(format!("cp -r --from-plain-http {host}/team/app:1.0 --to-oci-layout by-oras:1.0"))
        .await;
    here.run("import layout by-oras --image by/oras:again").await;
    let found = content::of(&http, "by/oras").await;
    assert_eq!(found.tags["again"], subject);
    let attached = referrers(&http, "team/app", &subject).await;
    assert_eq!(referrers(&http, "by/oras", &subject).await, attached);

    if let Some(skopeo) = workspace.tool("skopeo") {
        skopeo.run(format!("login --tls-verify=false -u {ADMIN} -p {PASSWORD} {host}")).await;
        let copy = "--insecure-policy copy --all --preserve-digests --src-tls-verify=false";
        skopeo.run(format!("{copy} docker://{host}/team/app:multi oci:by-skopeo:multi")).await;
        here.run("import layout by-skopeo --repository by/skopeo").await;
        let found = content::of(&http, "by/skopeo").await;
        assert_eq!(found.tags["multi"], expected.tags["multi"]);
    }
    if let Some(crane) = workspace.tool("crane") {
        crane.run(format!("auth login {host} -u {ADMIN} -p {PASSWORD}")).await;
        crane.run(format!("pull --format oci {host}/team/app:multi by-crane")).await;
        here.run("import layout by-crane --image by/crane:multi").await;
        let found = content::of(&http, "by/crane").await;
        assert_eq!(found.tags["multi"], expected.tags["multi"]);
        here.refused("import layout by-crane --image by/crane@sha256:1").await;
    }
    let said = here.refused("import layout folder-that-is-not-there --repository a").await;
    assert!(said.stderr.contains("folder-that-is-not-there"), "{}", said.stderr);
    let index: Value = workspace.json("by-oras/index.json");
    assert_eq!(index["manifests"].as_array().map(Vec::len), Some(2), "{index}");
    here.run("export --repository team/app all").await;
    let said = here.refused("import layout all --image by/orlop:2.0").await;
    assert!(said.stderr.contains("no tag 2.0"), "{}", said.stderr);
}
