//! The page of a user: for the user in person, and for administrators.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use super::error::PageError;
use super::extract::{Form, Path};
use super::page::{Visit, page, see_other};
use super::{assets, format};
use crate::auth::administration::NewPassword;
use crate::auth::{ActionSet, Auth, Role};
use crate::http::Error;
use crate::metadata::credentials::{Credential, CredentialKind};
use crate::metadata::identities::Identity;
use crate::metadata::identities::IdentityKind::User;
use crate::oci::RepositoryPattern;

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage<'a> {
    visit: &'a Visit,
    user: Identity,
    tokens: Vec<Credential>,
    news: Option<News>,
}

/// A secret that is told this once, and what it is.
pub struct News {
    pub what: &'static str,
    pub secret: Option<String>,
}

impl AccountPage<'_> {
    fn is_own(&self) -> bool {
        self.visit.caller.name() == self.user.name
    }

    /// Tokens are made in person only, by nobody else.
    fn may_add(&self) -> bool {
        self.is_own() && self.visit.caller.in_person()
    }
}

async fn render(
    auth: &Auth,
    visit: &Visit,
    name: &str,
    news: Option<News>,
) -> Result<Response, PageError> {
    let user = auth.identity(User, name).await?;
    let mut tokens = auth.credentials_of(User, name).await?;
    tokens.retain(|credential| credential.kind == CredentialKind::Token);
    page(&AccountPage { visit, user, tokens, news })
}

pub async fn show(
    State(auth): State<Auth>,
    Extension(visit): Extension<Visit>,
    Path(name): Path<String>,
) -> Result<Response, PageError> {
    render(&auth, &visit, &name, None).await
}

#[derive(Deserialize)]
pub struct Password {
    /// Empty: one is made up.
    #[serde(default)]
    password: String,
}

pub async fn set_password(
    State(auth): State<Auth>,
    Extension(visit): Extension<Visit>,
    Path(name): Path<String>,
    Form(Password { password }): Form<Password>,
) -> Result<Response, PageError> {
    let new = match &*password {
        "" => NewPassword::Generated,
        password => NewPassword::Given(password),
    };
    let secret = auth.set_password(&visit.actor(), &name, new).await?;
    // The session of whoever signed in by the old password is over.
    if visit.caller.name() == name && secret.is_none() {
        return Ok(see_other("/sign-in"));
    }
    let news = News { what: "The password was changed.", secret };
    render(&auth, &visit, &name, Some(news)).await
}

#[derive(Deserialize)]
pub struct NewToken {
    label: String,
    /// Days; empty for no end.
    #[serde(default)]
    days: String,
    /// `pull`, `push` or `all`.
    #[serde(default)]
    rights: String,
    #[serde(default)]
    repositories: String,
}

pub async fn add_token(
    State(auth): State<Auth>,
    Extension(visit): Extension<Visit>,
    Path(name): Path<String>,
    Form(form): Form<NewToken>,
) -> Result<Response, PageError> {
    let (seconds, rules) = (seconds(&form.days)?, form.rules()?);
    let token =
        auth.add_personal_token(&visit.actor(), &name, &form.label, seconds, &rules).await?;
    let news = News { what: "The token was made.", secret: Some(token.text) };
    render(&auth, &visit, &name, Some(news)).await
}

impl NewToken {
    /// What the token is narrowed to; nothing for all that its owner may do.
    fn rules(&self) -> Result<Vec<(RepositoryPattern, ActionSet)>, Error> {
        let pattern = self.repositories.trim();
        let actions = match &*self.rights {
            "pull" => Role::AcrPull.actions(),
            "push" => Role::AcrPush.actions(),
            _ if pattern.is_empty() || pattern == "*" => return Ok(Vec::new()),
            _ => ActionSet::ALL,
        };
        Ok(vec![(parse_pattern(if pattern.is_empty() { "*" } else { pattern })?, actions)])
    }
}

pub fn parse_pattern(text: &str) -> Result<RepositoryPattern, Error> {
    RepositoryPattern::parse(text.trim())
        .map_err(|error| Error::bad_request("REQUEST_INVALID", error.to_string()))
}

/// The seconds of so many days; none for no end.
pub fn seconds(days: &str) -> Result<Option<u32>, Error> {
    const DAY: u32 = 86_400;
    if days.trim().is_empty() {
        return Ok(None);
    }
    let seconds = days.trim().parse::<u32>().ok().filter(|days| *days > 0);
    let seconds = seconds.and_then(|days| days.checked_mul(DAY));
    seconds.map(Some).ok_or_else(|| {
        let message = format!("{days:.20} is not a number of days: use 1 to {}", u32::MAX / DAY);
        Error::bad_request("REQUEST_INVALID", message)
    })
}

pub async fn remove_token(
    State(auth): State<Auth>,
    Extension(visit): Extension<Visit>,
    Path((name, id)): Path<(String, String)>,
) -> Result<Response, PageError> {
    auth.remove_credential(&visit.actor(), User, &name, &id).await?;
    Ok(see_other(&format!("/users/{}", format::segment(&name))))
}
