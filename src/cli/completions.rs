use std::io::{self, Write as _};

use clap::{Args, CommandFactory as _};
use clap_complete::{Shell, generate};

use super::{Cli, Error};

/// Print what lets a shell complete the words of this program
///
/// For bash: orlop completions bash > /etc/bash_completion.d/orlop
#[derive(Args)]
pub struct Completions {
    shell: Shell,
}

impl Completions {
    pub fn run(self) -> Result<(), Error> {
        let mut script = Vec::new();
        generate(self.shell, &mut Cli::command(), "orlop", &mut script);
        Ok(io::stdout().lock().write_all(&script)?)
    }
}
