use serde_json::json;

use crate::support::http::{expect, json_of, send};
use crate::support::tool::Output;
use crate::support::{ADMIN, Options, Orlop, PASSWORD, Tool, Workspace};

/// A server with TLS and repositories that are open to all, and a Python that knows where it is.
async fn begin(workspace: &Workspace, python: &str) -> Option<(Orlop, Tool)> {
    let python = workspace.tool(python)?;
    let config = "[auth]\nanonymous_pull = [\"public/*\"]\n".to_owned();
    let options = Options { tls: true, config: Some(config), ..Options::default() };
    let orlop = Orlop::start(options).await;
    let http = orlop.http();
    let create = http.request(reqwest::Method::POST, &format!("/api/v1/users/{ADMIN}/tokens"));
    let created = send(create.json(&json!({"label": "sdk"}))).await;
    let token = json_of(expect(created, reqwest::StatusCode::CREATED).await).await;
    let token = token["secret"].as_str().expect("the token is shown once").to_owned();
    let python = python
        .env("ENDPOINT", orlop.url().replace("127.0.0.1", "localhost"))
        .env("CERTIFICATE", orlop.certificate().to_string_lossy())
        .env("TOKEN", token)
        .env("USERNAME", ADMIN)
        .env("PASSWORD", PASSWORD);
    Some((orlop, python))
}

async fn run(workspace: &Workspace, python: &Tool, program: &str) -> Output {
    workspace.write("sdk.py", program);
    python.run("sdk.py").await
}

/// Every public method of `ContainerRegistryClient`; what it asserts stands in `sdk.py`.
#[tokio::test]
async fn the_python_sdk_works_with_a_token_with_a_password_and_anonymously() {
    let workspace = Workspace::new();
    let Some((_orlop, python)) = begin(&workspace, "azure-python").await else { return };
    let said = run(&workspace, &python, include_str!("sdk.py")).await;
    assert_eq!(
        said.lines(),
        ["token: all passed", "password: all passed", "anonymous: all passed"]
    );
}

#[tokio::test]
async fn the_python_sdk_for_asyncio_works_with_a_token_and_with_a_password() {
    let workspace = Workspace::new();
    let Some((orlop, python)) = begin(&workspace, "azure-aio-python").await else { return };
    // Without credentials, it asks for a token by a client that it tells nothing of certificates.
    let python = python.env("SSL_CERT_FILE", orlop.certificate().to_string_lossy());
    let said = run(&workspace, &python, include_str!("sdk_async.py")).await;
    assert_eq!(said.lines(), ["token: all passed", "password: all passed", "anonymous: refused"]);
}
