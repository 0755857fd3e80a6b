use std::path::PathBuf;

use clap::Args;
use indicatif::HumanBytes;

use super::Error;
use super::local::Local;
use super::progress::shown;
use super::repository::Target;
use super::settings::SettingsArgs;
use crate::transfer::Export as Run;

/// Write a repository, or one image of it, into an OCI image layout
///
/// With all that it is made of and all that refers to it, such as signatures. Reads the database and
/// the store that the settings name, beside a running server or without one.
#[derive(Args)]
pub struct Export {
    /// Folder, which may be a layout already and is added to then; or a new file NAME.tar
    layout: PathBuf,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    settings: SettingsArgs,
}

impl Export {
    pub async fn run(self) -> Result<(), Error> {
        let (repository, only) = self.target.parts();
        let local = Local::open_or_make(self.settings).await?;
        let export = Run::new(local.registry(), repository, &self.layout).await?;
        let ended = shown(export.progress(), export.run(only)).await;
        local.database.close().await;
        let exported = ended?;
        println!("tags       {}", exported.tags);
        println!("manifests  {}", exported.manifests);
        println!("blobs      {} ({})", exported.blobs, HumanBytes(exported.bytes));
        Ok(())
    }
}
