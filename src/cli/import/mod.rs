//! `orlop import`: takes content from elsewhere, straight into the database and the store.

mod report;
mod sources;

use std::num::NonZeroUsize;

use clap::{Args, Subcommand};

use super::Error;
use super::local::Local;
use super::progress::shown;
use super::settings::SettingsArgs;
use crate::oci::{RepositoryName, RepositoryPattern, TagPattern};
use crate::transfer::{Import as Run, ImportOptions, Selection, Source};

/// Take repositories from elsewhere: a registry, its storage, an OCI image layout
///
/// Works on the database and the store that the settings name, beside a running server or without
/// one. What is there already is skipped: run it again to go on after a break, or to bring what is
/// new. Ends with 1 if anything could not be had.
#[derive(Args)]
pub struct Import {
    #[command(subcommand)]
    from: From,
}

#[derive(Subcommand)]
enum From {
    Registry(sources::FromRegistry),
    Distribution(sources::FromDistribution),
    Layout(sources::FromLayout),
}

/// What all imports share.
#[derive(Args)]
struct Common {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Requests and copies at the same time
    #[arg(long, value_name = "N", default_value = "8")]
    jobs: NonZeroUsize,
}

/// Which repositories of a source, and what they are called here.
#[derive(Args)]
struct Which {
    /// Repositories to take, or patterns such as team/*; all by default
    #[arg(value_name = "REPOSITORY", value_parser = RepositoryPattern::parse)]
    repositories: Vec<RepositoryPattern>,
    /// Take only tags of this pattern, such as v*, with what belongs to them
    #[arg(long = "tag", value_name = "PATTERN")]
    tags: Vec<TagPattern>,
    /// Put the repositories below this name: team/app becomes NAME/team/app
    #[arg(long, value_name = "NAME")]
    below: Option<RepositoryName>,
}

impl Import {
    pub async fn run(self) -> Result<(), Error> {
        match self.from {
            From::Registry(from) => from.run().await,
            From::Distribution(from) => from.run().await,
            From::Layout(from) => from.run().await,
        }
    }
}

impl Common {
    async fn run(self, source: Source, which: Which, may_link: bool) -> Result<(), Error> {
        let local = Local::open_or_make(self.settings).await?;
        let options = ImportOptions {
            selection: Selection { repositories: which.repositories, tags: which.tags },
            below: which.below,
            jobs: self.jobs.get(),
            may_link,
            max_manifest_bytes: local.settings.registry.max_manifest_bytes as u64,
        };
        let import = Run::new(local.registry(), source, options);
        let ended = shown(import.progress(), import.run()).await;
        local.database.close().await;
        report::show(&ended?)
    }
}
