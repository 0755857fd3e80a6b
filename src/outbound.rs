//! Requests that the server itself makes to where its users point it. Such a request comes from
//! inside: it must not reach what only the inside may reach (server-side request forgery).
//!
//! So it goes to public addresses, and to private ones that the settings allow. What counts is the
//! address that is connected to: a name is looked up once, and a name that leads elsewhere a moment
//! later (DNS rebinding) changes nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{ClientBuilder, Url};

/// Where requests may go. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Reach {
    private: Arc<[IpNet]>,
}

#[derive(Debug, thiserror::Error)]
#[error("{0} is, or leads to, a private address, which auth.private_issuers does not allow")]
pub struct OutOfReach(Box<str>);

impl Reach {
    /// All public addresses, and these networks.
    pub fn new(private: &[IpNet]) -> Self {
        Self { private: private.into() }
    }

    /// A client that connects to no other address; nor does it go where an answer sends it.
    pub fn client(&self) -> ClientBuilder {
        reqwest::Client::builder()
            .dns_resolver(Arc::new(self.clone()))
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("orlop/", env!("CARGO_PKG_VERSION")))
    }

    /// Refuses a URL whose host is an address out of reach. A client does not look such a host up,
    /// so each URL must come by here first.
    ///
    /// # Errors
    /// [`OutOfReach`].
    pub fn check(&self, url: &Url) -> Result<(), OutOfReach> {
        let host = url.host_str().unwrap_or_default();
        match host.trim_start_matches('[').trim_end_matches(']').parse() {
            Ok(address) if !self.covers(address) => Err(OutOfReach(host.into())),
            _ => Ok(()),
        }
    }

    fn covers(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        is_public(address) || self.private.iter().any(|network| network.contains(&address))
    }
}

impl Resolve for Reach {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let covered: Vec<SocketAddr> =
                found.filter(|address| reach.covers(address.ip())).collect();
            if covered.is_empty() {
                return Err(OutOfReach(name.as_str().into()).into());
            }
            Ok(Box::new(covered.into_iter()) as Addrs)
        })
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// By IANA's registry of special-purpose addresses.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_shared = a == 100 && (64..128).contains(&b);
    let is_for_protocols = (a, b, c) == (192, 0, 0);
    let is_for_benchmarks = a == 198 && (18..20).contains(&b);
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || a == 0
        // Multicast, and reserved.
        || a >= 224
        || is_shared
        || is_for_protocols
        || is_for_benchmarks)
}

/// Global unicast, but for what stands for an address of version 4, which could be any.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let is_global = first & 0xe000 == 0x2000;
    let is_tunnel = first == 0x2002 || (first, second) == (0x2001, 0);
    let is_documentation = (first, second) == (0x2001, 0xdb8);
    is_global && !is_tunnel && !is_documentation
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(private: &[&str], address: &str) -> bool {
        let private: Vec<IpNet> = private.iter().map(|network| network.parse().unwrap()).collect();
        Reach::new(&private).covers(address.parse().unwrap())
    }

    #[test]
    fn private_addresses_are_out_of_reach() {
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "192.0.0.192",
            "198.18.0.1",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a00:1",
            "2002:a00:1::",
            "2001::1",
            "::7f00:1",
        ] {
            assert!(!covers(&[], address), "{address}");
        }
        for address in ["1.1.1.1", "8.8.8.8", "172.15.0.1", "172.32.0.1", "2606:4700::1111"] {
            assert!(covers(&[], address), "{address}");
        }
    }

    #[test]
    fn what_the_settings_allow_is_within_reach() {
        assert!(covers(&["10.0.0.0/8"], "10.1.2.3"));
        assert!(covers(&["10.0.0.0/8"], "::ffff:10.1.2.3"));
        assert!(!covers(&["10.0.0.0/8"], "192.168.0.1"));
    }

    #[test]
    fn hosts_that_are_addresses_are_checked_in_every_spelling() {
        let reach = Reach::new(&[]);
        for host in ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "[::1]"] {
            let url = Url::parse(&format!("https://{host}/")).unwrap();
            assert!(reach.check(&url).is_err(), "{host}");
        }
        assert!(reach.check(&Url::parse("https://issuer.example.com/").unwrap()).is_ok());
    }

    #[tokio::test]
    async fn a_name_that_leads_to_a_private_address_is_not_asked() {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://localhost:{}/", listener.local_addr().unwrap().port());
        let client = Reach::new(&[]).client().no_proxy().build().unwrap();
        let error = client.get(&url).send().await.unwrap_err();
        let mut causes =
            std::iter::successors(std::error::Error::source(&error), |&cause| cause.source());
        assert!(causes.any(|cause| cause.to_string().contains("private address")), "{error:?}");
        assert!(futures_util::FutureExt::now_or_never(listener.accept()).is_none());
    }
}
