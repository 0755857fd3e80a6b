#![deny(unsafe_code)]

mod memory;
mod open_files;

use std::process::ExitCode;

use clap::Parser as _;
use orlop::cli::{Cli, colour};

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
            let stderr = std::io::stderr();
            eprintln!("{} {error}", colour::red("orlop:", &stderr));
            error.exit_code()
        }
    }
}
