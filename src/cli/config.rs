use clap::{Args, Subcommand};

use super::Error;
use super::settings::SettingsArgs;

/// Look at the settings without starting anything
#[derive(Args)]
pub struct Config {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Say whether the settings are right
    Check(SettingsArgs),
    /// Print the settings that count, from all their sources; secrets are hidden
    Show(SettingsArgs),
}

impl Config {
    pub fn run(self) -> Result<(), Error> {
        match self.action {
            Action::Check(settings) => {
                settings.load()?;
                println!("the settings are right");
            }
            Action::Show(settings) => print!("{}", settings.load()?.to_toml()),
        }
        Ok(())
    }
}
