//! A real OpenID provider as a child process on loopback (`tests/support/oidc-provider.mjs`).

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::tool::{find, reason_for_lack_of, skip};

pub const AUDIENCE: &str = "orlop";
pub const CLIENT_SECRET: &str = "a-client-secret";
/// Where the provider sends browsers back to.
pub const CALLBACK: &str = "http://registry.test/oauth2/callback";

const TIME_LIMIT: Duration = Duration::from_secs(60);

pub struct OidcProvider {
    pub issuer: String,
    /// The private key that it signs with, and its name.
    pub key: String,
    pub kid: String,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl OidcProvider {
    /// None if it could not be set up here; then the test ends early, and that is told.
    pub async fn start() -> Option<Self> {
        let Some(program) = find("oidc-provider") else {
            skip("oidc-provider", &reason_for_lack_of("oidc-provider"));
            return None;
        };
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/oidc-provider.mjs");
        let mut child = Command::new(program)
            .arg(script)
            .arg(CALLBACK)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("cannot start the OpenID provider");
        let input = child.stdin.take().expect("stdin is piped");
        let output = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let (issuer, key, kid) = Default::default();
        let mut provider = Self { issuer, key, kid, input, output, _child: child };
        provider.read_keys().await;
        Some(provider)
    }

    /// Replaces its keys by a new one.
    pub async fn rotate(&mut self) {
        self.command("rotate").await;
        self.read_keys().await;
    }

    /// Hides its keys, or shows them again.
    pub async fn set_down(&mut self, down: bool) {
        self.command(if down { "down" } else { "up" }).await;
        assert_eq!(self.line().await["down"], down);
    }

    /// An ID token with these claims beside the usual ones; null leaves one out.
    pub fn id_token(&self, claims: Value) -> String {
        let kid = self.kid.clone();
        self.sign(Header { kid: Some(kid), ..Header::new(Algorithm::RS256) }, claims)
    }

    pub fn sign(&self, header: Header, claims: Value) -> String {
        let key = EncodingKey::from_rsa_pem(self.key.as_bytes()).unwrap();
        jsonwebtoken::encode(&header, &self.claims(claims), &key).unwrap()
    }

    pub fn claims(&self, more: Value) -> Value {
        let mut claims = json!({
            "iss": self.issuer,
            "aud": AUDIENCE,
            "sub": "repo:org/app:ref:refs/heads/main",
            "iat": seconds(),
            "exp": seconds() + 300,
        });
        for (name, value) in more.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        claims
    }

    async fn command(&mut self, line: &str) {
        self.input.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    async fn read_keys(&mut self) {
        let line = self.line().await;
        let text = |name: &str| line[name].as_str().unwrap().to_owned();
        (self.issuer, self.key, self.kid) = (text("issuer"), text("key"), text("kid"));
    }

    async fn line(&mut self) -> Value {
        let line = tokio::time::timeout(TIME_LIMIT, self.output.next_line()).await;
        let line = line.expect("the OpenID provider says nothing").unwrap();
        serde_json::from_str(&line.expect("the OpenID provider has ended")).unwrap()
    }
}

pub fn seconds() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
}
