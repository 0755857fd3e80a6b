use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use clap::Args;

use super::Error;
use super::settings::SettingsArgs;

const TIMEOUT: Duration = Duration::from_secs(5);

/// Ask a running server of the same settings whether it lives
#[derive(Args)]
pub struct Healthcheck {
    #[command(flatten)]
    settings: SettingsArgs,
}

impl Healthcheck {
    pub async fn run(self) -> Result<(), Error> {
        let server = self.settings.load()?.server;
        let scheme = if server.tls_cert.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}/healthz", reachable(server.listen));
        let client = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .no_proxy()
            // The certificate is for the name that clients use, not for this address.
            .tls_danger_accept_invalid_certs(true)
            .build()?;
        client.get(&url).send().await?.error_for_status()?;
        println!("{url} is well");
        Ok(())
    }
}

/// A server that listens on all addresses is asked on the loopback.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    address
}
