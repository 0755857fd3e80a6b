//! az, set up so that the registry `local` is the server of a test.

use serde_json::{Value, json};

use super::support::http::{OCI_INDEX, OCI_MANIFEST, expect};
use super::support::tool::Output;
use super::support::{ADMIN, Http, Options, Orlop, PASSWORD, Tool, Workspace, digest_of};

pub const REPOSITORY: &str = "samples/artifact";

pub struct Az {
    az: Tool,
    pub orlop: Orlop,
    pub http: Http,
    _workspace: Workspace,
}

impl Az {
    /// A server with TLS and an az that knows it; none where az is not installed.
    pub async fn begin() -> Option<Self> {
        let workspace = Workspace::new();
        let az = workspace.tool("az")?;
        let orlop = Orlop::start(Options { tls: true, ..Options::default() }).await;
        let port = orlop.host().rsplit_once(':').expect("the host has a port").1.to_owned();
        // The registry's name and the suffix make the host: `local` + `host:PORT`.
        let cloud = format!("[AzureCloud]\nsuffix_acr_login_server_endpoint = host:{port}\n");
        workspace.write(".azure/clouds.config", cloud);
        let az = az
            .env("AZURE_CONFIG_DIR", workspace.path(".azure").to_string_lossy())
            .env("AZURE_CORE_COLLECT_TELEMETRY", "0")
            .env("REQUESTS_CA_BUNDLE", orlop.certificate().to_string_lossy());
        let http = orlop.http();
        Some(Self { az, orlop, http, _workspace: workspace })
    }

    /// `az acr COMMAND`, which must succeed.
    pub async fn run(&self, command: &str) -> Output {
        self.az.run(line(command)).await
    }

    pub async fn json(&self, command: &str) -> Value {
        self.run(command).await.json()
    }

    /// What `az acr COMMAND`, which must fail, says.
    pub async fn refused(&self, command: &str) -> String {
        self.az.refused(line(command)).await.stderr
    }

    /// Pushes an artifact to [`REPOSITORY`], and answers its digest.
    pub async fn push(&self, tag: &str) -> String {
        self.http.push_artifact(REPOSITORY, tag, tag.as_bytes()).await
    }

    /// Pushes an index of one image for linux/amd64, and answers both digests.
    pub async fn push_index(&self, tag: &str) -> (String, String) {
        let http = &self.http;
        let config = json!({"architecture": "amd64", "os": "linux"}).to_string();
        let image = json!({
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": http.push_blob(REPOSITORY, config.clone()).await,
                "size": config.len(),
            },
            "layers": [],
        });
        let image = image.to_string();
        let digest = digest_of(&image);
        let child = json!({
            "mediaType": OCI_MANIFEST,
            "digest": digest,
            "size": image.len(),
            "platform": {"architecture": "amd64", "os": "linux"},
        });
        let answer = http.put_manifest(REPOSITORY, &digest, OCI_MANIFEST, image).await;
        expect(answer, reqwest::StatusCode::CREATED).await;
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [child]});
        let index = index.to_string();
        let index_digest = digest_of(&index);
        let answer = http.put_manifest(REPOSITORY, tag, OCI_INDEX, index).await;
        expect(answer, reqwest::StatusCode::CREATED).await;
        (index_digest, digest)
    }
}

fn line(command: &str) -> String {
    let registry = if command.starts_with("manifest") { "-r local" } else { "-n local" };
    format!("acr {command} {registry} -u {ADMIN} -p {PASSWORD}")
}

/// The names of the fields, sorted.
pub fn fields(value: &Value) -> Vec<&str> {
    let mut names: Vec<_> = value.as_object().expect("an object").keys().map(|k| &**k).collect();
    names.sort_unstable();
    names
}

/// The four attributes, in az's order.
pub fn attributes(delete: bool, list: bool, read: bool, write: bool) -> Value {
    json!({"deleteEnabled": delete, "listEnabled": list, "readEnabled": read, "writeEnabled": write})
}
