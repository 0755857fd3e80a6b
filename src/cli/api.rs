//! What the commands share that are clients of a running registry's management API.

use std::io::{self, Read as _};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use reqwest::header::LINK;
use reqwest::{Certificate, Client, Method};
use serde_json::Value;

use super::{Error, colour, docker_credentials};

/// Where the registry is, who asks, and how the answer is shown.
#[derive(Args)]
pub struct ApiArgs {
    /// URL of the registry
    #[arg(long, global = true, env = "ORLOP_URL", default_value = "http://127.0.0.1:5000")]
    url: String,
    /// User or service principal to sign in as
    ///
    /// [default: who `docker login` or `oras login` signed in, else admin]
    #[arg(long, short, global = true, env = "ORLOP_USERNAME")]
    username: Option<String>,
    /// Its password, secret or token
    ///
    /// [default: what `docker login` or `oras login` keeps]
    #[arg(long, short, global = true, env = "ORLOP_PASSWORD", hide_env_values = true)]
    password: Option<String>,
    /// Read the password from standard input
    #[arg(long, global = true, conflicts_with = "password")]
    password_stdin: bool,
    /// File with the certificate of the authority to trust, in PEM
    #[arg(long, global = true, env = "ORLOP_CA_FILE")]
    ca_file: Option<PathBuf>,
    /// How to show the answer
    #[arg(long, short, global = true, value_enum)]
    output: Option<Format>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Table,
    Json,
    /// Values with tabs between them, for scripts
    Tsv,
}

/// A signed-in client of the management API.
pub struct Api {
    client: Client,
    url: String,
    pub username: String,
    /// The name and the password to send; the name may only say of what kind the password is.
    credentials: (String, String),
    pub format: Format,
}

#[derive(Debug, thiserror::Error)]
enum ApiError {
    #[error(
        "give a password with --password, --password-stdin or ORLOP_PASSWORD, or sign in with \
         `docker login` or `oras login`"
    )]
    NoPassword,
    #[error("{message} (status {status})")]
    Refused { status: u16, message: String },
}

impl ApiArgs {
    pub fn open(self) -> Result<Api, Error> {
        self.open_with(Format::Table)
    }

    /// Signs in; `format` is how answers are shown if the command line does not say it.
    pub fn open_with(self, format: Format) -> Result<Api, Error> {
        let password = match self.password {
            Some(password) => Some(password),
            None if self.password_stdin => {
                let mut text = String::new();
                io::stdin().read_to_string(&mut text)?;
                Some(text.trim_end_matches(['\r', '\n']).to_owned())
            }
            None => None,
        };
        let (username, credentials) = match (self.username, password) {
            (username, Some(password)) => {
                let username = username.unwrap_or_else(|| "admin".into());
                (username.clone(), (username, password))
            }
            (username, None) => {
                let kept = docker_credentials::of(&self.url)?.ok_or(ApiError::NoPassword)?;
                if username.is_some() && username != kept.username {
                    return Err(ApiError::NoPassword.into());
                }
                (kept.username.unwrap_or_default(), kept.credentials)
            }
        };
        let mut client = Client::builder();
        if let Some(file) = &self.ca_file {
            client = client.tls_certs_merge([Certificate::from_pem(&std::fs::read(file)?)?]);
        }
        Ok(Api {
            client: client.build()?,
            url: self.url.trim_end_matches('/').to_owned(),
            username,
            credentials,
            format: self.output.unwrap_or(format),
        })
    }
}

impl Api {
    pub async fn get(&self, path: &str) -> Result<Value, Error> {
        self.send(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, Error> {
        self.send(Method::POST, path, Some(body)).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Result<Value, Error> {
        self.send(Method::PUT, path, Some(body)).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Result<Value, Error> {
        self.send(Method::PATCH, path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Result<(), Error> {
        self.send(Method::DELETE, path, None).await.map(drop)
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Error> {
        Ok(self.ask(method, &format!("/api/v1/{path}"), body).await?.0)
    }

    /// The answer at a path of the registry, and the path of the page after it if there is one.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(Value, Option<String>), Error> {
        let request = self.client.request(method, format!("{}{path}", self.url));
        let (name, password) = &self.credentials;
        let mut request = request.basic_auth(name, Some(password));
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await?;
        let link = response.headers().get(LINK).and_then(|link| link.to_str().ok());
        let next = link.and_then(|link| link.strip_prefix('<')?.split_once('>'));
        let next = next.map(|(path, _)| path.to_owned());
        let status = response.status();
        let answer = response.bytes().await?;
        let answer = serde_json::from_slice(&answer).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok((answer, next));
        }
        let message = match answer["errors"][0]["message"].as_str() {
            Some(message) => message.to_owned(),
            None => "the registry gave no reason".to_owned(),
        };
        Err(ApiError::Refused { status: status.as_u16(), message }.into())
    }

    /// Shows the entries of a list. A column is a title and the field that it shows.
    pub fn show_list(&self, entries: &Value, columns: &[(&str, &str)]) {
        if self.format != Format::Table {
            return print_json(entries);
        }
        let entries = entries.as_array().map(Vec::as_slice).unwrap_or_default();
        let mut rows = vec![columns.iter().map(|(title, _)| (*title).to_owned()).collect()];
        for entry in entries {
            rows.push(columns.iter().map(|(_, field)| text(&entry[*field])).collect());
        }
        print_table(&rows);
    }

    /// Shows the fields of one thing.
    pub fn show(&self, thing: &Value) {
        match thing.as_object() {
            Some(fields) if self.format == Format::Table => {
                let rows: Vec<_> =
                    fields.iter().flat_map(|(name, value)| field(name, value)).collect();
                print_table(&rows);
            }
            _ => print_json(thing),
        }
    }
}

/// The rows of a field: one, or one for each entry of a list of things.
fn field(name: &str, value: &Value) -> Vec<Vec<String>> {
    match value.as_array() {
        Some(things) if things.iter().any(Value::is_object) => things
            .iter()
            .enumerate()
            .map(|(n, thing)| vec![if n == 0 { name.into() } else { String::new() }, text(thing)])
            .collect(),
        _ => vec![vec![name.into(), text(value)]],
    }
}

/// One segment of a path.
pub fn segment(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// Seconds of a length of time such as `90d`, `12h`, `30m` or `45s`.
pub fn seconds(text: &str) -> Result<u32, String> {
    let unit = text.chars().last().unwrap_or_default();
    let factor = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err("write a number and a unit, such as 90d, 12h, 30m or 45s".into()),
    };
    let number: u32 = text[..text.len() - 1].parse().map_err(|error| format!("{error}"))?;
    number.checked_mul(factor).ok_or_else(|| "that is too long".into())
}

/// A rule such as `team/*=content/read,metadata/read`.
pub fn rule(text: &str) -> Result<Value, String> {
    let (pattern, actions) = text
        .split_once('=')
        .ok_or("write PATTERN=ACTION,ACTION, such as team/*=content/read,metadata/read")?;
    let actions: Vec<_> = actions.split(',').collect();
    Ok(serde_json::json!({ "repositories": pattern, "actions": actions }))
}

pub fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(entries) => entries.iter().map(text).collect::<Vec<_>>().join(" "),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| format!("{name}={}", text(value)));
            fields.collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

pub fn print_json(value: &Value) {
    println!("{value:#}");
}

/// The first row holds the titles.
pub fn print_table(rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<_> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    for (n, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        let cells = cells.collect::<Vec<_>>().join("  ");
        let line = cells.trim_end();
        if n == 0 {
            println!("{}", colour::bold(line, &std::io::stdout()));
        } else {
            println!("{line}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_have_a_unit() {
        assert_eq!(seconds("90d"), Ok(90 * 86_400));
        assert_eq!(seconds("45s"), Ok(45));
        for text in ["", "d", "90", "-1d", "90w", "99999d99", "9999999999d", "1ä"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_rule_has_a_pattern_and_actions() {
        let rule = rule("team/*=content/read,metadata/read").unwrap();
        assert_eq!(rule["repositories"], "team/*");
        assert_eq!(rule["actions"][1], "metadata/read");
        assert!(super::rule("team/*").is_err());
    }
}
