use clap::{ArgGroup, Args, Subcommand};
use serde_json::json;

use super::Error;
use super::api::{ApiArgs, segment};

const COLUMNS: [(&str, &str); 4] =
    [("NAME", "name"), ("URL", "url"), ("AUDIENCE", "audience"), ("GROUPS CLAIM", "groupsClaim")];

/// Manage the issuers whose ID tokens sign in without a secret here
#[derive(Args)]
pub struct Issuer {
    #[command(flatten)]
    api: ApiArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List all issuers
    List,
    /// Show one with its rules
    Show { name: String },
    /// Trust an issuer
    Create(Create),
    /// Trust an issuer no longer; what was issued on its tokens ends
    Delete { name: String },
    /// Say whom or what tokens with certain claims stand for
    AddRule(AddRule),
    /// Remove a rule; what was issued by it ends
    RemoveRule { issuer: String, id: String },
}

#[derive(Args)]
struct Create {
    name: String,
    /// As in the claim `iss`, such as https://token.actions.githubusercontent.com
    #[arg(long)]
    issuer_url: String,
    /// What the claim `aud` must be
    #[arg(long)]
    audience: String,
    /// The claim that lists groups
    #[arg(long)]
    groups_claim: Option<String>,
    /// The client that people sign in through with a browser
    #[arg(long)]
    client_id: Option<String>,
    #[arg(long, env = "ORLOP_CLIENT_SECRET", hide_env_values = true, requires = "client_id")]
    client_secret: Option<String>,
}

#[derive(Args)]
#[command(group(ArgGroup::new("stands_for").required(true).args(["identity", "role"])))]
struct AddRule {
    issuer: String,
    /// Such as 'repository == "org/app" && ref == "refs/heads/main"'
    condition: String,
    /// A user's name or a service principal's id that they act as
    #[arg(long)]
    identity: Option<String>,
    /// A role that they have
    #[arg(long, requires = "repositories")]
    role: Option<String>,
    /// The repositories that the role is for
    #[arg(long, requires = "role")]
    repositories: Option<String>,
}

impl Issuer {
    pub async fn run(self) -> Result<(), Error> {
        let api = self.api.open()?;
        let path = |name: &str| format!("issuers/{}", segment(name));
        match self.command {
            Command::List => api.show_list(&api.get("issuers").await?["issuers"], &COLUMNS),
            Command::Show { name } => api.show(&api.get(&path(&name)).await?),
            Command::Create(new) => {
                let body = json!({
                    "name": new.name,
                    "url": new.issuer_url,
                    "audience": new.audience,
                    "groupsClaim": new.groups_claim,
                    "clientId": new.client_id,
                    "clientSecret": new.client_secret,
                });
                api.show(&api.post("issuers", &body).await?);
            }
            Command::Delete { name } => api.delete(&path(&name)).await?,
            Command::AddRule(rule) => {
                let body = json!({
                    "condition": rule.condition,
                    "identity": rule.identity,
                    "role": rule.role,
                    "repositories": rule.repositories,
                });
                api.show(&api.post(&format!("{}/rules", path(&rule.issuer)), &body).await?);
            }
            Command::RemoveRule { issuer, id } => {
                api.delete(&format!("{}/rules/{}", path(&issuer), segment(&id))).await?;
            }
        }
        Ok(())
    }
}
