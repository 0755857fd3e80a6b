//! The OpenAPI document: kept in step with the code, and true of the running server.

use std::path::Path;

use serde_json::{Value, json};

use super::support::http::{expect, json_of, send};
use super::support::{ADMIN, Options, Orlop, PASSWORD, Workspace};

const SNAPSHOT: &str = "docs/openapi.json";

/// To take over a change: `ORLOP_UPDATE_SNAPSHOTS=1 cargo test --test api`.
#[test]
fn the_document_in_the_repository_is_that_of_the_code() {
    let document = serde_json::to_value(orlop::http::openapi::document()).unwrap();
    let text = format!("{document:#}\n");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(SNAPSHOT);
    if std::env::var_os("ORLOP_UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(kept == text, "{SNAPSHOT} is not what the code says: see the comment of this test");
}

#[test]
fn every_route_is_described() {
    let document = serde_json::to_value(orlop::http::openapi::document()).unwrap();
    for (method, route, _) in orlop::http::management::TABLES.into_iter().flatten() {
        let operation = &document["paths"][route][method.as_str().to_lowercase()];
        assert!(operation["responses"].is_object(), "{method} {route}");
        assert!(operation["summary"].is_string(), "{method} {route}");
    }
    // Nor is anything described that is not there.
    for (route, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys().map(|method| method.to_uppercase()) {
            let mut rows = orlop::http::management::TABLES.into_iter().flatten();
            let is_there = rows.any(|(m, path, _)| m.as_str() == method && path == route);
            assert!(is_there, "{method} {route} is in no table");
        }
    }
    let version = document["openapi"].as_str().unwrap();
    assert!(version.starts_with("3.1"), "{version}");
}

/// What no document can tell: names have grammars, unknown parameters are ignored, and who guesses
/// passwords is told to wait.
const UNTOLD: &str = "positive_data_acceptance,negative_data_rejection,ignored_auth";

/// Paths of content; the others are about who may do what.
const CONTENT: &str = "^/api/v1/(repositories|search|promotions|storage)";

#[tokio::test]
async fn schemathesis_finds_no_answer_that_the_document_does_not_tell() {
    let workspace = Workspace::new();
    let Some(schemathesis) = workspace.tool("schemathesis") else { return };
    let orlop = Orlop::start(Options::default()).await;
    let http = orlop.http();
    let document: Value = json_of(http.get("/api/openapi.json").await).await;
    workspace.write("openapi.json", document.to_string());
    let run = format!(
        "run openapi.json --url {} --auth {ADMIN}:{PASSWORD} --exclude-checks {UNTOLD} \
         --phases coverage,fuzzing --seed 1 --no-color",
        orlop.url()
    );
    let content = format!("{run} --max-examples 25 --include-path-regex {CONTENT}");
    // Fewer, as those that set passwords take their time.
    let access = format!("{run} --max-examples 8 --exclude-path-regex {CONTENT}");
    // Made-up names first, then those of something that is there.
    schemathesis.run(&content).await;
    schemathesis.run(&access).await;
    for layer in ["one", "two"] {
        http.push_artifact("app", "latest", layer.as_bytes()).await;
    }
    let alice = json!({"name": "alice", "password": PASSWORD});
    let create = http.request(reqwest::Method::POST, "/api/v1/users").json(&alice);
    expect(send(create).await, reqwest::StatusCode::CREATED).await;
    let names = "[parameters]\n\"path.repository\" = \"app\"\n\"path.tag\" = \"latest\"\n\
                 \"path.reference\" = \"latest\"\n\"path.name\" = \"alice\"\n";
    workspace.write("schemathesis.toml", names);
    schemathesis.run(format!("{content} --exclude-method DELETE")).await;
    schemathesis.run(format!("{access} --exclude-method DELETE")).await;
}
