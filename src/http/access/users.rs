use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::views::{CredentialView, IdentityView, RuleView, SecretView};
use super::{Asker, Error};
use crate::auth::Auth;
use crate::auth::administration::{NewPassword, NewUser, Update};
use crate::http::content::views::Refusals;
use crate::http::extract::{Body, Parameters, Path};
use crate::metadata::credentials::CredentialKind;
use crate::metadata::identities::IdentityKind::User;

/// Entries of a list in one answer.
const MAX_PAGE: u32 = 1000;

#[derive(Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct Page {
    /// Entries of the page, a thousand at most
    n: u32,
    /// The name before the page
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

#[derive(Serialize, ToSchema)]
pub struct Users {
    users: Vec<IdentityView>,
}

/// List the users
#[utoipa::path(get, path = super::USERS, tag = "users",
    params(Page),
    responses((status = 200, body = Users), Refusals))]
pub async fn list(
    State(auth): State<Auth>,
    Parameters(page): Parameters<Page>,
) -> Result<Json<Users>, Error> {
    let users = auth.identities(User, page.last(), page.limit()).await?;
    Ok(Json(Users { users: users.into_iter().map(Into::into).collect() }))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateUser {
    name: String,
    #[serde(default)]
    display_name: String,
    /// Neither this nor a hash: one is made up.
    password: Option<String>,
    /// By bcrypt, of a file that `htpasswd -B` wrote.
    password_hash: Option<String>,
}

/// A user, with the password if it was made up for it.
#[derive(Serialize, ToSchema)]
pub struct CreatedUser {
    #[serde(flatten)]
    user: IdentityView,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

/// Add a user
///
/// Without a password or a hash, a password is made up and shown this once.
#[utoipa::path(post, path = super::USERS, tag = "users",
    request_body = CreateUser,
    responses((status = 201, body = CreatedUser), Refusals))]
pub async fn create(
    State(auth): State<Auth>,
    Extension(asker): Extension<Asker>,
    Body(body): Body<CreateUser>,
) -> Result<(StatusCode, Json<CreatedUser>), Error> {
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
    Ok((StatusCode::CREATED, Json(CreatedUser { user: user.into(), password })))
}

/// Show a user
#[utoipa::path(get, path = super::USER, tag = "users",
    params(("name" = String, Path, description = "Name of the user")),
    responses((status = 200, body = IdentityView), Refusals))]
pub async fn show(
    State(auth): State<Auth>,
    Path(name): Path<String>,
) -> Result<Json<IdentityView>, Error> {
    Ok(Json(auth.identity(User, &name).await?.into()))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeIdentity {
    display_name: Option<String>,
    enabled: Option<bool>,
}

impl ChangeIdentity {
    pub fn update(&self) -> Update<'_> {
        Update { display_name: self.display_name.as_deref(), enabled: self.enabled }
    }
}

/// Rename a user, or shut one out
#[utoipa::path(patch, path = super::USER, tag = "users",
    params(("name" = String, Path, description = "Name of the user")),
    request_body = ChangeIdentity,
    responses((status = 200, body = IdentityView), Refusals))]
pub async fn update(
    State(auth): State<Auth>,
    Extension(asker): Extension<Asker>,
    Path(name): Path<String>,
    Body(body): Body<ChangeIdentity>,
) -> Result<Json<IdentityView>, Error> {
    let user = auth.update_identity(&asker.actor(), User, &name, &body.update()).await?;
    Ok(Json(user.into()))
}

/// Remove a user with all credentials and rights
#[utoipa::path(delete, path = super::USER, tag = "users",
    params(("name" = String, Path, description = "Name of the user")),
    responses((status = 204), Refusals))]
pub async fn remove(
    State(auth): State<Auth>,
    Extension(asker): Extension<Asker>,
    Path(name): Path<String>,
) -> Result<StatusCode, Error> {
    auth.remove_identity(&asker.actor(), User, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetPassword {
    password: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct PasswordView {
    /// Only if it was made up here.
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

/// Set a password, or have one made up
///
/// Tokens that were issued on the old one end.
#[utoipa::path(put, path = super::PASSWORD, tag = "users",
    params(("name" = String, Path, description = "Name of the user")),
    request_body = SetPassword,
    responses((status = 200, body = PasswordView), Refusals))]
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

#[derive(Serialize, ToSchema)]
pub struct Tokens {
    tokens: Vec<CredentialView>,
}

/// List the personal tokens of a user
#[utoipa::path(get, path = super::TOKENS, tag = "users",
    params(("name" = String, Path, description = "Name of the user")),
    responses((status = 200, body = Tokens), Refusals))]
pub async fn tokens(
    State(auth): State<Auth>,
    Path(name): Path<String>,
) -> Result<Json<Tokens>, Error> {
    let credentials = auth.credentials_of(User, &name).await?;
    let tokens = credentials.into_iter().filter(|c| c.kind == CredentialKind::Token);
    Ok(Json(Tokens { tokens: tokens.map(Into::into).collect() }))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewToken {
    #[serde(default)]
    label: String,
    expires_in_seconds: Option<u32>,
    #[serde(default)]
    rules: Vec<RuleView>,
}

/// Make a personal token for yourself
///
/// It has your rights, or the part of them that the rules name.
#[utoipa::path(post, path = super::TOKENS, tag = "users",
    params(("name" = String, Path, description = "Name of the user")),
    request_body = NewToken,
    responses((status = 201, body = SecretView), Refusals))]
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

/// Remove a personal token
#[utoipa::path(delete, path = super::TOKEN, tag = "users",
    params(("name" = String, Path, description = "Name of the user"),
           ("id" = String, Path, description = "Id of the token")),
    responses((status = 204), Refusals))]
pub async fn remove_token(
    State(auth): State<Auth>,
    Extension(asker): Extension<Asker>,
    Path((name, id)): Path<(String, String)>,
) -> Result<StatusCode, Error> {
    auth.remove_credential(&asker.actor(), User, &name, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
