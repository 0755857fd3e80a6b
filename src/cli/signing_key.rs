use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Error;
use super::api::ApiArgs;

const COLUMNS: [(&str, &str); 3] =
    [("KID", "kid"), ("CREATED", "createdTime"), ("RETIRES", "retirementTime")];

/// Manage the keys that access tokens are signed with
#[derive(Args)]
pub struct SigningKey {
    #[command(flatten)]
    api: ApiArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the keys; the first one signs
    List,
    /// Sign with a new key from now on
    Rotate {
        /// Void all access tokens now, as if a key was stolen
        #[arg(long)]
        at_once: bool,
    },
}

impl SigningKey {
    pub async fn run(self) -> Result<(), Error> {
        let api = self.api.open()?;
        let answer: Value = match self.command {
            Command::List => api.get("signing-keys").await?,
            Command::Rotate { at_once } => {
                api.post("signing-keys", &json!({ "atOnce": at_once })).await?
            }
        };
        api.show_list(&answer["signingKeys"], &COLUMNS);
        Ok(())
    }
}
