//! The distribution API under `/v2/` (distribution-spec, "API").
//!
//! All its paths come here: names of repositories may hold slashes and the API's own words, which
//! a router by patterns cannot tell apart. Order: the path is read, the caller is known, the right
//! is checked; only then is anything looked up.

mod blobs;
mod catalog;
mod manifests;
mod referrers;
mod tags;
mod uploads;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use http::request::Parts;
use http::{Extensions, HeaderName, HeaderValue, Method, StatusCode, header};

use super::challenge::{registry_scope, repository_scope};
use super::query::Query;
use super::route::{Need, Route};
use super::unread;
use super::{App, Error, Origin, RouteName, UserName};
use crate::auth::Caller;
use crate::oci::RepositoryName;
use crate::registry::Incoming;

const DOCKER_CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

pub fn routes() -> Router<App> {
    Router::new()
        .route("/v2", any(answer))
        .route("/v2/", any(answer))
        .route("/v2/{*path}", any(answer))
}

/// A request whose right was checked, but for its body.
struct Asked<'a> {
    app: &'a App,
    caller: &'a Caller,
    origin: &'a Origin,
    parts: &'a Parts,
}

impl Asked<'_> {
    fn query(&self) -> Query<'_> {
        Query::parse(self.parts.uri.query())
    }

    /// A header as text; none if it is not text.
    fn header(&self, name: HeaderName) -> Option<&str> {
        self.parts.headers.get(name)?.to_str().ok()
    }

    fn is_head(&self) -> bool {
        self.parts.method == Method::HEAD
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
    let path = parts.uri.path().strip_prefix("/v2").unwrap_or_default();
    let path = percent_encoding::percent_decode_str(path.trim_start_matches('/')).decode_utf8();
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
    authorize(app, &caller, &origin, &route, need).await?;
    let asked = Asked { app, caller: &caller, origin: &origin, parts };
    run(&asked, &route, body).await
}

async fn run(asked: &Asked<'_>, route: &Route, body: Incoming) -> Result<Response, Error> {
    match (&asked.parts.method, route) {
        (_, Route::Base) => Ok(axum::Json(serde_json::json!({})).into_response()),
        (_, Route::Catalog) => catalog::list(asked).await,
        (_, Route::Tags(name)) => tags::list(asked, name).await,
        (_, Route::Referrers(name, digest)) => referrers::list(asked, name, digest).await,
        (&Method::PUT, Route::Manifest(name, reference)) => {
            manifests::put(asked, name, reference, body).await
        }
        (&Method::DELETE, Route::Manifest(name, reference)) => {
            manifests::delete(asked, name, reference).await
        }
        (_, Route::Manifest(name, reference)) => manifests::get(asked, name, reference).await,
        (&Method::DELETE, Route::Blob(name, digest)) => blobs::delete(asked, name, digest).await,
        (_, Route::Blob(name, digest)) => blobs::get(asked, name, digest).await,
        (_, Route::Uploads(name)) => uploads::post(asked, name, body).await,
        (&Method::PATCH, Route::Upload(name, id)) => uploads::patch(asked, name, *id, body).await,
        (&Method::PUT, Route::Upload(name, id)) => uploads::put(asked, name, *id, body).await,
        (&Method::DELETE, Route::Upload(name, id)) => uploads::delete(asked, name, *id).await,
        (_, Route::Upload(name, id)) => uploads::get(asked, name, *id).await,
    }
}

/// Who is asking; bad credentials are answered with a challenge for what the route needs.
async fn authenticate(
    app: &App,
    parts: &Parts,
    origin: &Origin,
    route: Option<&Route>,
) -> Result<Caller, Error> {
    let remote = parts
        .extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(address)| address.ip());
    let authorization = parts.headers.get(header::AUTHORIZATION);
    app.auth.authenticate(authorization, remote, &origin.host).await.map_err(|error| {
        let scope = route.and_then(|route| scope(route, route.kind().need(&parts.method)?));
        Error::from(error).challenged(origin, scope.as_deref())
    })
}

/// The scope that a token must have for this.
fn scope(route: &Route, need: Need) -> Option<String> {
    match need {
        Need::SignedIn => None,
        Need::InRepository(action) => Some(repository_scope(route.repository()?, action)),
        Need::InRegistry(action) => registry_scope(action).map(Into::into),
    }
}

async fn authorize(
    app: &App,
    caller: &Caller,
    origin: &Origin,
    route: &Route,
    need: Need,
) -> Result<(), Error> {
    let may = match (need, route.repository()) {
        (Need::SignedIn, _) => !caller.is_anonymous(),
        (Need::InRepository(action), Some(repository)) => caller.may(action, repository),
        (Need::InRegistry(action), _) => caller.may_in_registry(action),
        (Need::InRepository(_), None) => false,
    };
    if may {
        return Ok(());
    }
    let scope = scope(route, need);
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
fn ascii(text: impl AsRef<str>) -> HeaderValue {
    HeaderValue::from_str(text.as_ref()).expect("the protocol's values are visible ASCII")
}

fn blob_location(repository: &RepositoryName, digest: &crate::oci::Digest) -> HeaderValue {
    ascii(format!("/v2/{repository}/blobs/{digest}"))
}

/// Whether the client has this content already (RFC 9110, section 13.1.2).
fn is_cached(asked: &Asked<'_>, digest: &crate::oci::Digest) -> bool {
    asked.header(header::IF_NONE_MATCH).is_some_and(|tags| {
        tags.split(',').map(str::trim).any(|tag| {
            tag == "*" || tag.trim_start_matches("W/").trim_matches('"') == digest.as_str()
        })
    })
}

fn etag(digest: &crate::oci::Digest) -> HeaderValue {
    ascii(format!("\"{digest}\""))
}
