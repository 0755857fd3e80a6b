use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Error;
use super::api::{ApiArgs, rule, seconds, segment};

const COLUMNS: [(&str, &str); 5] = [
    ("ID", "id"),
    ("LABEL", "label"),
    ("CREATED", "createdTime"),
    ("ENDS", "expiryTime"),
    ("RULES", "rules"),
];

/// Manage your personal access tokens
#[derive(Args)]
pub struct Token {
    #[command(flatten)]
    api: ApiArgs,
    /// Whose tokens; your own if not given
    #[arg(long, global = true)]
    user: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the tokens
    List,
    /// Make a token, which is shown once, to use in place of the password
    Create {
        #[arg(default_value = "")]
        label: String,
        /// How long it lives, such as 90d; without end if not given
        #[arg(long, value_parser = seconds)]
        expires_in: Option<u32>,
        /// What it may do, such as team/*=content/read; all that you may if not given
        #[arg(long = "rule", value_parser = rule)]
        rules: Vec<Value>,
    },
    /// Remove a token; what was issued on it ends
    Delete { id: String },
}

impl Token {
    pub async fn run(self) -> Result<(), Error> {
        let api = self.api.open()?;
        let user = self.user.as_deref().unwrap_or(&api.username);
        let path = format!("users/{}/tokens", segment(user));
        match self.command {
            Command::List => api.show_list(&api.get(&path).await?["tokens"], &COLUMNS),
            Command::Create { label, expires_in, rules } => {
                let body =
                    json!({ "label": label, "expiresInSeconds": expires_in, "rules": rules });
                api.show(&api.post(&path, &body).await?);
            }
            Command::Delete { id } => api.delete(&format!("{path}/{}", segment(&id))).await?,
        }
        Ok(())
    }
}
