use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::output::{all, show};
use super::target::Image;
use crate::cli::Error;
use crate::cli::api::{Api, segment};
use crate::oci::{Digest, Reference};

/// The path of a tag in the management API.
fn path_of(image: &Image) -> Result<String, Error> {
    let Image { repository, reference } = image;
    match reference {
        Reference::Tag(tag) => {
            let repository = segment(repository.as_str());
            Ok(format!("/api/v1/repositories/{repository}/tags/{tag}"))
        }
        Reference::Digest(_) => Err("name a tag, as in REPOSITORY:TAG".into()),
    }
}

/// Show every move of a tag, the newest first
#[derive(Args)]
pub struct History {
    /// REPOSITORY:TAG
    #[arg(long, short = 't')]
    image: Image,
    /// Show the newest ones only
    #[arg(long)]
    top: Option<usize>,
}

impl History {
    pub async fn run(self, api: &Api) -> Result<(), Error> {
        let path = format!("{}/history", path_of(&self.image)?);
        let moves = all(api, &path, "moves", self.top).await?;
        show(api, &moves.into());
        Ok(())
    }
}

/// Set a tag to what it named before
#[derive(Args)]
pub struct Rollback {
    /// REPOSITORY:TAG
    #[arg(long, short = 't')]
    image: Image,
    /// What it named some time; the last other one if not given
    #[arg(long, short)]
    digest: Option<Digest>,
}

impl Rollback {
    pub async fn run(self, api: &Api) -> Result<(), Error> {
        let path = format!("{}/rollback", path_of(&self.image)?);
        let body = json!({ "digest": self.digest });
        let (answer, _) = api.ask(Method::POST, &path, Some(&body)).await?;
        show(api, &answer);
        Ok(())
    }
}

/// Give tags to images of other repositories, all or none
#[derive(Args)]
pub struct Promote {
    /// SOURCE=TARGET, such as test/app:1.0=prod/app:1.0 or test/app@sha256:…=prod/app:1.0
    #[arg(required = true, value_parser = promotion)]
    promotions: Vec<Value>,
}

fn promotion(text: &str) -> Result<Value, String> {
    let (source, target) =
        text.split_once('=').ok_or("write SOURCE=TARGET, as in test/app:1.0=prod/app:1.0")?;
    Ok(json!({ "source": source, "target": target }))
}

impl Promote {
    pub async fn run(self, api: &Api) -> Result<(), Error> {
        let body = json!({ "promotions": self.promotions });
        let (mut answer, _) = api.ask(Method::POST, "/api/v1/promotions", Some(&body)).await?;
        show(api, &answer["tags"].take());
        Ok(())
    }
}
