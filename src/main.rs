use std::process::ExitCode;

use clap::Parser as _;
use orlop::cli::Cli;

#[tokio::main]
async fn main() -> ExitCode {
    match Cli::parse().run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("orlop: {error}");
            error.exit_code()
        }
    }
}
