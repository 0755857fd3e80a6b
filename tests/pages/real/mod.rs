//! What the pages show of content that people's own clients pushed, read in a browser, and whether
//! the commands that they show pull it.

mod artifacts;
mod charts;
mod images;
mod signed;

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::support::{ADMIN, Options, Orlop, PASSWORD, Tool, Workspace};

struct Story {
    workspace: Workspace,
    server: Orlop,
    browser: Browser,
    oras: Tool,
    host: String,
}

impl Story {
    /// With oras signed in, and whoever reads Docker's settings. None where a part is missing; then
    /// the test is skipped.
    async fn begin() -> Option<Self> {
        let workspace = Workspace::new();
        let (browser, oras) = (Browser::find(&workspace)?, workspace.tool("oras")?);
        let server = Orlop::start(Options::default()).await;
        // The other tests look whether pages are the same on each database.
        if server.is_on_postgres() {
            return None;
        }
        let host = server.host();
        oras.run(format!("login {host} --plain-http -u {ADMIN} -p {PASSWORD}")).await;
        Some(Self { workspace, server, browser, oras, host })
    }

    /// What is on pages, each a name and a path.
    async fn look(&self, pages: &[(&str, String)]) -> Value {
        let pages: Vec<_> =
            pages.iter().map(|(name, path)| json!({"name": name, "path": path})).collect();
        self.browser.look(&self.workspace, &self.server, json!({"pages": pages})).await
    }

    /// Runs a command that a page shows, as it stands there.
    async fn run(&self, command: &Value) {
        let (name, arguments) = command.as_str().unwrap().split_once(' ').unwrap();
        self.workspace.tool(name).unwrap().run(arguments).await;
    }

    async fn digest(&self, reference: &str) -> String {
        let line = format!("resolve --plain-http {}/{reference}", self.host);
        self.oras.run(line).await.text().to_owned()
    }

    /// Whether an OCI layout names it; what it refers to may stand there too.
    #[track_caller]
    fn layout_names(&self, folder: &str, digest: &str) {
        let index = self.workspace.json(&format!("{folder}/index.json"));
        let mut manifests = index["manifests"].as_array().unwrap().iter();
        assert!(manifests.any(|manifest| manifest["digest"] == digest), "{digest}: {index}");
    }
}

/// The address of what belongs to a repository.
fn within(repository: &str, kind: &str, what: &str) -> String {
    format!("/r/{repository}/-/{kind}/{what}")
}

/// As pages write it.
fn short(digest: &str) -> &str {
    &digest["sha256:".len()..][..12]
}

/// The first cells of each row, as many as `columns`.
fn rows(page: &Value, columns: usize) -> Vec<Vec<&str>> {
    let rows = page["rows"].as_array().unwrap().iter();
    rows.map(|row| row.as_array().unwrap().iter().take(columns).map(text).collect()).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

#[track_caller]
fn holds(page: &Value, part: &str) {
    assert!(text(&page["text"]).contains(part), "no {part:?} in {}", page["text"]);
}
