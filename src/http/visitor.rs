use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use http::request::Parts;
use http::{HeaderValue, header};

use super::{App, Origin};

/// Where a request comes from, where to it was sent, and what it shows to be let in.
pub struct Visitor {
    pub address: IpAddr,
    pub origin: Origin,
    pub authorization: Option<HeaderValue>,
}

impl FromRequestParts<App> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        let connection = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Ok(Self {
            address: connection
                .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(from)| from.ip()),
            origin: Origin::of(parts, &app.settings.server),
            authorization: parts.headers.get(header::AUTHORIZATION).cloned(),
        })
    }
}
