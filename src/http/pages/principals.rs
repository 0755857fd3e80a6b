//! Service principals: robots, by another name.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use super::account::{News, seconds};
use super::error::PageError;
use super::extract::{Form, Parameters, Path};
use super::page::{Visit, page, see_other};
use super::users::{Enabled, PAGE, Query, next};
use super::{assets, format};
use crate::auth::Auth;
use crate::auth::administration::{NewPrincipal, Update};
use crate::metadata::credentials::Credential;
use crate::metadata::identities::Identity;
use crate::metadata::identities::IdentityKind::Principal;

#[derive(Template)]
#[template(path = "principals.html")]
struct PrincipalsPage<'a> {
    visit: &'a Visit,
    principals: Vec<Identity>,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "principal.html")]
struct PrincipalPage<'a> {
    visit: &'a Visit,
    principal: Identity,
    secrets: Vec<Credential>,
    news: Option<News>,
}

pub async fn list(
    State(auth): State<Auth>,
    Extension(visit): Extension<Visit>,
    Parameters(Query { last }): Parameters<Query>,
) -> Result<Response, PageError> {
    let mut principals = auth.identities(Principal, &last, PAGE + 1).await?;
    let next = next(&mut principals, "/principals");
    page(&PrincipalsPage { visit: &visit, principals, next })
}

#[derive(Deserialize)]
pub struct Create {
    display_name: String,
    #[serde(default)]
    days: String,
}

pub async fn create(
    State(auth): State<Auth>,
    Extension(visit): Extension<Visit>,
    Form(Create { display_name, days }): Form<Create>,
) -> Result<Response, PageError> {
    let new = NewPrincipal { display_name: &display_name, secret_seconds: seconds(&days)? };
    let (principal, secret) = auth.add_principal(&visit.actor(), &new).await?;
    let what = "The service principal was made. It signs in with its id and this secret.";
    let news = News { what, secret: Some(secret.text) };
    render(&auth, &visit, &principal.name, Some(news)).await
}

async fn render(
    auth: &Auth,
    visit: &Visit,
    id: &str,
    news: Option<News>,
) -> Result<Response, PageError> {
    let principal = auth.identity(Principal, id).await?;
    let secrets = auth.credentials_of(Principal, id).await?;
    page(&PrincipalPage { visit, principal, secrets, news })
}

pub async fn show(
    State(auth): State<Auth>,
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    render(&auth, &visit, &id, None).await
}

#[derive(Deserialize)]
pub struct NewSecret {
    #[serde(default)]
    label: String,
    #[serde(default)]
    days: String,
}

pub async fn add_secret(
    State(auth): State<Auth>,
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
    Form(NewSecret { label, days }): Form<NewSecret>,
) -> Result<Response, PageError> {
    let seconds = seconds(&days)?;
    let secret = auth.add_principal_secret(&visit.actor(), &id, &label, seconds).await?;
    let news = News { what: "The secret was made.", secret: Some(secret.text) };
    render(&auth, &visit, &id, Some(news)).await
}

pub async fn remove_secret(
    State(auth): State<Auth>,
    Extension(visit): Extension<Visit>,
    Path((id, secret)): Path<(String, String)>,
) -> Result<Response, PageError> {
    auth.remove_credential(&visit.actor(), Principal, &id, &secret).await?;
    Ok(see_other(&format!("/principals/{}", format::segment(&id))))
}

pub async fn set_enabled(
    State(auth): State<Auth>,
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
    Form(Enabled { enabled }): Form<Enabled>,
) -> Result<Response, PageError> {
    let update = Update { display_name: None, enabled: Some(!enabled.is_empty()) };
    auth.update_identity(&visit.actor(), Principal, &id, &update).await?;
    Ok(see_other(&format!("/principals/{}", format::segment(&id))))
}

pub async fn remove(
    State(auth): State<Auth>,
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    auth.remove_identity(&visit.actor(), Principal, &id).await?;
    Ok(see_other("/principals"))
}
