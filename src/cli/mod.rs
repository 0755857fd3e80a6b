//! The command line: one file a command. A command is its arguments and `run`.

mod config;
mod error;
mod healthcheck;
mod serve;
mod settings;

use clap::{Parser, Subcommand};

pub use error::Error;

/// A self-hosted registry for OCI artifacts and container images.
#[derive(Parser)]
#[command(name = "orlop", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Serve(serve::Serve),
    Config(config::Config),
    Healthcheck(healthcheck::Healthcheck),
}

impl Cli {
    /// # Errors
    /// [`Error`] with what the user needs to know, and the code to exit with.
    pub async fn run(self) -> Result<(), Error> {
        match self.command {
            Command::Serve(serve) => serve.run().await,
            Command::Config(config) => config.run(),
            Command::Healthcheck(healthcheck) => healthcheck.run().await,
        }
    }
}
