//! az, set up so that the registry `local` or `registry` is the server of a test.

use serde_json::{Value, json};

use super::support::http::{OCI_INDEX, OCI_MANIFEST, expect};
use super::support::tool::Output;
use super::support::{ADMIN, Http, Options, Orlop, PASSWORD, Tool, Workspace, digest_of};

pub const REPOSITORY: &str = "samples/artifact";

pub struct Az {
    az: Tool,
    /// What stands before `acr`, if az is run by another program.
    prefix: String,
    /// The registry as az names it.
    name: &'static str,
    pub orlop: Orlop,
    pub http: Http,
    _workspace: Workspace,
}

impl Az {
    /// A server with TLS and an az that knows it; none where az is not installed.
    pub async fn begin() -> Option<Self> {
        let workspace = Workspace::new();
        let az = workspace.tool("az")?;
        Some(Self::start(workspace, az, String::new(), "local", "host").await)
    }

    /// The same, but the server is `registry.localhost`: az takes a registry by its host only if
    /// that has a dot. The name is known to az alone.
    pub async fn begin_with_dotted_host() -> Option<Self> {
        let workspace = Workspace::new();
        let (az, unshare) = (workspace.tool("az")?, workspace.tool("unshare")?);
        workspace.write("hosts", "127.0.0.1 localhost registry.localhost\n");
        workspace.write("as.sh", "mount --bind \"$1\" /etc/hosts && shift && exec \"$@\"\n");
        let [script, hosts] = ["as.sh", "hosts"].map(|file| workspace.path(file));
        let apart =
            format!("--user --map-root-user --mount sh {} {}", script.display(), hosts.display());
        let attempt = unshare.attempt(&format!("{apart} true"), b"").await;
        if !attempt.succeeded {
            unshare.skip(&attempt.stderr);
            return None;
        }
        let prefix = format!("{apart} {} ", az.program().display());
        Some(Self::start(workspace, unshare, prefix, "registry", ".localhost").await)
    }

    async fn start(
        workspace: Workspace,
        az: Tool,
        prefix: String,
        name: &'static str,
        suffix: &str,
    ) -> Self {
        let orlop = Orlop::start(Options { tls: true, ..Options::default() }).await;
        let port = orlop.host().rsplit_once(':').expect("the host has a port").1.to_owned();
        // The registry's name and the suffix make the host: `local` + `host:PORT`.
        let cloud = format!("[AzureCloud]\nsuffix_acr_login_server_endpoint = {suffix}:{port}\n");
        workspace.write(".azure/clouds.config", cloud);
        let az = az
            .env("AZURE_CONFIG_DIR", workspace.path(".azure").to_string_lossy())
            .env("AZURE_CORE_COLLECT_TELEMETRY", "0")
            .env("REQUESTS_CA_BUNDLE", orlop.certificate().to_string_lossy());
        let http = orlop.http();
        Self { az, prefix, name, orlop, http, _workspace: workspace }
    }

    /// The same az as somebody else.
    pub async fn json_as(&self, user: &str, password: &str, command: &str) -> Value {
        self.az.run(self.line_as(user, password, command)).await.json()
    }

    pub async fn refused_as(&self, user: &str, password: &str, command: &str) -> String {
        self.az.refused(self.line_as(user, password, command)).await.stderr
    }

    /// `az acr COMMAND` on this registry, unless the command says on which.
    fn line_as(&self, user: &str, password: &str, command: &str) -> String {
        let Self { prefix, name, .. } = self;
        let registry = match command {
            _ if command.contains(".localhost:") => String::new(),
            _ if command.starts_with("manifest") => format!("-r {name}"),
            _ => format!("-n {name}"),
        };
        format!("{prefix}acr {command} {registry} -u {user} -p {password}")
    }

    fn line(&self, command: &str) -> String {
        self.line_as(ADMIN, PASSWORD, command)
    }

    /// `az acr COMMAND`, which must succeed.
    pub async fn run(&self, command: &str) -> Output {
        self.az.run(self.line(command)).await
    }

    pub async fn json(&self, command: &str) -> Value {
        self.run(command).await.json()
    }

    /// What `az acr COMMAND`, which must fail, says.
    pub async fn refused(&self, command: &str) -> String {
        self.az.refused(self.line(command)).await.stderr
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
