//! From the storage of a real distribution registry.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use reqwest::{Method, StatusCode};

use super::content::{self, push_image, push_index, referrers};
use super::support::http::{expect, json_of, send};
use super::support::{
    ADMIN, DockerRegistry, Options, Orlop, PASSWORD, S3, Tool, Workspace, digest_of,
};

/// A registry that clients filled, and what is in it beside what its tags lead to.
pub struct Filled {
    pub registry: DockerRegistry,
    pub workspace: Workspace,
    /// Of `team/app`, whose tag moved on.
    pub untagged: String,
    /// Of `team/app:multi`, deleted; its children are there.
    pub deleted: String,
    /// Of `team/app`, of no manifest.
    pub blob: String,
    /// What oras attached to `team/app:1.0`, and that.
    pub attached: String,
    pub subject: String,
}

impl Filled {
    pub async fn start() -> Option<Self> {
        let workspace = Workspace::new();
        let skopeo = workspace.tool("skopeo")?;
        let oras = workspace.tool("oras")?;
        let registry = DockerRegistry::start().await?;
        let (host, http) = (registry.host().to_owned(), registry.http());
        login(&oras, &host).await;

        let subject = push_image(&http, "team/app", "1.0", "first layer").await;
        push_index(&http, "team/app", "multi", &["amd64 layer", "arm64 layer"]).await;
        let deleted = push_index(&http, "team/app", "old", &["amd64 layer", "other layer"]).await;
        let path = format!("/v2/team/app/manifests/{deleted}");
        expect(http.delete(&path).await, StatusCode::ACCEPTED).await;
        let untagged = push_image(&http, "team/app", "moving", "before").await;
        push_image(&http, "team/app", "moving", "after").await;
        let blob = http.push_blob("team/app", "of no manifest").await;

        let login = format!("login --tls-verify=false -u {ADMIN} -p {PASSWORD} {host}");
        skopeo.run(login).await;
        let copy = "--insecure-policy copy --src-tls-verify=false --dest-tls-verify=false";
        let (from, to) = ("docker://", format!("docker://{host}/deep/down/in-here/copy:2.0"));
        skopeo.run(format!("{copy} {from}{host}/team/app:1.0 {to}")).await;
        workspace.write("statement.json", "{\"it is\": \"signed\"}\n");
        let kind = "--artifact-type application/vnd.example.statement";
        let attach = format!("attach --plain-http {kind} {host}/team/app:1.0 statement.json");
        let said = oras.run(format!("{attach} --format json")).await.json();
        let attached = said["digest"].as_str().expect("oras tells the digest").to_owned();
        let digest =
            |descriptor: serde_json::Value| descriptor["digest"].as_str().unwrap().to_owned();
        let (untagged, subject) = (digest(untagged), digest(subject));
        Some(Self { registry, workspace, untagged, deleted, blob, attached, subject })
    }

    /// Compares all that can be pulled from both, byte for byte.
    pub async fn assert_equal_to(&self, orlop: &Orlop) {
        let (there, here) = (self.registry.http(), orlop.http());
        let (expected, found) = tokio::join!(content::all(&there), content::all(&here));
        assert_eq!(expected.keys().collect::<Vec<_>>(), ["deep/down/in-here/copy", "team/app"]);
        assert!(expected["team/app"].tags.len() >= 4, "1.0, multi, moving and oras' own");
        assert_eq!(found, expected);
        let found = referrers(&here, "team/app", &self.subject).await;
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [self.attached.as_str()]);
    }
}

pub async fn login(oras: &Tool, host: &str) {
    oras.run(format!("login --plain-http -u {ADMIN} -p {PASSWORD} {host}")).await;
}

/// All files below a folder, with what would show a change.
fn files(folder: &Path) -> Vec<(PathBuf, u64, i64, u32)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let about = entry.metadata().unwrap();
            if about.is_dir() {
                folders.push(entry.path());
            } else {
                found.push((entry.path(), about.len(), about.mtime_nsec(), about.mode()));
            }
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn all_that_a_distribution_registry_holds_comes_from_its_folder() {
    let Some(filled) = Filled::start().await else { return };
    let storage = filled.registry.storage();
    let before = files(&storage);
    let orlop = Orlop::start(Options::default()).await;
    let here = filled.workspace.orlop_at(&orlop);
    let said = here.run(format!("import distribution {}", storage.display())).await;
    assert!(said.text().contains("manifests     10 new, 0 there before"), "{}", said.text());
    assert!(!said.text().contains("missing"), "{}", said.text());
    filled.assert_equal_to(&orlop).await;

    let http = orlop.http();
    let path = |kind: &str, digest: &str| format!("/v2/team/app/{kind}/{digest}");
    expect(http.get(&path("manifests", &filled.untagged)).await, StatusCode::OK).await;
    expect(http.get(&path("manifests", &filled.deleted)).await, StatusCode::NOT_FOUND).await;
    let blob = expect(http.get(&path("blobs", &filled.blob)).await, StatusCode::OK).await;
    assert_eq!(digest_of(blob.bytes().await.unwrap()), filled.blob);

    assert_eq!(files(&storage), before, "the source has changed");
    let again = here.run(format!("import distribution {}", storage.display())).await;
    let text = again.text();
    assert!(text.contains("manifests     0 new, 10 there before"), "{text}");
    assert!(text.contains("0 copied (0 B), 0 linked"), "{text}");
    assert!(text.contains("tags          0 new"), "{text}");
}

#[tokio::test]
async fn files_get_a_second_name_unless_copies_are_asked_for() {
    let Some(registry) = DockerRegistry::start().await else { return };
    let workspace = Workspace::new();
    push_image(&registry.http(), "app", "1", "a layer").await;
    let storage = registry.storage();
    let hex = digest_of("a layer").trim_start_matches("sha256:").to_owned();
    let below = format!("sha256/{}/{hex}", &hex[..2]);
    let theirs = storage.join("docker/registry/v2/blobs").join(&below).join("data");
    for (flag, is_linked) in [("", true), ("--copy", false)] {
        // A store on disk, whatever this run of the tests is for.
        let place = tempfile::tempdir().unwrap();
        let url = format!("file://{}", place.path().display());
        let environment = vec![("ORLOP__STORAGE__URL".to_owned(), url)];
        let orlop = Orlop::start(Options { environment, ..Options::default() }).await;
        let here = workspace.orlop_at(&orlop);
        let said = here.run(format!("import distribution {flag} {}", storage.display())).await;
        let ours = place.path().join("blobs").join(&below);
        let inode = |path: &Path| std::fs::metadata(path).unwrap().ino();
        assert_eq!(inode(&ours) == inode(&theirs), is_linked, "{}", said.text());
        assert_eq!(std::fs::read(&ours).unwrap(), b"a layer");
        assert_eq!(std::fs::read_dir(place.path().join("uploads")).unwrap().count(), 0);
        // What one of them deletes, the other keeps.
        assert_eq!(content::of(&orlop.http(), "app").await.tags.len(), 1);
    }
}

#[tokio::test]
async fn a_distribution_registry_in_a_bucket_comes_too() {
    let Some(registry) = DockerRegistry::start().await else { return };
    let Some(s3) = S3::start().await else { return };
    let workspace = Workspace::new();
    push_index(&registry.http(), "a/b/c", "1", &["amd64 layer", "arm64 layer"]).await;
    push_image(&registry.http(), "a", "2", &"large layer ".repeat(100_000)).await;
    s3.upload(&registry.storage()).await;
    let orlop = Orlop::start(Options::default()).await;
    let mut here = workspace.orlop_at(&orlop);
    for (name, value) in s3.environment().iter().filter(|(name, _)| name.starts_with("AWS_")) {
        here = here.env(name, value);
    }
    let place = &s3.environment()[0].1;
    here.run(format!("import distribution {place} --from-endpoint {}", s3.endpoint())).await;
    assert_eq!(content::all(&orlop.http()).await, content::all(&registry.http()).await);
    let said = here
        .refused(format!("import distribution {place}/other --from-endpoint {}", s3.endpoint()))
        .await;
    assert!(said.stderr.contains("no docker/registry/v2/repositories"), "{}", said.stderr);
}

#[tokio::test]
async fn what_is_damaged_in_the_source_is_told_and_keeps_nothing_else_from_coming() {
    let Some(mut registry) = DockerRegistry::start().await else { return };
    let workspace = Workspace::new();
    let there = registry.http();
    push_image(&there, "app", "good", "good layer").await;
    push_image(&there, "app", "bad", "bad layer").await;
    push_image(&there, "app", "gone", "lost layer").await;
    push_image(&there, "app", "unclear", "other layer").await;
    registry.stop().await;
    let root = registry.storage().join("docker/registry/v2");
    let data = |layer: &str| {
        let hex = digest_of(layer).trim_start_matches("sha256:").to_owned();
        root.join("blobs/sha256").join(&hex[..2]).join(hex).join("data")
    };
    std::fs::write(data("bad layer"), "BAD layer").unwrap();
    std::fs::remove_file(data("lost layer")).unwrap();
    std::fs::write(root.join("repositories/app/_manifests/tags/unclear/current/link"), "").unwrap();

    let orlop = Orlop::start(Options::default()).await;
    let here = workspace.orlop_at(&orlop);
    let said = here.refused(format!("import distribution {}", root.display())).await;
    let bad = digest_of("bad layer");
    assert!(said.stdout.contains(&format!("app@{bad}: the content has digest")), "{}", said.stdout);
    for tag in ["bad", "gone", "unclear"] {
        assert!(said.stdout.contains(&format!("app:{tag}: ")), "{tag}: {}", said.stdout);
    }
    let content = content::of(&orlop.http(), "app").await;
    assert_eq!(content.tags.keys().collect::<Vec<_>>(), ["good"]);
    let path = format!("/v2/app/blobs/{bad}");
    expect(orlop.http().get(&path).await, StatusCode::NOT_FOUND).await;

    // Healed at its source, it comes.
    std::fs::write(data("bad layer"), "bad layer").unwrap();
    here.refused(format!("import distribution {} app", root.display())).await;
    let content = content::of(&orlop.http(), "app").await;
    assert_eq!(content.tags.keys().collect::<Vec<_>>(), ["bad", "good"]);
}

#[tokio::test]
async fn locks_and_policies_hold_for_what_is_imported() {
    let Some(registry) = DockerRegistry::start().await else { return };
    let workspace = Workspace::new();
    let there = registry.http();
    for tag in ["v1", "latest"] {
        push_image(&there, "prod/app", tag, "first").await;
    }
    let config = "[[policy]]\nrepositories = \"prod/*\"\ntags = \"v*\"\nimmutable = true\n";
    let config = Some(config.to_owned());
    let orlop = Orlop::start(Options { config, ..Options::default() }).await;
    let file = orlop.data_dir().parent().unwrap().join("orlop.toml");
    let here = workspace.orlop_at(&orlop).env("ORLOP_CONFIG", file.display().to_string());
    let line = format!("import distribution {}", registry.storage().display());
    here.run(&line).await;
    let first = content::of(&orlop.http(), "prod/app").await;
    for tag in ["v1", "latest"] {
        push_image(&there, "prod/app", tag, "second").await;
    }
    let said = here.refused(&line).await;
    assert!(said.stdout.contains("tag prod/app:v1 is immutable"), "{}", said.stdout);
    let second = content::of(&orlop.http(), "prod/app").await;
    assert_eq!(first.tags["v1"], second.tags["v1"]);
    assert_ne!(first.tags["latest"], second.tags["latest"]);
    // Who moved it stands in the tag's history.
    let path = "/api/v1/repositories/prod%2Fapp/tags/latest/history";
    let history = json_of(send(orlop.http().request(Method::GET, path)).await).await;
    assert!(history.to_string().contains("\"import\""), "{history}");
}
