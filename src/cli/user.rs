use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Error;
use super::api::{Api, ApiArgs, segment};

const COLUMNS: [(&str, &str); 4] = [
    ("NAME", "name"),
    ("DISPLAY NAME", "displayName"),
    ("ENABLED", "enabled"),
    ("CREATED", "createdTime"),
];

/// Manage the people who may sign in
#[derive(Args)]
pub struct User {
    #[command(flatten)]
    api: ApiArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List all users
    List,
    /// Show one user
    Show { name: String },
    /// Add a user; without a password one is made up and shown once
    Create {
        name: String,
        #[arg(long, default_value = "")]
        display_name: String,
        #[arg(long, env = "ORLOP_NEW_PASSWORD", hide_env_values = true)]
        new_password: Option<String>,
    },
    /// Give a user another password; without one it is made up and shown once
    SetPassword {
        name: String,
        #[arg(long, env = "ORLOP_NEW_PASSWORD", hide_env_values = true)]
        new_password: Option<String>,
    },
    /// Let a user sign in again
    Enable { name: String },
    /// Shut a user out without removing anything
    Disable { name: String },
    /// Remove a user with all tokens and roles
    Delete { name: String },
    /// Add the users of a file that `htpasswd -B` wrote, with their passwords
    ImportHtpasswd { file: PathBuf },
}

impl User {
    pub async fn run(self) -> Result<(), Error> {
        let api = self.api.open()?;
        match self.command {
            Command::List => {
                let users = list(&api, "users").await?;
                api.show_list(&users, &COLUMNS);
            }
            Command::Show { name } => api.show(&api.get(&path(&name)).await?),
            Command::Create { name, display_name, new_password } => {
                let body =
                    json!({ "name": name, "displayName": display_name, "password": new_password });
                api.show(&api.post("users", &body).await?);
            }
            Command::SetPassword { name, new_password } => {
                let path = format!("{}/password", path(&name));
                api.show(&api.put(&path, &json!({ "password": new_password })).await?);
            }
            Command::Enable { name } => enable(&api, &path(&name), true).await?,
            Command::Disable { name } => enable(&api, &path(&name), false).await?,
            Command::Delete { name } => api.delete(&path(&name)).await?,
            Command::ImportHtpasswd { file } => {
                import(&api, &std::fs::read_to_string(file)?).await?
            }
        }
        Ok(())
    }
}

fn path(name: &str) -> String {
    format!("users/{}", segment(name))
}

/// All entries of a list that comes in pages by name.
pub(super) async fn list(api: &Api, kind: &str) -> Result<Value, Error> {
    const PAGE: usize = 1000;
    let mut all = Vec::new();
    loop {
        let last = all.last().and_then(|entry: &Value| entry["name"].as_str()).unwrap_or_default();
        let mut answer = api.get(&format!("{kind}?n={PAGE}&last={}", segment(last))).await?;
        let Value::Array(page) = answer[kind].take() else { return Ok(all.into()) };
        let is_last = page.len() < PAGE;
        all.extend(page);
        if is_last {
            return Ok(all.into());
        }
    }
}

pub(super) async fn enable(api: &Api, path: &str, enabled: bool) -> Result<(), Error> {
    api.show(&api.patch(path, &json!({ "enabled": enabled })).await?);
    Ok(())
}

/// Goes on after users that cannot be added, and fails at the end if there were any.
async fn import(api: &Api, text: &str) -> Result<(), Error> {
    let mut failures = 0;
    for line in
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let (name, hash) = line.split_once(':').unwrap_or((line, ""));
        match api.post("users", &json!({ "name": name, "passwordHash": hash })).await {
            Ok(_) => println!("{name}: added"),
            Err(error) => {
                failures += 1;
                eprintln!("{name}: {error}");
            }
        }
    }
    if failures == 0 { Ok(()) } else { Err(format!("{failures} users were not added").into()) }
}
