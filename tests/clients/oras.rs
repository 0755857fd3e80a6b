use crate::support::{ADMIN, Options, Orlop, PASSWORD, Tool, Workspace, digest_of};

const TEXT: &[u8] = b"hello artifact\n";
const PUSH: &str = "--config /dev/null:application/vnd.unknown.config.v1+json \
                    ./artifact.txt:application/vnd.unknown.layer.v1+txt";

struct Story {
    server: Orlop,
    workspace: Workspace,
    oras: Tool,
    /// `HOST/samples/artifact`
    repository: String,
}

impl Story {
    /// A signed-in oras, with `artifact:1.0` pushed.
    async fn begin() -> Option<Self> {
        let workspace = Workspace::new();
        let oras = workspace.tool("oras")?;
        let server = Orlop::start(Options::default()).await;
        let host = server.host();
        workspace.write("artifact.txt", TEXT);
        oras.run(format!("login {host} --plain-http --username {ADMIN} --password {PASSWORD}"))
            .await;
        let repository = format!("{host}/samples/artifact");
        oras.run(format!("push --plain-http {repository}:1.0 {PUSH}")).await;
        Some(Self { server, workspace, oras, repository })
    }
}

#[tokio::test]
async fn oras_signs_in_with_a_password_or_from_standard_input() {
    let workspace = Workspace::new();
    let Some(oras) = workspace.tool("oras") else { return };
    let server = Orlop::start(Options::default()).await;
    let host = server.host();

    let login = format!("login {host} --plain-http --username {ADMIN}");
    let said = oras.run(format!("{login} --password {PASSWORD}")).await;
    assert!(said.stdout.contains("Login Succeeded"), "{}", said.stdout);
    oras.run(format!("repo ls --plain-http {host}")).await;
    oras.run(format!("logout {host}")).await;
    oras.refused(format!("repo ls --plain-http {host}")).await;

    let said = oras.run_with_input(format!("{login} --password-stdin"), PASSWORD).await;
    assert!(said.stdout.contains("Login Succeeded"), "{}", said.stdout);
    oras.run(format!("repo ls --plain-http {host}")).await;
}

#[tokio::test]
async fn oras_is_refused_with_a_wrong_password() {
    let workspace = Workspace::new();
    let Some(oras) = workspace.tool("oras") else { return };
    let server = Orlop::start(Options::default()).await;
    let host = server.host();

    let login = format!("login {host} --plain-http --username {ADMIN} --password wrong");
    let said = oras.refused(login).await;
    assert!(said.stderr.to_lowercase().contains("unauthorized"), "{}", said.stderr);
    workspace.write("artifact.txt", TEXT);
    let said = oras.refused(format!("push --plain-http {host}/samples/artifact:1.0 {PUSH}")).await;
    assert!(said.stderr.to_lowercase().contains("unauthorized"), "{}", said.stderr);
}

#[tokio::test]
async fn oras_pulls_what_it_pushed_byte_for_byte() {
    let Some(story) = Story::begin().await else { return };
    let Story { workspace, oras, repository, .. } = &story;

    oras.run(format!("pull --plain-http {repository}:1.0 -o pulled")).await;
    assert_eq!(workspace.read("pulled/artifact.txt"), TEXT);

    let fetched = oras.run(format!("manifest fetch --plain-http {repository}:1.0")).await;
    let manifest = fetched.json();
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.unknown.config.v1+json");
    assert_eq!(manifest["layers"][0]["mediaType"], "application/vnd.unknown.layer.v1+txt");
    assert_eq!(manifest["layers"][0]["digest"], digest_of(TEXT));
    assert_eq!(manifest["layers"][0]["size"], TEXT.len());

    let resolved = oras.run(format!("resolve --plain-http {repository}:1.0")).await;
    assert_eq!(resolved.text(), digest_of(&fetched.stdout));
}

#[tokio::test]
async fn oras_tags_lists_and_deletes() {
    let Some(story) = Story::begin().await else { return };
    let Story { server, workspace, oras, repository, .. } = &story;
    let host = server.host();
    let digest = oras.run(format!("resolve --plain-http {repository}:1.0")).await.text().to_owned();

    oras.run(format!("tag --plain-http {repository}:1.0 1.1 latest")).await;
    let tags = oras.run(format!("repo tags --plain-http {repository}")).await;
    assert_eq!(tags.lines(), ["1.0", "1.1", "latest"]);
    let latest = oras.run(format!("resolve --plain-http {repository}:latest")).await;
    assert_eq!(latest.text(), digest);

    oras.run(format!("push --plain-http {host}/samples/other:1 ./artifact.txt")).await;
    let repositories = oras.run(format!("repo ls --plain-http {host}")).await;
    assert_eq!(repositories.lines(), ["samples/artifact", "samples/other"]);
    let below = oras.run(format!("repo ls --plain-http {host}/samples")).await;
    assert_eq!(below.lines(), ["artifact", "other"]);

    oras.run(format!("manifest delete --plain-http --force {repository}@{digest}")).await;
    for reference in [":1.0", ":latest", &format!("@{digest}")] {
        let pull = format!("pull --plain-http {repository}{reference} -o gone");
        let said = oras.refused(pull).await;
        assert!(said.stderr.contains("not found"), "{}", said.stderr);
    }
    oras.run(format!("pull --plain-http {host}/samples/other:1 -o other")).await;
    assert_eq!(workspace.read("other/artifact.txt"), TEXT);
}

#[tokio::test]
async fn oras_pushes_fetches_and_deletes_blobs() {
    let Some(story) = Story::begin().await else { return };
    let Story { workspace, oras, repository, .. } = &story;
    let content: Vec<u8> = (0..100_000_u32).map(|number| (number % 251) as u8).collect();
    let digest = digest_of(&content);
    workspace.write("blob", &content);

    oras.run(format!("blob push --plain-http {repository}@{digest} blob")).await;
    oras.run(format!("blob fetch --plain-http {repository}@{digest} -o fetched")).await;
    assert_eq!(workspace.read("fetched"), content);
    let descriptor = oras
        .run(format!("blob fetch --plain-http --descriptor {repository}@{digest}"))
        .await
        .json();
    assert_eq!(descriptor["size"], content.len());

    oras.run(format!("blob delete --plain-http --force {repository}@{digest}")).await;
    let fetch = format!("blob fetch --plain-http {repository}@{digest} -o gone");
    let said = oras.refused(fetch).await;
    assert!(said.stderr.contains("not found"), "{}", said.stderr);
}

#[tokio::test]
async fn oras_attaches_and_discovers_referrers_through_the_api() {
    let Some(story) = Story::begin().await else { return };
    let Story { server, workspace, oras, repository, .. } = &story;
    workspace.write("sbom.json", r#"{"packages":[]}"#);
    workspace.write("signature.txt", "signed");

    let attach =
        format!("attach --plain-http --distribution-spec v1.1-referrers-api {repository}:1.0");
    oras.run(format!("{attach} --artifact-type example/sbom sbom.json")).await;
    oras.run(format!("{attach} --artifact-type example/signature signature.txt")).await;

    let discover = format!("discover --plain-http --format json {repository}:1.0");
    let all = oras.run(&discover).await.json();
    let mut types: Vec<_> = referrers(&all).iter().map(|one| one["artifactType"].clone()).collect();
    types.sort_by_key(ToString::to_string);
    assert_eq!(types, ["example/sbom", "example/signature"]);

    let filtered = oras.run(format!("{discover} --artifact-type example/sbom")).await.json();
    let [sbom] = referrers(&filtered) else { panic!("expected one referrer: {filtered}") };
    let reference = format!("{repository}@{}", sbom["digest"].as_str().expect("a digest is text"));
    oras.run(format!("pull --plain-http {reference} -o attached")).await;
    assert_eq!(workspace.read("attached/sbom.json"), br#"{"packages":[]}"#);

    // `cp -r` takes the referrers along.
    let copy = format!("{}/samples/copy", server.host());
    let flags = "--from-plain-http --to-plain-http";
    oras.run(format!("cp -r {flags} {repository}:1.0 {copy}:1.0")).await;
    let copied = oras.run(format!("discover --plain-http --format json {copy}:1.0")).await.json();
    assert_eq!(referrers(&copied).len(), 2, "{copied}");
    // No client had to fall back on a tag that stands in for the API.
    let tags = oras.run(format!("repo tags --plain-http {copy}")).await;
    assert_eq!(tags.lines(), ["1.0"]);
}

#[tokio::test]
async fn oras_copies_between_repositories_and_layouts() {
    let Some(story) = Story::begin().await else { return };
    let Story { server, workspace, oras, repository, .. } = &story;
    let digest = oras.run(format!("resolve --plain-http {repository}:1.0")).await.text().to_owned();

    let copy = format!("{}/elsewhere/copy", server.host());
    oras.run(format!("cp --from-plain-http --to-plain-http {repository}:1.0 {copy}:a,b")).await;
    let tags = oras.run(format!("repo tags --plain-http {copy}")).await;
    assert_eq!(tags.lines(), ["a", "b"]);
    let copied = oras.run(format!("resolve --plain-http {copy}:b")).await;
    assert_eq!(copied.text(), digest);

    oras.run(format!("cp --from-plain-http {repository}:1.0 --to-oci-layout layout:1.0")).await;
    let again = format!("{}/from/layout", server.host());
    oras.run(format!("cp --from-oci-layout layout:1.0 --to-plain-http {again}:1.0")).await;
    oras.run(format!("pull --plain-http {again}@{digest} -o pulled")).await;
    assert_eq!(workspace.read("pulled/artifact.txt"), TEXT);
}

#[tokio::test]
async fn oras_works_over_tls() {
    let workspace = Workspace::new();
    let Some(oras) = workspace.tool("oras") else { return };
    let server = Orlop::start(Options { tls: true, ..Options::default() }).await;
    let host = server.host();
    let trust = format!("--ca-file {}", server.certificate().display());
    workspace.write("artifact.txt", TEXT);

    oras.run(format!("login {host} {trust} --username {ADMIN} --password {PASSWORD}")).await;
    oras.run(format!("push {trust} {host}/samples/artifact:1.0 {PUSH}")).await;
    oras.run(format!("pull {trust} {host}/samples/artifact:1.0 -o pulled")).await;
    assert_eq!(workspace.read("pulled/artifact.txt"), TEXT);
}

fn referrers(discovered: &serde_json::Value) -> &[serde_json::Value] {
    discovered["referrers"].as_array().expect("the answer lists referrers")
}
