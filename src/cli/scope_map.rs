use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Error;
use super::api::{ApiArgs, rule, segment};

const COLUMNS: [(&str, &str); 3] =
    [("NAME", "name"), ("DESCRIPTION", "description"), ("RULES", "rules")];

/// Manage scope maps: named sets of rights of your own
#[derive(Args)]
pub struct ScopeMap {
    #[command(flatten)]
    api: ApiArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List all scope maps
    List,
    /// Show one
    Show { name: String },
    /// Make one, or replace the one of this name
    Put {
        name: String,
        #[arg(long, default_value = "")]
        description: String,
        /// What is allowed where, such as team/*=content/read,metadata/read; may come several times
        #[arg(long = "rule", value_parser = rule, required = true)]
        rules: Vec<Value>,
    },
    /// Remove one that nobody has
    Delete { name: String },
}

impl ScopeMap {
    pub async fn run(self) -> Result<(), Error> {
        let api = self.api.open()?;
        let path = |name: &str| format!("scope-maps/{}", segment(name));
        match self.command {
            Command::List => api.show_list(&api.get("scope-maps").await?["scopeMaps"], &COLUMNS),
            Command::Show { name } => api.show(&api.get(&path(&name)).await?),
            Command::Put { name, description, rules } => {
                let body = json!({ "description": description, "rules": rules });
                api.show(&api.put(&path(&name), &body).await?);
            }
            Command::Delete { name } => api.delete(&path(&name)).await?,
        }
        Ok(())
    }
}
