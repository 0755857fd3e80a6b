use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use super::fields;

/// `[server]`: where the registry listens, and what it bears from its clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerSettings {
    #[serde(deserialize_with = "fields::address")]
    pub listen: SocketAddr,
    /// `https://HOST[:PORT]` under which clients reach the registry, without a slash at its end.
    #[serde(deserialize_with = "fields::origin")]
    pub public_url: Option<String>,
    /// Networks of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    #[serde(deserialize_with = "fields::networks")]
    pub trusted_proxies: Vec<IpNet>,
    /// PEM file of the certificate and its chain.
    #[serde(deserialize_with = "fields::file")]
    pub tls_cert: Option<PathBuf>,
    /// PEM file of the certificate's private key.
    #[serde(deserialize_with = "fields::file")]
    pub tls_key: Option<PathBuf>,
    /// Connections served at once; further ones wait.
    #[serde(deserialize_with = "fields::between::<1, 1_000_000, _, _>")]
    pub max_connections: u32,
    /// Seconds from the start of a connection to the end of the head of its first request.
    #[serde(deserialize_with = "fields::between::<1, 3600, _, _>")]
    pub header_timeout_seconds: u32,
    /// Seconds that a connection may stand still: between two requests, or in a body.
    #[serde(deserialize_with = "fields::between::<1, 86_400, _, _>")]
    pub idle_timeout_seconds: u32,
    /// Seconds that running requests have to end when the server is told to stop.
    #[serde(deserialize_with = "fields::between::<1, 86_400, _, _>")]
    pub shutdown_timeout_seconds: u32,
    /// Bytes of the head of a request.
    #[serde(deserialize_with = "fields::between::<8_192, 1_048_576, _, _>")]
    pub max_header_bytes: u32,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 5000).into(),
            public_url: None,
            trusted_proxies: vec![
                Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8).into(),
                Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128).into(),
            ],
            tls_cert: None,
            tls_key: None,
            max_connections: 4096,
            header_timeout_seconds: 15,
            idle_timeout_seconds: 120,
            shutdown_timeout_seconds: 60,
            max_header_bytes: 65_536,
        }
    }
}
