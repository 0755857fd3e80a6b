use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::users::{ChangeIdentity, Page};
use super::views::{CredentialView, IdentityView, SecretView};
use super::{Asker, Error};
use crate::auth::Auth;
use crate::auth::administration::NewPrincipal;
use crate::http::content::views::Refusals;
use crate::http::extract::{Body, Parameters, Path};
use crate::metadata::identities::IdentityKind::Principal;

#[derive(Serialize, ToSchema)]
pub struct Principals {
    principals: Vec<IdentityView>,
}

/// List the service principals
#[utoipa::path(get, path = super::PRINCIPALS, tag = "principals",
    params(Page),
    responses((status = 200, body = Principals), Refusals))]
pub async fn list(
    State(auth): State<Auth>,
    Parameters(page): Parameters<Page>,
) -> Result<Json<Principals>, Error> {
    let principals = auth.identities(Principal, page.last(), page.limit()).await?;
    Ok(Json(Principals { principals: principals.into_iter().map(Into::into).collect() }))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreatePrincipal {
    #[serde(default)]
    display_name: String,
    secret_expires_in_seconds: Option<u32>,
}

/// A service principal with its secrets; the text of one only when it is new.
#[derive(Serialize, ToSchema)]
pub struct PrincipalView<S> {
    #[serde(flatten)]
    principal: IdentityView,
    secrets: Vec<S>,
}

/// Make a service principal with its first secret
#[utoipa::path(post, path = super::PRINCIPALS, tag = "principals",
    request_body = CreatePrincipal,
    responses((status = 201, body = PrincipalView<SecretView>), Refusals))]
pub async fn create(
    State(auth): State<Auth>,
    Extension(asker): Extension<Asker>,
    Body(body): Body<CreatePrincipal>,
) -> Result<(StatusCode, Json<PrincipalView<SecretView>>), Error> {
    let secret_seconds = body.secret_expires_in_seconds;
    let new = NewPrincipal { display_name: &body.display_name, secret_seconds };
    let (principal, secret) = auth.add_principal(&asker.actor(), &new).await?;
    let view = PrincipalView { principal: principal.into(), secrets: vec![secret.into()] };
    Ok((StatusCode::CREATED, Json(view)))
}

/// Show a service principal
#[utoipa::path(get, path = super::PRINCIPAL, tag = "principals",
    params(("id" = String, Path, description = "Id of the service principal")),
    responses((status = 200, body = PrincipalView<CredentialView>), Refusals))]
pub async fn show(
    State(auth): State<Auth>,
    Path(id): Path<String>,
) -> Result<Json<PrincipalView<CredentialView>>, Error> {
    let principal = auth.identity(Principal, &id).await?.into();
    let secrets = auth.credentials_of(Principal, &id).await?;
    let secrets = secrets.into_iter().map(Into::into).collect();
    Ok(Json(PrincipalView { principal, secrets }))
}

/// Rename a service principal, or shut one out
#[utoipa::path(patch, path = super::PRINCIPAL, tag = "principals",
    params(("id" = String, Path, description = "Id of the service principal")),
    request_body = ChangeIdentity,
    responses((status = 200, body = IdentityView), Refusals))]
pub async fn update(
    State(auth): State<Auth>,
    Extension(asker): Extension<Asker>,
    Path(id): Path<String>,
    Body(body): Body<ChangeIdentity>,
) -> Result<Json<IdentityView>, Error> {
    let principal = auth.update_identity(&asker.actor(), Principal, &id, &body.update()).await?;
    Ok(Json(principal.into()))
}

/// Remove a service principal with all secrets and rights
#[utoipa::path(delete, path = super::PRINCIPAL, tag = "principals",
    params(("id" = String, Path, description = "Id of the service principal")),
    responses((status = 204), Refusals))]
pub async fn remove(
    State(auth): State<Auth>,
    Extension(asker): Extension<Asker>,
    Path(id): Path<String>,
) -> Result<StatusCode, Error> {
    auth.remove_identity(&asker.actor(), Principal, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewSecret {
    #[serde(default)]
    label: String,
    expires_in_seconds: Option<u32>,
}

/// Make a second secret, to change over to it
#[utoipa::path(post, path = super::SECRETS, tag = "principals",
    params(("id" = String, Path, description = "Id of the service principal")),
    request_body = NewSecret,
    responses((status = 201, body = SecretView), Refusals))]
pub async fn add_secret(
    State(auth): State<Auth>,
    Extension(asker): Extension<Asker>,
    Path(id): Path<String>,
    Body(body): Body<NewSecret>,
) -> Result<(StatusCode, Json<SecretView>), Error> {
    let seconds = body.expires_in_seconds;
    let secret = auth.add_principal_secret(&asker.actor(), &id, &body.label, seconds).await?;
    Ok((StatusCode::CREATED, Json(secret.into())))
}

/// Remove a secret
#[utoipa::path(delete, path = super::SECRET, tag = "principals",
    params(("id" = String, Path, description = "Id of the service principal"),
           ("secret" = String, Path, description = "Id of the secret")),
    responses((status = 204), Refusals))]
pub async fn remove_secret(
    State(auth): State<Auth>,
    Extension(asker): Extension<Asker>,
    Path((id, secret)): Path<(String, String)>,
) -> Result<StatusCode, Error> {
    auth.remove_credential(&asker.actor(), Principal, &id, &secret).await?;
    Ok(StatusCode::NO_CONTENT)
}
