#![deny(unsafe_code)]

mod memory;

use std::process::ExitCode;

use clap::Parser as _;
use orlop::cli::Cli;

fn main() -> ExitCode {
    memory::give_back_early();
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
