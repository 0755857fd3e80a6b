use std::path::PathBuf;

use clap::{Args, CommandFactory as _};
use clap_mangen::generate_to;

use super::{Cli, Error};

/// Write the manual pages of all commands into a folder
///
/// Then: man -l FOLDER/orlop-serve.1
#[derive(Args)]
pub struct Man {
    folder: PathBuf,
}

impl Man {
    pub fn run(self) -> Result<(), Error> {
        std::fs::create_dir_all(&self.folder)?;
        Ok(generate_to(Cli::command(), &self.folder)?)
    }
}
