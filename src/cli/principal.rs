use clap::{Args, Subcommand};
use serde_json::json;

use super::Error;
use super::api::{Api, ApiArgs, seconds, segment};
use super::user::{enable, list};

const COLUMNS: [(&str, &str); 4] = [
    ("ID", "name"),
    ("DISPLAY NAME", "displayName"),
    ("ENABLED", "enabled"),
    ("CREATED", "createdTime"),
];

/// Manage service principals: programs that sign in with an id and a secret
#[derive(Args)]
pub struct Principal {
    #[command(flatten)]
    api: ApiArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List all service principals
    List,
    /// Show one with its secrets' ids and ends
    Show { id: String },
    /// Add one with a secret, which is shown once
    Create {
        display_name: String,
        /// How long the secret lives, such as 90d; without end if not given
        #[arg(long, value_parser = seconds)]
        expires_in: Option<u32>,
        /// A role to give it
        #[arg(long, requires = "repositories")]
        role: Option<String>,
        /// The repositories that the role is for, such as team/*
        #[arg(long, requires = "role")]
        repositories: Option<String>,
    },
    /// Add a second secret, to change to without a gap
    AddSecret {
        id: String,
        #[arg(long, default_value = "")]
        label: String,
        #[arg(long, value_parser = seconds)]
        expires_in: Option<u32>,
    },
    /// Remove a secret; what was issued on it ends
    RemoveSecret { id: String, secret: String },
    /// Let one sign in again
    Enable { id: String },
    /// Shut one out without removing anything
    Disable { id: String },
    /// Remove one with its secrets and roles
    Delete { id: String },
}

impl Principal {
    pub async fn run(self) -> Result<(), Error> {
        let api = self.api.open()?;
        match self.command {
            Command::List => {
                let principals = list(&api, "principals").await?;
                api.show_list(&principals, &COLUMNS);
            }
            Command::Show { id } => api.show(&api.get(&path(&id)).await?),
            Command::Create { display_name, expires_in, role, repositories } => {
                let body =
                    json!({ "displayName": display_name, "secretExpiresInSeconds": expires_in });
                let principal = api.post("principals", &body).await?;
                if let (Some(role), Some(repositories)) = (role, repositories) {
                    let id = principal["name"].as_str().unwrap_or_default();
                    assign_or_remove(&api, id, &role, &repositories).await?;
                }
                api.show(&principal);
            }
            Command::AddSecret { id, label, expires_in } => {
                let body = json!({ "label": label, "expiresInSeconds": expires_in });
                api.show(&api.post(&format!("{}/secrets", path(&id)), &body).await?);
            }
            Command::RemoveSecret { id, secret } => {
                api.delete(&format!("{}/secrets/{}", path(&id), segment(&secret))).await?;
            }
            Command::Enable { id } => enable(&api, &path(&id), true).await?,
            Command::Disable { id } => enable(&api, &path(&id), false).await?,
            Command::Delete { id } => api.delete(&path(&id)).await?,
        }
        Ok(())
    }
}

fn path(id: &str) -> String {
    format!("principals/{}", segment(id))
}

/// A new one whose role cannot be given must not be left behind: its secret was never shown.
async fn assign_or_remove(
    api: &Api,
    id: &str,
    role: &str,
    repositories: &str,
) -> Result<(), Error> {
    let body = json!({ "identity": id, "role": role, "repositories": repositories });
    if let Err(error) = api.post("assignments", &body).await {
        api.delete(&path(id)).await?;
        return Err(error);
    }
    Ok(())
}
