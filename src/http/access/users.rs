use axum::extract::{Path, Query, State};
use axum::{Extension, Json};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::views::{CredentialView, IdentityView, RuleView, SecretView};
use super::{Asker, Body, Error};
use crate::auth::Auth;
use crate::auth::administration::{NewPassword, NewUser, Update};
use crate::metadata::credentials::CredentialKind;
use crate::metadata::identities::IdentityKind::User;

/// Entries of a list in one answer.
const MAX_PAGE: u32 = 1000;

/// `n` entries after the name `last`.
#[derive(Deserialize)]
#[serde(default)]
pub struct Page {
    n: u32,
    last: String,
}

impl Default for Page {
    fn default() -> Self {
        Self { n: 100, last: String::new() }
    }
}

impl Page {
    pub fn limit(&self) -> u32 {
        self.n.clamp(1, MAX_PAGE)
    }

    pub fn last(&self) -> &str {
        &self.last
    }
}

#[derive(Serialize)]
pub struct Users {
    users: Vec<IdentityView>,
}

pub async fn list(
    State(auth): State<Auth>,
    Query(page): Query<Page>,
) -> Result<Json<Users>, Error> {
    let users = auth.identities(User, page.last(), page.limit()).await?;
    Ok(Json(Users { users: users.into_iter().map(Into::into).collect() }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Create {
    name: String,
    #[serde(default)]
    display_name: String,
    /// Neither this nor a hash: one is made up.
    password: Option<String>,
    /// By bcrypt, of a file that `htpasswd -B` wrote.
    password_hash: Option<String>,
}

/// A user, with the password if it was made up for it.
#[derive(Serialize)]
pub struct Created {
    #[serde(flatten)]
    user: IdentityView,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

pub async fn create(
    State(auth): State<Auth>,
    Extension(asker): Extension<Asker>,
    Body(body): Body<Create>,
) -> Result<(StatusCode, Json<Created>), Error> {
    let password = match (&body.password, &body.password_hash) {
        (Some(password), None) => NewPassword::Given(password),
        (None, Some(hash)) => NewPassword::Bcrypt(hash),
        (None, None) => NewPassword::Generated,
        (Some(_), Some(_)) => {
            let message = "give either a password or a passwordHash";
            return Err(Error::bad_request("REQUEST_INVALID", message));
        }
    };
    let new = NewUser { name: &body.name, display_name: &body.display_name, password };
    let (user, password) = auth.add_user(&asker.actor(), &new).await?;
    Ok((StatusCode::CREATED, Json(Created { user: user.into(), password })))
}

pub async fn show(
    State(auth): State<Auth>,
    Path(name): Path<String>,
) -> Result<Json<IdentityView>, Error> {
    Ok(Json(auth.identity(User, &name).await?.into()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Change {
    display_name: Option<String>,
    enabled: Option<bool>,
}

impl Change {
    pub fn update(&self) -> Update<'_> {
        Update { display_name: self.display_name.as_deref(), enabled: self.enabled }
    }
}

pub async fn update(
    State(auth): State<Auth>,
    Extension(asker): Extension<Asker>,
    Path(name): Path<String>,
    Body(body): Body<Change>,
) -> Result<Json<IdentityView>, Error> {
    let user = auth.update_identity(&asker.actor(), User, &name, &body.update()).await?;
    Ok(Json(user.into()))
}

pub async fn remove(
    State(auth): State<Auth>,
    Extension(asker): Extension<Asker>,
    Path(name): Path<String>,
) -> Result<StatusCode, Error> {
    auth.remove_identity(&asker.actor(), User, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetPassword {
    password: Option<String>,
}

#[derive(Serialize)]
pub struct PasswordView {
    /// Only if it was made up here.
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

pub async fn set_password(
    State(auth): State<Auth>,
    Extension(asker): Extension<Asker>,
    Path(name): Path<String>,
    Body(body): Body<SetPassword>,
) -> Result<Json<PasswordView>, Error> {
    let password = body.password.as_deref().map_or(NewPassword::Generated, NewPassword::Given);
    let password = auth.set_password(&asker.actor(), &name, password).await?;
    Ok(Json(PasswordView { password }))
}

#[derive(Serialize)]
pub struct Tokens {
    tokens: Vec<CredentialView>,
}

pub async fn tokens(
    State(auth): State<Auth>,
    Path(name): Path<String>,
) -> Result<Json<Tokens>, Error> {
    let credentials = auth.credentials_of(User, &name).await?;
    let tokens = credentials.into_iter().filter(|c| c.kind == CredentialKind::Token);
    Ok(Json(Tokens { tokens: tokens.map(Into::into).collect() }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewToken {
    #[serde(default)]
    label: String,
    expires_in_seconds: Option<u32>,
    #[serde(default)]
    rules: Vec<RuleView>,
}

pub async fn add_token(
    State(auth): State<Auth>,
    Extension(asker): Extension<Asker>,
    Path(name): Path<String>,
    Body(body): Body<NewToken>,
) -> Result<(StatusCode, Json<SecretView>), Error> {
    let rules = RuleView::parse_all(&body.rules)?;
    let seconds = body.expires_in_seconds;
    let token =
        auth.add_personal_token(&asker.actor(), &name, &body.label, seconds, &rules).await?;
    Ok((StatusCode::CREATED, Json(token.into())))
}

pub async fn remove_token(
    State(auth): State<Auth>,
    Extension(asker): Extension<Asker>,
    Path((name, id)): Path<(String, String)>,
) -> Result<StatusCode, Error> {
    auth.remove_credential(&asker.actor(), User, &name, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
