use std::path::PathBuf;

use clap::Args;

use crate::settings::{Flag, Settings, SettingsError, Sources};

/// Where a command takes its settings from.
#[derive(Args)]
pub struct SettingsArgs {
    /// Settings file; config/orlop.toml shows every setting
    #[arg(long, value_name = "FILE", env = "ORLOP_CONFIG")]
    config: Option<PathBuf>,

    /// Where to listen, as in 0.0.0.0:5000 [server.listen]
    #[arg(long, value_name = "IP:PORT")]
    listen: Option<String>,

    /// Folder of all data [storage.data_dir]
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<String>,

    /// PEM file of the certificate with its chain [server.tls_cert]
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<String>,

    /// PEM file of the certificate's private key [server.tls_key]
    #[arg(long, value_name = "FILE")]
    tls_key: Option<String>,
}

impl SettingsArgs {
    /// # Errors
    /// [`SettingsError`] if a source cannot be read or says something wrong.
    pub fn load(self) -> Result<Settings, SettingsError> {
        let flags = [
            ("--listen", "server.listen", self.listen),
            ("--data-dir", "storage.data_dir", self.data_dir),
            ("--tls-cert", "server.tls_cert", self.tls_cert),
            ("--tls-key", "server.tls_key", self.tls_key),
        ];
        let flags = flags
            .into_iter()
            .filter_map(|(name, key, value)| value.map(|value| Flag { name, key, value }));
        Settings::load(Sources {
            file: self.config,
            environment: std::env::vars_os().collect(),
            flags: flags.collect(),
        })
    }
}
