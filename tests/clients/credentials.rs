//! Each kind of credential through each kind of client, set up by our own command line.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{ADMIN, OidcProvider, Options, Orlop, PASSWORD, Workspace};

const TEXT: &[u8] = b"hello artifact\n";

/// A server that may ask the issuers of the tests, which are on this machine.
async fn start() -> Orlop {
    let environment = vec![("ORLOP__AUTH__PRIVATE_ISSUERS".into(), "127.0.0.0/8".into())];
    Orlop::start(Options { environment, ..Options::default() }).await
}

/// What one signs in with.
struct Credential {
    kind: &'static str,
    name: String,
    password: String,
}

/// Every kind, each with the right to push to `team/*`.
async fn all_kinds(
    server: &Orlop,
    workspace: &Workspace,
    provider: Option<&OidcProvider>,
) -> Vec<Credential> {
    let orlop = workspace.orlop(server);
    let mut found = Vec::new();
    let mut add = |kind, name: &str, password: &str| {
        found.push(Credential { kind, name: name.into(), password: password.into() });
    };

    let made = orlop.run("user create alice -o json").await.json();
    let password = made["password"].as_str().unwrap();
    orlop.run("role assign --identity alice --role AcrPush --repositories team/*").await;
    add("password", "alice", password);

    let alice = orlop.clone().env("ORLOP_USERNAME", "alice").env("ORLOP_PASSWORD", password);
    let rule = "--rule team/*=content/read,content/write";
    let made =
        alice.run(format!("token create laptop --expires-in 1h {rule} -o json")).await.json();
    add("personal token", "alice", made["secret"].as_str().unwrap());

    let new = "principal create ci --expires-in 90d --role AcrPush --repositories team/* -o json";
    let made = orlop.run(new).await.json();
    let id = made["name"].as_str().unwrap();
    let secret = made["secrets"][0]["secret"].as_str().unwrap();
    add("service principal", id, secret);

    let path = "/oauth2/token?offline_token=true";
    let client = server.anonymous().signed_in_as(id, secret);
    let answer = client.get(path).await.json::<serde_json::Value>().await.unwrap();
    let null = "00000000-0000-0000-0000-000000000000";
    add("refresh token", null, answer["refresh_token"].as_str().unwrap());

    if let Some(provider) = provider {
        let issuer = &provider.issuer;
        orlop.run(format!("issuer create github --issuer-url {issuer} --audience orlop")).await;
        let condition = r#"repository=="org/app"&&ref=="refs/heads/main""#;
        let role = "--role AcrPush --repositories team/*";
        orlop.run(format!("issuer add-rule github {condition} {role}")).await;
        let claims = json!({"repository": "org/app", "ref": "refs/heads/main"});
        add("ID token", "github", &provider.id_token(claims));
    }
    found
}

#[tokio::test]
async fn oras_pushes_and_pulls_with_each_kind_of_credential() {
    let workspace = Workspace::new();
    let Some(oras) = workspace.tool("oras") else { return };
    let provider = OidcProvider::start().await;
    let server = start().await;
    let host = server.host();
    workspace.write("artifact.txt", TEXT);
    for (n, credential) in
        all_kinds(&server, &workspace, provider.as_ref()).await.iter().enumerate()
    {
        let Credential { kind, name, password } = credential;
        let login = format!("login {host} --plain-http --username {name} --password-stdin");
        oras.run_with_input(login, password).await;
        let artifact = format!("{host}/team/app:{n}");
        oras.run(format!("push --plain-http {artifact} ./artifact.txt:text/plain")).await;
        oras.run(format!("pull --plain-http {artifact} -o pulled-{n}")).await;
        assert_eq!(workspace.read(&format!("pulled-{n}/artifact.txt")), TEXT, "{kind}");
        let elsewhere = format!("{host}/other/app:{n}");
        oras.refused(format!("push --plain-http {elsewhere} ./artifact.txt:text/plain")).await;
        oras.run(format!("logout {host}")).await;
    }
}

#[tokio::test]
async fn docker_signs_in_with_each_kind_of_credential() {
    let workspace = Workspace::new();
    let Some(docker) = workspace.tool("docker") else { return };
    let provider = OidcProvider::start().await;
    let server = start().await;
    let host = server.host();
    for credential in all_kinds(&server, &workspace, provider.as_ref()).await {
        let Credential { kind, name, password } = credential;
        let login = format!("login {host} --username {name} --password-stdin");
        let said = docker.run_with_input(&login, &password).await;
        assert!(said.stdout.contains("Login Succeeded"), "{kind}: {}", said.stdout);
        docker.run(format!("logout {host}")).await;
        let said = docker.attempt(&login, format!("{password}x").as_bytes()).await;
        assert!(!said.succeeded, "{kind}: {}", said.stdout);
    }
}

#[tokio::test]
async fn skopeo_copies_with_each_kind_of_credential() {
    let workspace = Workspace::new();
    let (Some(oras), Some(skopeo)) = (workspace.tool("oras"), workspace.tool("skopeo")) else {
        return;
    };
    let provider = OidcProvider::start().await;
    let server = start().await;
    let host = server.host();
    workspace.write("artifact.txt", TEXT);
    let login = format!("login {host} --plain-http --username {ADMIN} --password {PASSWORD}");
    oras.run(login).await;
    oras.run(format!("push --plain-http {host}/team/app:1.0 ./artifact.txt:text/plain")).await;
    for (n, credential) in
        all_kinds(&server, &workspace, provider.as_ref()).await.iter().enumerate()
    {
        let Credential { name, password, .. } = credential;
        let login = format!("login {host} --tls-verify=false --username {name} --password-stdin");
        skopeo.run_with_input(login, password).await;
        let tls = "--src-tls-verify=false --dest-tls-verify=false";
        let (from, to) =
            (format!("docker://{host}/team/app:1.0"), format!("docker://{host}/team/copy:{n}"));
        skopeo.run(format!("copy {tls} {from} {to}")).await;
        skopeo.run(format!("inspect --raw --tls-verify=false {to}")).await;
        skopeo.run(format!("logout {host}")).await;
    }
}

#[tokio::test]
async fn helm_pushes_with_each_kind_of_credential() {
    let workspace = Workspace::new();
    let Some(helm) = workspace.tool("helm") else { return };
    let provider = OidcProvider::start().await;
    let server = start().await;
    let host = server.host();
    helm.run("create app").await;
    for (n, credential) in
        all_kinds(&server, &workspace, provider.as_ref()).await.iter().enumerate()
    {
        let Credential { kind, name, password } = credential;
        let login =
            format!("registry login {host} --plain-http --username {name} --password-stdin");
        helm.run_with_input(login, password).await;
        helm.run(format!("package app --version 1.0.{n}")).await;
        helm.run(format!("push app-1.0.{n}.tgz oci://{host}/team --plain-http")).await;
        let shown = helm
            .run(format!("show chart oci://{host}/team/app --version 1.0.{n} --plain-http"))
            .await;
        assert!(shown.stdout.contains(&format!("version: 1.0.{n}")), "{kind}: {}", shown.stdout);
        helm.run(format!("registry logout {host}")).await;
    }
}

#[tokio::test]
async fn containerd_asks_by_post_with_each_kind_of_credential() {
    let workspace = Workspace::new();
    let provider = OidcProvider::start().await;
    let server = start().await;
    let host = server.host();
    for credential in all_kinds(&server, &workspace, provider.as_ref()).await {
        let Credential { kind, name, password } = credential;
        let form = [
            ("grant_type", "password"),
            ("client_id", "containerd-client"),
            ("service", &host),
            ("scope", "repository:team/app:pull,push"),
            ("username", &name),
            ("password", &password),
        ];
        let request = server.anonymous().request(Method::POST, "/oauth2/token").form(&form);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{kind}");
        let answer = answer.json::<serde_json::Value>().await.unwrap();
        let client = server.anonymous().with_token(answer["access_token"].as_str().unwrap());
        let upload = client.request(Method::POST, "/v2/team/app/blobs/uploads/").send().await;
        assert_eq!(upload.unwrap().status(), StatusCode::ACCEPTED, "{kind}");
        let upload = client.request(Method::POST, "/v2/other/app/blobs/uploads/").send().await;
        assert_eq!(upload.unwrap().status(), StatusCode::FORBIDDEN, "{kind}");
    }
}

#[tokio::test]
async fn no_log_holds_a_secret() {
    let workspace = Workspace::new();
    let provider = OidcProvider::start().await;
    for format in ["text", "json"] {
        let config = Some(format!(
            "[log]\nlevel = \"trace\"\nformat = \"{format}\"\n\
             [auth]\nprivate_issuers = [\"127.0.0.0/8\"]\n"
        ));
        let server = Orlop::start(Options { config, ..Options::default() }).await;
        let mut secrets = vec![PASSWORD.to_owned(), "wrong-password".to_owned()];
        for Credential { name, password, .. } in
            all_kinds(&server, &workspace, provider.as_ref()).await
        {
            let client = server.anonymous().signed_in_as(&name, &password);
            let answer = client.get("/oauth2/token?offline_token=true").await;
            let answer = answer.json::<serde_json::Value>().await.unwrap();
            let text = |field: &str| answer[field].as_str().unwrap().to_owned();
            server.anonymous().with_token(&text("token")).get("/v2/").await;
            server.anonymous().signed_in_as(&name, "wrong-password").get("/v2/").await;
            let header = STANDARD.encode(format!("{name}:{password}"));
            secrets.extend([password, header, text("token"), text("refresh_token")]);
        }
        let output = server.output();
        assert!(output.contains("wrong password") && output.contains("TRACE"), "{output}");
        for secret in &secrets {
            assert!(!output.contains(secret), "{secret} is in the log");
        }
    }
}

#[tokio::test]
async fn the_command_line_shows_tables_and_says_what_was_refused() {
    let workspace = Workspace::new();
    let server = start().await;
    let orlop = workspace.orlop(&server);
    orlop.run("user create alice --display-name Alice").await;
    let table = orlop.run("user list").await;
    let lines = table.lines();
    assert!(lines[0].starts_with("NAME   DISPLAY NAME  ENABLED"), "{}", table.stdout);
    assert!(lines[1].starts_with("admin") && lines[2].starts_with("alice"), "{}", table.stdout);
    let said = orlop.refused("user create alice").await;
    assert!(said.stderr.contains("named \"alice\" already"), "{}", said.stderr);
    let said = orlop.refused("role assign --identity alice --role King").await;
    assert!(said.stderr.contains("is not a role"), "{}", said.stderr);
    let said = orlop.clone().env("ORLOP_PASSWORD", "wrong password").refused("user list").await;
    assert!(said.stderr.contains("wrong"), "{}", said.stderr);

    workspace
        .write("htpasswd", "carol:$2y$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy\n");
    orlop.run("user import-htpasswd htpasswd").await;
    orlop.run("scope-map put readers --rule team/*=content/read,metadata/read").await;
    orlop.run("role assign --identity carol --scope-map readers").await;
    let assignments = orlop.run("role assignments -o json").await.json();
    assert_eq!(assignments[1]["scopeMap"], "readers");
    orlop.run("signing-key rotate").await;
    assert_eq!(orlop.run("signing-key list -o json").await.json().as_array().unwrap().len(), 2);
    let audit = orlop.run("audit").await;
    assert!(audit.stdout.contains("signing-key.rotate"), "{}", audit.stdout);
}
