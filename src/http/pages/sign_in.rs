use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, http::StatusCode};
use serde::Deserialize;

use super::error::PageError;
use super::extract::{Form, Parameters};
use super::page::{Visit, page, page_with_status, see_other};
use super::{assets, format};
use crate::auth::{Auth, AuthError, Password, is_local_path};
use crate::http::{App, browser};

/// Where to sign in, to come back to `place`.
pub fn path(place: &str) -> String {
    let place = if place == "/" { "" } else { place };
    format::with_query("/sign-in", &[("return_to", place)])
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage<'a> {
    visit: &'a Visit,
    return_to: &'a str,
    name: &'a str,
    issuers: Vec<Issuer>,
    failure: Option<String>,
}

struct Issuer {
    name: String,
    url: String,
}

#[derive(Deserialize)]
pub struct Query {
    #[serde(default)]
    return_to: String,
}

pub async fn show(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Parameters(Query { return_to }): Parameters<Query>,
) -> Result<Response, PageError> {
    if visit.is_signed_in() {
        return Ok(see_other(local(&return_to)));
    }
    let issuers = issuers(&app.auth, &return_to).await?;
    page(&SignInPage { visit: &visit, return_to: &return_to, name: "", issuers, failure: None })
}

#[derive(Deserialize)]
pub struct Filled {
    name: String,
    password: String,
    #[serde(default)]
    return_to: String,
}

pub async fn sign_in(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Form(Filled { name, password, return_to }): Form<Filled>,
) -> Result<Response, PageError> {
    let given = Password { name, password };
    match app.auth.sign_in_browser(&given, visit.address).await {
        Ok(arrival) => {
            let origin = &visit.origin;
            let cookie = browser::cookie(origin, "session", &arrival.session, arrival.seconds);
            Ok(browser::redirect(local(&return_to), cookie))
        }
        Err(
            error @ (AuthError::WrongCredentials
            | AuthError::TooManyAttempts { .. }
            | AuthError::Busy),
        ) => {
            let status = match error {
                AuthError::WrongCredentials => StatusCode::UNAUTHORIZED,
                _ => StatusCode::TOO_MANY_REQUESTS,
            };
            let issuers = issuers(&app.auth, &return_to).await?;
            let failure = Some(error.to_string());
            let (return_to, name) = (&*return_to, &*given.name);
            let template = SignInPage { visit: &visit, return_to, name, issuers, failure };
            page_with_status(status, &template)
        }
        Err(error) => Err(error.into()),
    }
}

pub async fn sign_out(
    State(auth): State<Auth>,
    Extension(visit): Extension<Visit>,
    method: http::Method,
    headers: http::HeaderMap,
) -> Result<Response, PageError> {
    if let Some(session) = browser::session(&visit.origin, &method, &headers)? {
        auth.end_session(session).await?;
    }
    let gone = browser::cookie(&visit.origin, "session", "", 0);
    Ok(browser::redirect("/sign-in", gone).into_response())
}

fn local(return_to: &str) -> &str {
    if is_local_path(return_to) { return_to } else { "/" }
}

async fn issuers(auth: &Auth, return_to: &str) -> Result<Vec<Issuer>, AuthError> {
    let names = auth.browser_issuers().await?;
    let url = |name: &str| {
        let query = [("issuer", name), ("return_to", local(return_to))];
        format::with_query("/oauth2/sign-in", &query)
    };
    Ok(names.into_iter().map(|name| Issuer { url: url(&name), name }).collect())
}
