use serde_json::json;

use crate::support::http::{expect, json_of, send};
use crate::support::{ADMIN, Options, Orlop, PASSWORD, Workspace};

/// Every public method of `ContainerRegistryClient`; what it asserts stands in `sdk.py`.
#[tokio::test]
async fn the_python_sdk_works_with_a_token_with_a_password_and_anonymously() {
    let workspace = Workspace::new();
    let Some(python) = workspace.tool("azure-python") else { return };
    let config = "[auth]\nanonymous_pull = [\"public/*\"]\n".to_owned();
    let options = Options { tls: true, config: Some(config), ..Options::default() };
    let orlop = Orlop::start(options).await;
    let http = orlop.http();
    let create = http.request(reqwest::Method::POST, &format!("/api/v1/users/{ADMIN}/tokens"));
    let created = send(create.json(&json!({"label": "sdk"}))).await;
    let token = json_of(expect(created, reqwest::StatusCode::CREATED).await).await;
    let token = token["secret"].as_str().expect("the token is shown once").to_owned();
    workspace.write("sdk.py", include_str!("sdk.py"));
    let said = python
        .env("ENDPOINT", orlop.url().replace("127.0.0.1", "localhost"))
        .env("CERTIFICATE", orlop.certificate().to_string_lossy())
        .env("TOKEN", token)
        .env("USERNAME", ADMIN)
        .env("PASSWORD", PASSWORD)
        .run("sdk.py")
        .await;
    assert_eq!(
        said.lines(),
        ["token: all passed", "password: all passed", "anonymous: all passed"]
    );
}
