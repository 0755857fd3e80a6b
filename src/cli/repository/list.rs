use clap::{Args, ValueEnum};
use reqwest::Method;
use serde_json::{Value, json};

use super::output::{all, show};
use super::target::Target;
use crate::cli::Error;
use crate::cli::api::Api;
use crate::oci::RepositoryName;

/// List the repositories
#[derive(Args)]
pub struct List {
    /// Show the first ones only
    #[arg(long)]
    top: Option<usize>,
}

impl List {
    pub async fn run(self, api: &Api) -> Result<(), Error> {
        let names = all(api, "/acr/v1/_catalog", "repositories", self.top).await?;
        show(api, &names.into());
        Ok(())
    }
}

/// Show a repository, or an image by its tag or digest
#[derive(Args)]
pub struct Show {
    #[command(flatten)]
    target: Target,
}

impl Show {
    pub async fn run(self, api: &Api) -> Result<(), Error> {
        let (answer, _) = api.ask(Method::GET, &self.target.path(), None).await?;
        show(api, &self.target.unwrapped(answer));
        Ok(())
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum Order {
    #[value(name = "time_asc")]
    TimeAsc,
    #[value(name = "time_desc")]
    TimeDesc,
}

#[derive(Args)]
struct ListArgs {
    /// Name of the repository
    #[arg(long)]
    repository: RepositoryName,
    /// Show all that is known
    #[arg(long)]
    detail: bool,
    /// In the order of the last change; by name if not given
    #[arg(long, value_enum)]
    orderby: Option<Order>,
    /// Show the first ones only
    #[arg(long)]
    top: Option<usize>,
}

impl ListArgs {
    async fn all(&self, api: &Api, list: &str) -> Result<Vec<Value>, Error> {
        let order = match self.orderby {
            None => "",
            Some(Order::TimeAsc) => "timeasc",
            Some(Order::TimeDesc) => "timedesc",
        };
        let path = format!("/acr/v1/{}/_{list}?orderby={order}", self.repository);
        all(api, &path, list, self.top).await
    }
}

/// List the tags of a repository
#[derive(Args)]
pub struct ShowTags {
    #[command(flatten)]
    args: ListArgs,
}

impl ShowTags {
    pub async fn run(self, api: &Api) -> Result<(), Error> {
        let tags = self.args.all(api, "tags").await?;
        let tags = tags.into_iter().map(|mut tag| match self.args.detail {
            true => tag,
            false => tag["name"].take(),
        });
        show(api, &tags.collect());
        Ok(())
    }
}

/// List the manifests of a repository
#[derive(Args)]
pub struct ShowManifests {
    #[command(flatten)]
    args: ListArgs,
}

impl ShowManifests {
    pub async fn run(self, api: &Api) -> Result<(), Error> {
        let manifests = self.args.all(api, "manifests").await?;
        let manifests = manifests.into_iter().map(|manifest| match self.args.detail {
            true => manifest,
            false => json!({
                "digest": manifest["digest"],
                "tags": manifest.get("tags").cloned().unwrap_or_else(|| json!([])),
                "timestamp": manifest["lastUpdateTime"],
            }),
        });
        show(api, &manifests.collect());
        Ok(())
    }
}

/// List deleted repositories, or the deleted tags of one, that can be restored
#[derive(Args)]
pub struct ListDeleted {
    /// Name of the repository
    #[arg(long)]
    repository: Option<RepositoryName>,
}

impl ListDeleted {
    pub async fn run(self, api: &Api) -> Result<(), Error> {
        let found = match self.repository {
            None => all(api, "/acr/v1/_deleted/_catalog", "repositories", None).await?,
            Some(name) => all(api, &format!("/acr/v1/_deleted/{name}/_tags"), "tags", None).await?,
        };
        show(api, &found.into());
        Ok(())
    }
}
