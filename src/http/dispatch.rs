//! The way of every request to the distribution API and to Azure's: the path is read, the caller
//! is known, the right is checked; only then is anything looked up.
//!
//! All their paths come here: names of repositories may hold slashes and the APIs' own words,
//! which a router by patterns cannot tell apart.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use http::request::Parts;
use http::{Extensions, HeaderName, HeaderValue, Method, StatusCode, header};

use super::challenge::{registry_scope, repository_scope};
use super::need::{About, Need};
use super::query::Query;
use super::route::Route;
use super::{App, Error, Origin, RouteName, UserName, acr, unread, v2};
use crate::auth::Caller;
use crate::metadata::NameRange;
use crate::oci::RepositoryPattern;
use crate::registry::Incoming;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/v2", any(answer))
        .route("/v2/", any(answer))
        .route("/v2/{*path}", any(answer))
        .route("/acr/v1/{*path}", any(answer))
}

/// A request whose right was checked, but for its body.
pub struct Asked<'a> {
    pub app: &'a App,
    pub caller: &'a Caller,
    pub origin: &'a Origin,
    pub parts: &'a Parts,
}

impl Asked<'_> {
    pub fn query(&self) -> Query<'_> {
        Query::parse(self.parts.uri.query())
    }

    /// A header as text; none if it is not text.
    pub fn header(&self, name: HeaderName) -> Option<&str> {
        self.parts.headers.get(name)?.to_str().ok()
    }

    /// The address of the client.
    pub fn remote(&self) -> IpAddr {
        remote(self.parts)
    }

    pub fn is_head(&self) -> bool {
        self.parts.method == Method::HEAD
    }

    /// The repositories that a list may show to the caller.
    pub fn readable(&self) -> Vec<NameRange> {
        self.caller.readable().iter().map(name_range).collect()
    }
}

async fn answer(State(app): State<App>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    // A client that waits for leave to send its body has sent nothing that needs to be read.
    let waits = parts.headers.contains_key(header::EXPECT);
    let (body, unread) = unread::watch(body);
    let mut marks = Extensions::new();
    let mut response = match dispatch(&app, &parts, body, &mut marks).await {
        Ok(response) => response,
        Err(error) => {
            if !waits {
                unread.drain().await;
            }
            error.into_response()
        }
    };
    response.extensions_mut().extend(marks);
    response
}

/// Puts into `marks` what the log and the metrics want to know, also of requests that fail.
async fn dispatch(
    app: &App,
    parts: &Parts,
    body: Incoming,
    marks: &mut Extensions,
) -> Result<Response, Error> {
    let origin = Origin::of(parts, &app.settings.server);
    let path = percent_encoding::percent_decode_str(parts.uri.path()).decode_utf8();
    let route = path.map_err(|_| Error::not_found()).and_then(|path| Route::parse(&path));
    if let Ok(route) = &route {
        marks.insert(RouteName(route.kind().name()));
    }
    let caller = authenticate(app, parts, &origin, route.as_ref().ok()).await?;
    if !caller.is_anonymous() {
        marks.insert(UserName(caller.name().to_owned()));
    }
    // Even that a path makes no sense is told to callers only that signed in.
    let route = match route {
        Err(_) if caller.is_anonymous() => return Err(Error::sign_in_first(&origin, None)),
        route => route?,
    };
    let Some(need) = route.kind().need(&parts.method) else {
        return Err(method_not_allowed(&route));
    };
    let asked = Asked { app, caller: &caller, origin: &origin, parts };
    authorize(&asked, &route, need).await?;
    if route.kind().is_acr() {
        acr::run(&asked, &route, body).await
    } else {
        v2::run(&asked, &route, body).await
    }
}

/// The address of the client, behind the proxies that are trusted.
fn remote(parts: &Parts) -> IpAddr {
    parts
        .extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(address)| address.ip())
}

/// Who is asking; bad credentials are answered with a challenge for what the route needs.
async fn authenticate(
    app: &App,
    parts: &Parts,
    origin: &Origin,
    route: Option<&Route>,
) -> Result<Caller, Error> {
    let remote = remote(parts);
    let authorization = parts.headers.get(header::AUTHORIZATION);
    app.auth.authenticate(authorization, remote, &origin.host).await.map_err(|error| {
        let scope = route.and_then(|route| scope(route, route.kind().need(&parts.method)?));
        Error::from(error).challenged(origin, scope.as_deref())
    })
}

/// The scope that a token must have for this.
fn scope(route: &Route, need: Need) -> Option<String> {
    match need {
        Need::SignedIn | Need::UserOrAdmin => None,
        Need::InRepository(action) | Need::EitherInRepository(action, _) => {
            Some(repository_scope(route.repository()?, action))
        }
        Need::InRegistry(action) => registry_scope(action).map(Into::into),
    }
}

async fn authorize(asked: &Asked<'_>, route: &Route, need: Need) -> Result<(), Error> {
    let Asked { app, caller, origin, parts } = asked;
    // Clients ask without credentials first. A list that shows what is public would keep them from
    // signing in and seeing the rest; whoever has no credentials gets a token without.
    let is_asked_too_early =
        matches!(need, Need::InRegistry(_)) && !parts.headers.contains_key(header::AUTHORIZATION);
    let may = need.is_met(caller, About { repository: route.repository(), user: None })
        && !is_asked_too_early;
    if may {
        return Ok(());
    }
    let scope = scope(route, need);
    if route.kind().is_acr() {
        let error = (!caller.is_anonymous()).then_some("insufficient_scope");
        return Err(Error::acr_unauthorized(origin, scope.as_deref(), error));
    }
    if caller.is_anonymous() {
        return Err(Error::sign_in_first(origin, scope.as_deref()));
    }
    let could = match (need, route.repository()) {
        (Need::InRepository(action), Some(repository)) => {
            app.auth.could(caller, action, repository).await?
        }
        (Need::InRegistry(action), _) => app.auth.could_in_registry(caller, action).await?,
        _ => false,
    };
    match scope {
        Some(scope) if could => Err(Error::insufficient_scope(origin, &scope)),
        _ => Err(Error::new(
            StatusCode::FORBIDDEN,
            "DENIED",
            format!("{} has no right to do this", caller.name()),
        )),
    }
}

fn method_not_allowed(route: &Route) -> Error {
    let methods = route.kind().methods();
    let message = format!("this path takes {methods}");
    let allow = HeaderValue::try_from(methods).expect("names of methods are a header value");
    Error::new(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", message)
        .with_header(header::ALLOW, allow)
}

/// A header value of text that is visible ASCII, as all values of the protocol are.
pub fn ascii(text: impl AsRef<str>) -> HeaderValue {
    HeaderValue::from_str(text.as_ref()).expect("the protocol's values are visible ASCII")
}

pub fn name_range(pattern: &RepositoryPattern) -> NameRange {
    match (pattern.prefix(), pattern.name()) {
        (_, Some(name)) => NameRange::Exact(name.to_owned()),
        (Some(prefix), None) if !pattern.is_all() => NameRange::Prefix(prefix.to_owned()),
        _ => NameRange::All,
    }
}
