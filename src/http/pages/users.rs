use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use super::account::News;
use super::error::PageError;
use super::extract::{Form, Parameters, Path};
use super::page::{Visit, page, see_other};
use super::{assets, format};
use crate::auth::Auth;
use crate::auth::administration::{NewPassword, NewUser, Update};
use crate::metadata::identities::Identity;
use crate::metadata::identities::IdentityKind::User;

pub const PAGE: u32 = 100;

#[derive(Template)]
#[template(path = "users.html")]
struct UsersPage<'a> {
    visit: &'a Visit,
    users: Vec<Identity>,
    next: Option<String>,
    news: Option<News>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Query {
    pub last: String,
}

async fn render(
    auth: &Auth,
    visit: &Visit,
    last: &str,
    news: Option<News>,
) -> Result<Response, PageError> {
    let mut users = auth.identities(User, last, PAGE + 1).await?;
    let next = next(&mut users, "/users");
    page(&UsersPage { visit, users, next, news })
}

/// Where the page after these is; one more than a page has was read.
pub fn next(identities: &mut Vec<Identity>, path: &str) -> Option<String> {
    let has_more = identities.len() > PAGE as usize;
    identities.truncate(PAGE as usize);
    let last = identities.last().filter(|_| has_more)?;
    Some(format::with_query(path, &[("last", &last.name)]))
}

pub async fn list(
    State(auth): State<Auth>,
    Extension(visit): Extension<Visit>,
    Parameters(Query { last }): Parameters<Query>,
) -> Result<Response, PageError> {
    render(&auth, &visit, &last, None).await
}

#[derive(Deserialize)]
pub struct Create {
    name: String,
    #[serde(default)]
    display_name: String,
    /// Empty: one is made up.
    #[serde(default)]
    password: String,
}

pub async fn create(
    State(auth): State<Auth>,
    Extension(visit): Extension<Visit>,
    Form(Create { name, display_name, password }): Form<Create>,
) -> Result<Response, PageError> {
    let password = match &*password {
        "" => NewPassword::Generated,
        password => NewPassword::Given(password),
    };
    let new = NewUser { name: &name, display_name: &display_name, password };
    let (_, secret) = auth.add_user(&visit.actor(), &new).await?;
    let what = "The user was made. A role lets it see something.";
    render(&auth, &visit, "", Some(News { what, secret })).await
}

#[derive(Deserialize)]
pub struct Enabled {
    #[serde(default)]
    pub enabled: String,
}

pub async fn set_enabled(
    State(auth): State<Auth>,
    Extension(visit): Extension<Visit>,
    Path(name): Path<String>,
    Form(Enabled { enabled }): Form<Enabled>,
) -> Result<Response, PageError> {
    let update = Update { display_name: None, enabled: Some(!enabled.is_empty()) };
    auth.update_identity(&visit.actor(), User, &name, &update).await?;
    Ok(see_other(&format!("/users/{}", format::segment(&name))))
}

pub async fn remove(
    State(auth): State<Auth>,
    Extension(visit): Extension<Visit>,
    Path(name): Path<String>,
) -> Result<Response, PageError> {
    auth.remove_identity(&visit.actor(), User, &name).await?;
    Ok(see_other("/users"))
}
