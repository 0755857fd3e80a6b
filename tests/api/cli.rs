//! `orlop repository`, as a user runs it.

use serde_json::{Value, json};

use super::support::{ADMIN, Options, Orlop, PASSWORD, Tool, Workspace};

struct Story {
    orlop: Tool,
    server: Orlop,
    workspace: Workspace,
}

impl Story {
    async fn begin() -> Self {
        let workspace = Workspace::new();
        let server = Orlop::start(Options::default()).await;
        Self { orlop: workspace.orlop(&server), server, workspace }
    }

    async fn json(&self, command: &str) -> Value {
        self.orlop.run(format!("repository {command}")).await.json()
    }

    async fn refused(&self, command: &str) -> String {
        self.orlop.refused(format!("repository {command}")).await.stderr
    }
}

#[tokio::test]
async fn repositories_and_images_are_listed_and_shown() {
    let story = Story::begin().await;
    let http = story.server.http();
    let one = http.push_artifact("team/app", "2", b"one").await;
    let two = http.push_artifact("team/app", "1", b"two").await;
    http.push_artifact("other", "1", b"two").await;
    assert_eq!(story.json("list").await, json!(["other", "team/app"]));
    assert_eq!(story.json("list --top 1").await, json!(["other"]));
    assert_eq!(story.json("show --repository team/app").await["tagCount"], 2);
    assert_eq!(story.json("show --image team/app:2").await["digest"], one);
    assert_eq!(story.json(&format!("show --image team/app@{two}")).await["tags"], json!(["1"]));
    let tags = "show-tags --repository team/app";
    assert_eq!(story.json(tags).await, json!(["1", "2"]));
    assert_eq!(story.json(&format!("{tags} --orderby time_asc")).await, json!(["2", "1"]));
    let detail = story.json(&format!("{tags} --detail --top 1")).await;
    assert_eq!(detail[0]["digest"], two);
    let manifests = story.json("show-manifests --repository team/app --orderby time_desc").await;
    assert_eq!(manifests[0]["digest"], two);
    assert_eq!(manifests[0]["tags"], json!(["1"]));

    let table = story.orlop.run("repository list --output table").await;
    assert_eq!(table.lines(), ["RESULT", "other", "team/app"]);
    let tsv = story.orlop.run(format!("repository {tags} --output tsv")).await;
    assert_eq!(tsv.lines(), ["1", "2"]);
    let absent = story.refused("show --repository absent").await;
    assert!(absent.contains("repository name not known to registry (status 404)"), "{absent}");
}

#[tokio::test]
async fn what_is_locked_stays_and_what_is_deleted_comes_back() {
    let story = Story::begin().await;
    let digest = story.server.http().push_artifact("a", "1.0", b"text").await;
    let locked = story.json("update --image a:1.0 --write-enabled false").await;
    assert_eq!(locked["changeableAttributes"]["writeEnabled"], false);
    let refused = story.refused("delete --image a:1.0 --yes").await;
    assert!(refused.contains("tag a:1.0 is locked"), "{refused}");
    story.json("update --image a:1.0 --write-enabled true").await;

    let asked = story.refused("delete --image a:1.0").await;
    assert!(asked.contains("--yes"), "{asked}");
    story.orlop.run("repository untag --image a:1.0").await;
    assert_eq!(story.json("show-tags --repository a").await, json!([]));
    assert_eq!(story.json("restore --image a:1.0").await["digest"], digest);
    story.orlop.run("repository delete --image a:1.0 --yes").await;
    assert_eq!(story.json("show-manifests --repository a").await, json!([]));
    let listed = story.json("list-deleted --repository a").await;
    assert_eq!(listed[0]["tag"], "1.0");
    assert_eq!(story.json("restore --image a:1.0").await["tags"], json!(["1.0"]));
    let deleted = story.json("delete --repository a --yes").await;
    assert_eq!(deleted, json!({"manifestsDeleted": [digest], "tagsDeleted": ["1.0"]}));
    assert_eq!(story.json("list-deleted").await[0]["repository"], "a");
}

#[tokio::test]
async fn tags_are_rolled_back_and_images_promoted() {
    let story = Story::begin().await;
    let http = story.server.http();
    let one = http.push_artifact("test/app", "1.0", b"one").await;
    let two = http.push_artifact("test/app", "1.0", b"two").await;
    let moves = story.json("history --image test/app:1.0").await;
    assert_eq!((&moves[0]["digest"], &moves[1]["digest"]), (&json!(two), &json!(one)));
    assert_eq!(story.json("rollback --image test/app:1.0").await["digest"], one);
    let promote = format!("promote test/app:1.0=prod/app:v1 test/app@{two}=prod/app:v2");
    let promoted = story.json(&promote).await;
    assert_eq!(promoted[1], json!({"repository": "prod/app", "tag": "v2", "digest": two}));
    assert_eq!(story.json("show --image prod/app:v1").await["digest"], one);
}

#[tokio::test]
async fn the_password_comes_from_flags_from_standard_input_or_from_the_environment() {
    let story = Story::begin().await;
    story.server.http().push_artifact("a", "1.0", b"text").await;
    let list = format!("repository list --url {} --output tsv", story.server.url());
    let orlop = story.orlop.clone().without("ORLOP_PASSWORD");
    let flags = format!("{list} --username {ADMIN}");
    assert_eq!(orlop.run(format!("{flags} --password {PASSWORD}")).await.lines(), ["a"]);
    let piped = orlop.run_with_input(format!("{flags} --password-stdin"), PASSWORD).await;
    assert_eq!(piped.lines(), ["a"]);
    let environment = orlop.clone().env("ORLOP_USERNAME", ADMIN).env("ORLOP_PASSWORD", PASSWORD);
    assert_eq!(environment.run(&list).await.lines(), ["a"]);
    // A flag counts more than the environment.
    let refused = environment.refused(format!("{list} --password wrong")).await.stderr;
    assert!(refused.contains("(status 401)"), "{refused}");
}

/// Docker keeps a refresh token in place of the password, oras the password.
#[tokio::test]
async fn who_signed_in_with_docker_or_oras_is_signed_in() {
    let story = Story::begin().await;
    story.server.http().push_artifact("a", "1.0", b"text").await;
    let host = story.server.host();
    let orlop = story.orlop.clone().without("ORLOP_PASSWORD").without("ORLOP_USERNAME");
    let list = format!("repository list --url {} --output tsv", story.server.url());
    for (tool, login) in
        [("docker", format!("login {host}")), ("oras", format!("login {host} --plain-http"))]
    {
        let Some(client) = story.workspace.tool(tool) else { continue };
        let client = client.env("DOCKER_HOST", "unix:///nonexistent/docker.sock");
        let login = format!("{login} --username {ADMIN} --password-stdin");
        client.run_with_input(login, PASSWORD).await;
        assert_eq!(orlop.run(&list).await.lines(), ["a"], "{tool}");
        orlop.refused(format!("{list} --username somebody")).await;
        client.run(format!("logout {host}")).await;
        orlop.refused(&list).await;
    }
}

#[tokio::test]
async fn the_password_may_be_the_one_that_docker_keeps() {
    let story = Story::begin().await;
    story.server.http().push_artifact("a", "1.0", b"text").await;
    let url = story.server.url();
    let orlop = story.orlop.clone().without("ORLOP_PASSWORD");
    orlop.refused("repository list").await;

    let host = story.server.host();
    let auth = base64::Engine::encode(
        &base64::engine::general_purpose::STANDARD,
        format!("{ADMIN}:{PASSWORD}"),
    );
    let config = json!({"auths": {host: {"auth": auth}}});
    story.workspace.write(".docker/config.json", config.to_string());
    assert_eq!(orlop.run(format!("repository list --url {url}")).await.json(), json!(["a"]));
    orlop.refused("repository list --username somebody").await;

    // A program that keeps it.
    let helper = format!(
        "#!/bin/sh\nread host\necho '{{\"Username\": \"{ADMIN}\", \"Secret\": \"{PASSWORD}\"}}'\n"
    );
    story.workspace.write("bin/docker-credential-test", helper);
    let program = story.workspace.path("bin/docker-credential-test");
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    let config = json!({"credsStore": "test"});
    story.workspace.write(".docker/config.json", config.to_string());
    let path = std::env::var("PATH").unwrap();
    let orlop = orlop.env("PATH", format!("{}:{path}", program.parent().unwrap().display()));
    assert_eq!(orlop.run("repository list").await.json(), json!(["a"]));
}
