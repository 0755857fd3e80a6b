#![deny(unsafe_code)]

mod memory;
mod open_files;

use std::process::ExitCode;

use clap::Parser as _;
use orlop::cli::Cli;

fn main() -> ExitCode {
    memory::give_back_early();
    open_files::allow_many();
    run()
}

#[tokio::main]
async fn run() -> ExitCode {
    match Cli::parse().run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("orlop: {error}");
            error.exit_code()
        }
    }
}
