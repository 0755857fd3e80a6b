//! `orlop repository`: the words and flags of `az acr repository`, and what Azure's has not.

mod change;
mod list;
mod moves;
mod output;
mod target;

use clap::{Args, Subcommand};

pub use target::{Image, Target};

use super::Error;
use super::api::{ApiArgs, Format};

/// Look at repositories, and change what is in them
#[derive(Args)]
pub struct Repository {
    #[command(flatten)]
    api: ApiArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    List(list::List),
    Show(list::Show),
    ShowTags(list::ShowTags),
    ShowManifests(list::ShowManifests),
    ListDeleted(list::ListDeleted),
    Update(change::Update),
    Untag(change::Untag),
    Delete(change::Delete),
    Restore(change::Restore),
    History(moves::History),
    Rollback(moves::Rollback),
    Promote(moves::Promote),
}

impl Repository {
    pub async fn run(self) -> Result<(), Error> {
        let api = self.api.open_with(Format::Json)?;
        match self.command {
            Command::List(command) => command.run(&api).await,
            Command::Show(command) => command.run(&api).await,
            Command::ShowTags(command) => command.run(&api).await,
            Command::ShowManifests(command) => command.run(&api).await,
            Command::ListDeleted(command) => command.run(&api).await,
            Command::Update(command) => command.run(&api).await,
            Command::Untag(command) => command.run(&api).await,
            Command::Delete(command) => command.run(&api).await,
            Command::Restore(command) => command.run(&api).await,
            Command::History(command) => command.run(&api).await,
            Command::Rollback(command) => command.run(&api).await,
            Command::Promote(command) => command.run(&api).await,
        }
    }
}
