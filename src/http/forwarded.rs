//! What proxies in front of the registry say of a request (`X-Forwarded-For`,
//! `X-Forwarded-Proto`). Anybody can write these headers, so they count only from the addresses
//! of `server.trusted_proxies`; from others they are taken off before anything reads them.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

pub const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address of the client behind the trusted proxies: the last in `X-Forwarded-For` that is
/// not one of theirs. Takes off headers that nobody vouches for.
pub fn client(headers: &mut HeaderMap, peer: IpAddr, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|net| net.contains(&address));
    if !is_trusted(peer) {
        headers.remove(PROTO);
        headers.remove(FOR);
        return peer;
    }
    let mut client = peer;
    for value in headers.get_all(FOR).into_iter().rev() {
        for text in value.to_str().unwrap_or_default().rsplit(',') {
            let Ok(address) = text.trim().parse::<IpAddr>() else { return client };
            client = address.to_canonical();
            if !is_trusted(client) {
                return client;
            }
        }
    }
    client
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn seen(forwarded: &[&'static str], peer: &str) -> (String, bool) {
        let trusted = ["127.0.0.0/8", "10.0.0.0/8"].map(|net| net.parse().unwrap());
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FOR, HeaderValue::from_static(value));
        }
        headers.append(PROTO, HeaderValue::from_static("https"));
        let client = client(&mut headers, peer.parse().unwrap(), &trusted);
        (client.to_string(), headers.contains_key(PROTO))
    }

    #[test]
    fn a_proxy_that_is_trusted_tells_who_asks() {
        assert_eq!(seen(&["203.0.113.7"], "127.0.0.1"), ("203.0.113.7".into(), true));
        assert_eq!(seen(&["203.0.113.7, 10.1.2.3"], "127.0.0.1"), ("203.0.113.7".into(), true));
        assert_eq!(seen(&["203.0.113.7", "10.1.2.3"], "10.9.9.9"), ("203.0.113.7".into(), true));
        assert_eq!(seen(&[], "127.0.0.1"), ("127.0.0.1".into(), true));
    }

    #[test]
    fn what_a_client_writes_itself_does_not_count() {
        assert_eq!(seen(&["203.0.113.7"], "198.51.100.1"), ("198.51.100.1".into(), false));
        let added = seen(&["1.1.1.1, 198.51.100.1"], "127.0.0.1");
        assert_eq!(added, ("198.51.100.1".into(), true));
        assert_eq!(seen(&["1.1.1.1, no address"], "127.0.0.1"), ("127.0.0.1".into(), true));
    }
}
