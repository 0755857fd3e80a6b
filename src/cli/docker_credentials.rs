//! What `docker login`, `oras login` and their like keep: Docker's configuration, and the programs
//! that it names for keeping secrets.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::Error;

/// The name that says that the password is a refresh token.
pub const TOKEN_USER: &str = "00000000-0000-0000-0000-000000000000";

/// What is kept of somebody who signed in.
#[derive(Debug, PartialEq, Eq)]
pub struct Kept {
    /// Who they are; programs that keep a refresh token do not tell.
    pub username: Option<String>,
    /// The name and the password to send.
    pub credentials: (String, String),
}

impl Kept {
    fn password(name: String, password: String) -> Self {
        Self { username: Some(name.clone()), credentials: (name, password) }
    }

    /// `docker login` keeps the refresh token that it got for the password.
    fn refresh_token(username: Option<String>, token: String) -> Self {
        Self { username, credentials: (TOKEN_USER.into(), token) }
    }
}

/// What is kept for the registry at `url`.
pub fn of(url: &str) -> Result<Option<Kept>, Error> {
    let host = url.split_once("://").map_or(url, |(_, host)| host);
    let host = host.split('/').next().unwrap_or_default();
    let Some(file) = file() else { return Ok(None) };
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot read {}: {error}", file.display()).into()),
    };
    let config: Value = serde_json::from_str(&text)
        .map_err(|error| format!("{} is no JSON: {error}", file.display()))?;
    let helper = config["credHelpers"][host].as_str().or(config["credsStore"].as_str());
    match helper {
        Some(helper) => from_helper(helper, host),
        None => Ok(from_auth(&config["auths"][host])),
    }
}

fn file() -> Option<PathBuf> {
    let folder = match std::env::var_os("DOCKER_CONFIG") {
        Some(folder) => PathBuf::from(folder),
        None => std::env::home_dir()?.join(".docker"),
    };
    Some(folder.join("config.json"))
}

fn from_auth(entry: &Value) -> Option<Kept> {
    let decoded = STANDARD.decode(entry["auth"].as_str()?).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (name, password) = text.split_once(':')?;
    let name = name.to_owned();
    Some(match entry["identitytoken"].as_str() {
        Some(token) if !token.is_empty() => Kept::refresh_token(Some(name), token.to_owned()),
        _ => Kept::password(name, password.trim_end_matches('\0').to_owned()),
    })
}

/// Asks a credential helper (docker/docker-credential-helpers): the host goes in, JSON comes out.
fn from_helper(helper: &str, host: &str) -> Result<Option<Kept>, Error> {
    let program = format!("docker-credential-{helper}");
    let mut child = Command::new(&program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("cannot run {program}, which keeps the password: {error}"))?;
    let mut stdin = child.stdin.take().ok_or("the helper takes no input")?;
    stdin.write_all(host.as_bytes())?;
    drop(stdin);
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Ok(None);
    }
    let kept: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("{program} answered no JSON: {error}"))?;
    let text = |field: &str| kept[field].as_str().map(str::to_owned);
    Ok(text("Username").zip(text("Secret")).map(|(name, secret)| match &*name {
        "<token>" => Kept::refresh_token(None, secret),
        _ => Kept::password(name, secret),
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_kept_password_may_hold_colons() {
        let auth = STANDARD.encode("alice:a:b");
        let found = from_auth(&json!({ "auth": auth }));
        assert_eq!(found, Some(Kept::password("alice".into(), "a:b".into())));
        for entry in [json!({}), json!({"auth": ""}), json!({"auth": "?"}), Value::Null] {
            assert_eq!(from_auth(&entry), None, "{entry}");
        }
    }

    #[test]
    fn a_refresh_token_stands_for_the_password() {
        let auth = STANDARD.encode("alice:");
        let found = from_auth(&json!({ "auth": auth, "identitytoken": "secret" })).unwrap();
        assert_eq!(found.username.as_deref(), Some("alice"));
        assert_eq!(found.credentials, (TOKEN_USER.into(), "secret".into()));
    }
}
