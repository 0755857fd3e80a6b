use http::request::Parts;
use http::{HeaderMap, header};

use super::forwarded::PROTO;
use crate::settings::ServerSettings;

/// Where clients reach this registry: what a challenge points them to, and the audience of tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// As in `https://registry.example.com`, without a slash at its end.
    pub url: String,
    /// Host and port, as in the client's own names of images.
    pub host: String,
}

impl Origin {
    /// From the configured public URL; else as the client addressed us, where a proxy in front may
    /// say that it was by TLS (`X-Forwarded-Proto`, which [`super::forwarded`] vouches for).
    pub fn of(request: &Parts, settings: &ServerSettings) -> Self {
        if let Some(url) = &settings.public_url {
            let url = url.trim_end_matches('/');
            let host = url.split_once("://").map_or(url, |(_, host)| host);
            let host = host.split('/').next().unwrap_or_default();
            return Self { url: url.to_owned(), host: host.to_owned() };
        }
        let host = text(&request.headers, header::HOST.as_str())
            .or_else(|| request.uri.authority().map(http::uri::Authority::as_str))
            .filter(|host| is_host(host))
            .unwrap_or("localhost");
        let forwarded = text(&request.headers, PROTO.as_str());
        let is_tls = settings.tls_cert.is_some() || forwarded == Some("https");
        let scheme = if is_tls { "https" } else { "http" };
        Self { url: format!("{scheme}://{host}"), host: host.to_owned() }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Nothing that could end the quotes of a header or lead elsewhere.
fn is_host(host: &str) -> bool {
    !host.is_empty()
        && host.len() <= 255
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(headers: &[(&str, &str)], settings: &ServerSettings) -> Origin {
        let mut request = http::Request::get("/v2/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        Origin::of(&parts, settings)
    }

    #[test]
    fn clients_are_sent_to_where_they_came_from() {
        let settings = ServerSettings::default();
        let found = origin(&[("host", "127.0.0.1:5000")], &settings);
        assert_eq!(found.url, "http://127.0.0.1:5000");
        assert_eq!(found.host, "127.0.0.1:5000");
        let behind_proxy = [("host", "r.example.com"), ("x-forwarded-proto", "https")];
        assert_eq!(origin(&behind_proxy, &settings).url, "https://r.example.com");
    }

    #[test]
    fn the_public_url_wins() {
        let public_url = Some("https://r.example.com:8443/".into());
        let settings = ServerSettings { public_url, ..ServerSettings::default() };
        let found = origin(&[("host", "10.0.0.1")], &settings);
        assert_eq!(found.url, "https://r.example.com:8443");
        assert_eq!(found.host, "r.example.com:8443");
    }

    #[test]
    fn a_host_that_could_break_out_of_a_header_is_not_repeated() {
        let found = origin(&[("host", "evil\",x=\"y")], &ServerSettings::default());
        assert_eq!(found.host, "localhost");
    }
}
