//! Sign-in with a browser: `/oauth2/sign-in` sends it to an issuer, `/oauth2/callback` takes it
//! back, `/oauth2/sign-out` ends its session.

use axum::Router;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::Deserialize;

use super::visitor::Visitor;
use super::{App, Error, Origin};
use crate::auth::{Auth, AuthError, TIME_TO_SIGN_IN};

pub fn routes() -> Router<App> {
    Router::new()
        .route("/oauth2/sign-in", get(sign_in))
        .route("/oauth2/callback", get(callback))
        .route("/oauth2/sign-out", post(sign_out))
}

#[derive(Deserialize)]
struct SignIn {
    issuer: String,
    #[serde(default = "root")]
    return_to: String,
}

fn root() -> String {
    "/".into()
}

async fn sign_in(
    State(auth): State<Auth>,
    Visitor { origin, .. }: Visitor,
    Query(query): Query<SignIn>,
) -> Result<Response, Error> {
    let redirect_uri = format!("{}/oauth2/callback", origin.url);
    let departure =
        auth.begin_browser_sign_in(&query.issuer, &redirect_uri, &query.return_to).await?;
    let cookie = cookie(&origin, "sign_in", &departure.pending, TIME_TO_SIGN_IN);
    Ok(redirect(&departure.location, cookie))
}

#[derive(Deserialize)]
struct Callback {
    #[serde(default)]
    state: String,
    #[serde(default)]
    code: String,
    error: Option<String>,
}

async fn callback(
    State(auth): State<Auth>,
    Visitor { origin, .. }: Visitor,
    headers: HeaderMap,
    Query(query): Query<Callback>,
) -> Result<Response, Error> {
    if let Some(error) = query.error {
        let error: String = error.chars().filter(|c| !c.is_control()).take(100).collect();
        let message = format!("the issuer did not sign you in: {error}");
        return Err(Error::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", message));
    }
    let pending = read_cookie(&origin, &headers, "sign_in").ok_or(AuthError::SignInLost)?;
    let arrival = auth.finish_browser_sign_in(pending, &query.state, &query.code).await?;
    let session = cookie(&origin, "session", &arrival.session, arrival.seconds);
    Ok(redirect(&arrival.return_to, session))
}

async fn sign_out(
    State(auth): State<Auth>,
    Visitor { origin, .. }: Visitor,
    headers: HeaderMap,
) -> Result<Response, Error> {
    if let Some(session) = session(&origin, &Method::POST, &headers)? {
        auth.end_session(session).await?;
    }
    let gone = cookie(&origin, "session", "", 0);
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, gone)]).into_response())
}

/// The session of a browser. One that changes something must come from our own pages: other sites
/// can make a browser send its cookies, but not hide where a request comes from.
pub fn session<'a>(
    origin: &Origin,
    method: &Method,
    headers: &'a HeaderMap,
) -> Result<Option<&'a str>, Error> {
    let Some(session) = read_cookie(origin, headers, "session") else { return Ok(None) };
    if !method.is_safe() {
        from_own_pages(origin, headers)?;
    }
    Ok(Some(session))
}

/// Refuses what another site's page made a browser send.
pub fn from_own_pages(origin: &Origin, headers: &HeaderMap) -> Result<(), Error> {
    let from = headers.get(header::ORIGIN).and_then(|value| value.to_str().ok());
    if from == Some(&origin.url) {
        return Ok(());
    }
    let message = format!(
        "a browser changes things from the registry's own pages only, at {}; if that is not the \
         address you see, server.public_url must be set",
        origin.url
    );
    Err(Error::new(StatusCode::FORBIDDEN, "DENIED", message))
}

/// By TLS the name binds the cookie to this very host (RFC 6265bis, section 4.1.3.2).
fn cookie_name(origin: &Origin, name: &str) -> String {
    let prefix = if is_tls(origin) { "__Host-" } else { "" };
    format!("{prefix}orlop_{name}")
}

fn is_tls(origin: &Origin) -> bool {
    origin.url.starts_with("https://")
}

pub fn cookie(origin: &Origin, name: &str, value: &str, seconds: u32) -> HeaderValue {
    let name = cookie_name(origin, name);
    let secure = if is_tls(origin) { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::try_from(text).expect("names and random texts are visible ASCII")
}

fn read_cookie<'a>(origin: &Origin, headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let name = cookie_name(origin, name);
    let values = headers.get_all(header::COOKIE).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

pub fn redirect(location: &str, cookie: HeaderValue) -> Response {
    let location = HeaderValue::try_from(location).expect("URLs and checked paths are ASCII");
    let no_store = HeaderValue::from_static("no-store");
    let headers = [
        (header::LOCATION, location),
        (header::SET_COOKIE, cookie),
        (header::CACHE_CONTROL, no_store),
    ];
    (StatusCode::SEE_OTHER, headers).into_response()
}
