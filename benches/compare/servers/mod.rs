//! The servers that are compared, each on a port and in a folder of its own.

mod nginx;
mod orlop;
mod peers;
mod process;

use std::net::SocketAddr;
use std::sync::Arc;

pub use nginx::Nginx;
pub use orlop::Orlop;
pub use peers::{DISTRIBUTION, Peer};
pub use process::{Process, Usage};

/// A way into a registry, as the works see it.
#[derive(Clone)]
pub struct Registry {
    pub name: &'static str,
    pub address: SocketAddr,
    /// Prefix of its repositories, so that two ways into one server do not meet.
    pub repositories: &'static str,
    authorization: Option<String>,
    pub process: Arc<Process>,
}

impl Registry {
    /// The head of a request; `{r}` in the path stands for the prefix of repositories.
    pub fn head(&self, method: &str, path: &str, fields: &str) -> String {
        let Self { address, repositories, .. } = self;
        let path = path.replace("{r}", repositories);
        let authorization = self
            .authorization
            .as_ref()
            .map(|value| format!("Authorization: {value}\r\n"))
            .unwrap_or_default();
        format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n{authorization}{fields}\r\n")
    }
}
