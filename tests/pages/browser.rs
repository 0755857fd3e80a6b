//! The pages in Chromium, wide and light, narrow and dark: nothing is wider than the screen, nothing
//! complains or weighs too much, axe-core finds no serious fault, and what people do works. Pictures are left with the
//! results of the run.

use std::path::PathBuf;

use orlop::metadata::storage_samples::HOUR;
use serde_json::{Value, json};

use crate::samples::{artifact, digest, image, index, sbom, signature};
use crate::storage::{past, round};
use crate::support::{ADMIN, Options, Orlop, PASSWORD, Tool, Workspace, results};

const REPOSITORY: &str = "team/shop";

/// Content of all kinds, and the pages that show it.
async fn furnish(server: &Orlop) -> Vec<Value> {
    let http = server.http();
    let one = image(&http, REPOSITORY, Some("1.0-amd64"), "one").await;
    let two = image(&http, REPOSITORY, None, "two").await;
    let both = index(&http, REPOSITORY, "1.0", &[("amd64", &one), ("arm64", &two)]).await;
    let packages = sbom(&http, REPOSITORY, &both, &[("zlib", "1.3"), ("openssl", "3.1")]).await;
    signature(&http, REPOSITORY, &both).await;
    let long = [["x"; 63].concat(), ["y"; 63].concat(), ["z"; 63].concat(), ["w"; 63].concat()];
    let (long, tag) = (long.join("/"), ["t"; 128].concat());
    let (long_key, long_value) = (["k"; 200].concat(), ["v"; 2000].concat());
    let more = json!({"annotations": {
        (long_key): long_value,
        "readme": "# Title\n\n| a | b |\n|-|-|\n| 1 | 2 |\n\n`code`\n\n    more code that is long and goes on and on",
    }});
    artifact(&http, &long, Some(&tag), "application/vnd.example", ("text/plain", b"hi"), more)
        .await;
    past(server, 300).await;
    round(server, 0, false).await;
    round(server, HOUR, false).await;
    round(server, 2 * HOUR, true).await;
    let page = |name: &str, path: String| json!({"name": name, "path": path});
    let (within, far) = (format!("/r/{REPOSITORY}/-"), format!("/r/{long}"));
    let manifest = digest(&packages);
    vec![
        page("repositories", "/".into()),
        page("repository", format!("/r/{REPOSITORY}")),
        page("index", format!("{within}/manifests/1.0")),
        page("image", format!("{within}/manifests/1.0-amd64")),
        page("sbom", format!("{within}/manifests/{manifest}")),
        page("compare", format!("{within}/compare?a=1.0&b=1.0-amd64")),
        page("tag", format!("{within}/tags/1.0")),
        page("delete", format!("{within}/manifests/1.0/delete")),
        page("long-names", far.clone()),
        page("long-artifact", format!("{far}/-/manifests/{tag}")),
        page("welcome", "/welcome".into()),
        page("promote", format!("/promote?source={REPOSITORY}:1.0&target={long}:new")),
        page("user", format!("/users/{ADMIN}")),
        page("users", "/users".into()),
        page("robots", "/principals".into()),
        page("roles", "/roles".into()),
        page("scope-maps", "/scope-maps".into()),
        page("audit", "/audit".into()),
        page("storage", "/storage".into()),
        page("activity", "/storage/activity".into()),
    ]
}

/// Chromium, driven by a script of the harness.
pub struct Browser {
    chromium: PathBuf,
    playwright: Tool,
}

impl Browser {
    /// None where there is none; then the test is skipped.
    pub fn find(workspace: &Workspace) -> Option<Self> {
        let chromium = workspace.tool("chromium")?.program().to_owned();
        Some(Self { chromium, playwright: workspace.tool("playwright")? })
    }

    /// Looks at pages as the administrator, leaves pictures of them, and answers what they show, by
    /// name. Nothing may be wrong with any of them.
    pub async fn look(&self, workspace: &Workspace, server: &Orlop, plan: Value) -> Value {
        let shots = results().join("pages");
        std::fs::create_dir_all(&shots).unwrap();
        let mut whole =
            json!({"url": server.url(), "name": ADMIN, "password": PASSWORD, "shots": shots});
        whole.as_object_mut().unwrap().extend(plan.as_object().unwrap().clone());
        workspace.write("plan.json", whole.to_string());
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/browser.mjs");
        let line = format!("{script} {} plan.json", self.chromium.display());
        let seen = self.playwright.run(line).await.json();
        let problems = seen["problems"].as_array().unwrap().iter();
        let problems: Vec<_> = problems.map(|problem| problem.as_str().unwrap()).collect();
        assert!(problems.is_empty(), "{}", problems.join("\n"));
        seen["pages"].clone()
    }
}

#[tokio::test]
async fn the_pages_are_in_order_in_a_browser() {
    let workspace = Workspace::new();
    let Some(browser) = Browser::find(&workspace) else { return };
    let server = Orlop::start(Options::default()).await;
    // The other tests look whether pages are the same on each database.
    if server.is_on_postgres() {
        return;
    }
    let pages = furnish(&server).await;
    let plan = json!({"pages": pages, "repository": REPOSITORY, "manifest": "1.0"});
    let seen = browser.look(&workspace, &server, plan).await;
    assert_eq!(seen.as_object().unwrap().len(), pages.len());
}
