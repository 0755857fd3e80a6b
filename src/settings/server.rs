use std::path::PathBuf;

use serde::Deserialize;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerSettings {
    pub public_url: Option<String>,
    pub tls_cert: Option<PathBuf>,
}
