use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::output::{all, show};
use super::target::{Image, Target};
use crate::cli::Error;
use crate::cli::api::Api;
use crate::oci::{Digest, Reference};

/// Lock or unlock a repository or an image
#[derive(Args)]
pub struct Update {
    #[command(flatten)]
    target: Target,
    /// Whether it may be deleted
    #[arg(long)]
    delete_enabled: Option<bool>,
    /// Whether lists show it
    #[arg(long)]
    list_enabled: Option<bool>,
    /// Whether it may be pulled
    #[arg(long)]
    read_enabled: Option<bool>,
    /// Whether it may be pushed, moved or deleted
    #[arg(long)]
    write_enabled: Option<bool>,
}

impl Update {
    pub async fn run(self, api: &Api) -> Result<(), Error> {
        let mut changes = serde_json::Map::new();
        for (name, value) in [
            ("deleteEnabled", self.delete_enabled),
            ("listEnabled", self.list_enabled),
            ("readEnabled", self.read_enabled),
            ("writeEnabled", self.write_enabled),
        ] {
            changes.extend(value.map(|value| (name.to_owned(), value.into())));
        }
        let path = self.target.path();
        let (answer, _) = api.ask(Method::PATCH, &path, Some(&changes.into())).await?;
        show(api, &self.target.unwrapped(answer));
        Ok(())
    }
}

/// Remove a tag; its image stays
#[derive(Args)]
pub struct Untag {
    /// REPOSITORY:TAG
    #[arg(long, short = 't')]
    image: Image,
}

impl Untag {
    pub async fn run(self, api: &Api) -> Result<(), Error> {
        if let Reference::Digest(_) = self.image.reference {
            return Err("name a tag, as in REPOSITORY:TAG: a digest has nothing to untag".into());
        }
        api.ask(Method::DELETE, &self.image.path(), None).await?;
        Ok(())
    }
}

/// Delete a repository, or an image with all its tags
#[derive(Args)]
pub struct Delete {
    #[command(flatten)]
    target: Target,
    /// Do not ask first
    #[arg(long, short)]
    yes: bool,
}

impl Delete {
    pub async fn run(self, api: &Api) -> Result<(), Error> {
        let Some(image) = &self.target.image else {
            let path = self.target.path();
            self.confirm(&format!(
                "the repository {} with all its images",
                &path["/acr/v1/".len()..]
            ))?;
            let (answer, _) = api.ask(Method::DELETE, &path, None).await?;
            show(api, &answer);
            return Ok(());
        };
        let repository = &image.repository;
        let digest = match &image.reference {
            Reference::Digest(digest) => digest.to_string(),
            Reference::Tag(_) => {
                let (answer, _) = api.ask(Method::GET, &image.path(), None).await?;
                answer["tag"]["digest"].as_str().unwrap_or_default().to_owned()
            }
        };
        let path = format!("/acr/v1/{repository}/_tags?digest={digest}");
        let tags: Vec<_> = all(api, &path, "tags", None)
            .await?
            .iter()
            .filter_map(|tag| Some(format!("{repository}:{}", tag["name"].as_str()?)))
            .collect();
        self.confirm(&format!("the manifest {digest} and these images: {}", tags.join(", ")))?;
        api.ask(Method::DELETE, &format!("/v2/{repository}/manifests/{digest}"), None).await?;
        Ok(())
    }

    fn confirm(&self, what: &str) -> Result<(), Error> {
        if self.yes {
            return Ok(());
        }
        if !io::stdin().is_terminal() {
            return Err("nobody is there to be asked: say --yes to delete".into());
        }
        eprint!("This deletes {what}.\nGo on? (y/n): ");
        io::stderr().flush()?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        match answer.trim().to_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => Err("nothing was deleted".into()),
        }
    }
}

/// Bring back what was deleted
#[derive(Args)]
pub struct Restore {
    /// REPOSITORY:TAG or REPOSITORY@DIGEST
    #[arg(long, short = 't')]
    image: Image,
    /// Which of the images that the tag named; the one deleted last if not given
    #[arg(long, short)]
    digest: Option<Digest>,
    /// Take the tag from the image that it names meanwhile
    #[arg(long, short)]
    force: bool,
}

impl Restore {
    pub async fn run(self, api: &Api) -> Result<(), Error> {
        let repository = &self.image.repository;
        let (tag, digest) = match (&self.image.reference, &self.digest) {
            (Reference::Digest(digest), _) => (None, digest.to_string()),
            (Reference::Tag(tag), Some(digest)) => (Some(tag), digest.to_string()),
            (Reference::Tag(tag), None) => {
                let path = format!("/acr/v1/_deleted/{repository}/_tags");
                let tags = all(api, &path, "tags", None).await?;
                let last = tags.iter().rev().find(|entry| entry["tag"] == tag.as_str());
                let digest = last.and_then(|entry| entry["digest"].as_str());
                let message = || format!("no deleted image of {repository} had the tag {tag}");
                (Some(tag), digest.ok_or_else(message)?.to_owned())
            }
        };
        let path =
            format!("/acr/v1/_deleted/{repository}/_manifests/{digest}?force={}", self.force);
        let body = json!({ "tag": tag });
        let (mut answer, _) = api.ask(Method::POST, &path, Some(&body)).await?;
        let manifest: Value = answer["manifest"].take();
        show(api, &manifest);
        Ok(())
    }
}
