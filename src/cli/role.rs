use clap::{ArgGroup, Args, Subcommand};
use serde_json::json;

use super::Error;
use super::api::{ApiArgs, segment};

const ROLES: [(&str, &str); 2] = [("ROLE", "name"), ("ACTIONS", "actions")];

const ASSIGNMENTS: [(&str, &str); 6] = [
    ("ID", "id"),
    ("IDENTITY", "identity"),
    ("GROUP", "group"),
    ("ROLE", "role"),
    ("SCOPE MAP", "scopeMap"),
    ("REPOSITORIES", "repositories"),
];

/// See what the roles allow, and give them to users, service principals and groups
#[derive(Args)]
pub struct Role {
    #[command(flatten)]
    api: ApiArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the roles and what they allow
    List,
    /// List who has what
    Assignments,
    /// Give somebody a role or a scope map
    Assign(Assign),
    /// Take an assignment back
    Unassign { id: String },
}

#[derive(Args)]
#[command(group(ArgGroup::new("to").required(true).args(["identity", "group"])))]
#[command(group(ArgGroup::new("what").required(true).args(["role", "scope_map"])))]
struct Assign {
    /// A user's name or a service principal's id
    #[arg(long)]
    identity: Option<String>,
    /// A group of a trusted issuer, as ISSUER:GROUP
    #[arg(long)]
    group: Option<String>,
    #[arg(long)]
    role: Option<String>,
    #[arg(long)]
    scope_map: Option<String>,
    /// For which repositories: all (*), all below a prefix (team/*), or one by its name
    #[arg(long, default_value = "*")]
    repositories: String,
}

impl Role {
    pub async fn run(self) -> Result<(), Error> {
        let api = self.api.open()?;
        match self.command {
            Command::List => api.show_list(&api.get("roles").await?["roles"], &ROLES),
            Command::Assignments => {
                api.show_list(&api.get("assignments").await?["assignments"], &ASSIGNMENTS);
            }
            Command::Assign(assign) => {
                let body = json!({
                    "identity": assign.identity,
                    "group": assign.group,
                    "role": assign.role,
                    "scopeMap": assign.scope_map,
                    "repositories": assign.repositories,
                });
                api.show(&api.post("assignments", &body).await?);
            }
            Command::Unassign { id } => {
                api.delete(&format!("assignments/{}", segment(&id))).await?;
            }
        }
        Ok(())
    }
}
