//! The command line: one file a command. A command is its arguments and `run`.

mod api;
mod audit;
mod backup;
pub mod colour;
mod completions;
mod config;
mod docker_credentials;
mod error;
mod export;
mod gc;
mod healthcheck;
mod import;
mod issuer;
mod local;
mod man;
mod migrate;
mod principal;
mod progress;
mod repository;
mod restore;
mod role;
mod scope_map;
mod scrub;
mod serve;
mod settings;
mod signing_key;
mod token;
mod user;

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
    Gc(gc::Gc),
    Scrub(scrub::Scrub),
    Backup(backup::Backup),
    Restore(restore::Restore),
    Import(import::Import),
    Export(export::Export),
    Migrate(migrate::Migrate),
    Repository(repository::Repository),
    User(user::User),
    Principal(principal::Principal),
    Token(token::Token),
    Role(role::Role),
    ScopeMap(scope_map::ScopeMap),
    Issuer(issuer::Issuer),
    SigningKey(signing_key::SigningKey),
    Audit(audit::Audit),
    Completions(completions::Completions),
    Man(man::Man),
}

impl Cli {
    /// # Errors
    /// [`Error`] with what the user needs to know, and the code to exit with.
    pub async fn run(self) -> Result<(), Error> {
        match self.command {
            Command::Serve(serve) => serve.run().await,
            Command::Config(config) => config.run(),
            Command::Healthcheck(healthcheck) => healthcheck.run().await,
            Command::Gc(gc) => gc.run().await,
            Command::Scrub(scrub) => scrub.run().await,
            Command::Backup(backup) => backup.run().await,
            Command::Restore(restore) => restore.run().await,
            Command::Import(import) => import.run().await,
            Command::Export(export) => export.run().await,
            Command::Migrate(migrate) => migrate.run().await,
            Command::Repository(repository) => repository.run().await,
            Command::User(user) => user.run().await,
            Command::Principal(principal) => principal.run().await,
            Command::Token(token) => token.run().await,
            Command::Role(role) => role.run().await,
            Command::ScopeMap(scope_map) => scope_map.run().await,
            Command::Issuer(issuer) => issuer.run().await,
            Command::SigningKey(signing_key) => signing_key.run().await,
            Command::Audit(audit) => audit.run().await,
            Command::Completions(completions) => completions.run(),
            Command::Man(man) => man.run(),
        }
    }
}
