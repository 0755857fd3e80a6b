use axum::extract::{Path, Query, State};
use axum::{Extension, Json};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::users::{Change, Page};
use super::views::{CredentialView, IdentityView, SecretView};
use super::{Asker, Body, Error};
use crate::auth::Auth;
use crate::auth::administration::NewPrincipal;
use crate::metadata::identities::IdentityKind::Principal;

#[derive(Serialize)]
pub struct Principals {
    principals: Vec<IdentityView>,
}

pub async fn list(
    State(auth): State<Auth>,
    Query(page): Query<Page>,
) -> Result<Json<Principals>, Error> {
    let principals = auth.identities(Principal, page.last(), page.limit()).await?;
    Ok(Json(Principals { principals: principals.into_iter().map(Into::into).collect() }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Create {
    #[serde(default)]
    display_name: String,
    secret_expires_in_seconds: Option<u32>,
}

/// A service principal with its secrets; the text of one only when it is new.
#[derive(Serialize)]
pub struct PrincipalView<S> {
    #[serde(flatten)]
    principal: IdentityView,
    secrets: Vec<S>,
}

pub async fn create(
    State(auth): State<Auth>,
    Extension(asker): Extension<Asker>,
    Body(body): Body<Create>,
) -> Result<(StatusCode, Json<PrincipalView<SecretView>>), Error> {
    let secret_seconds = body.secret_expires_in_seconds;
    let new = NewPrincipal { display_name: &body.display_name, secret_seconds };
    let (principal, secret) = auth.add_principal(&asker.actor(), &new).await?;
    let view = PrincipalView { principal: principal.into(), secrets: vec![secret.into()] };
    Ok((StatusCode::CREATED, Json(view)))
}

pub async fn show(
    State(auth): State<Auth>,
    Path(id): Path<String>,
) -> Result<Json<PrincipalView<CredentialView>>, Error> {
    let principal = auth.identity(Principal, &id).await?.into();
    let secrets = auth.credentials_of(Principal, &id).await?;
    let secrets = secrets.into_iter().map(Into::into).collect();
    Ok(Json(PrincipalView { principal, secrets }))
}

pub async fn update(
    State(auth): State<Auth>,
    Extension(asker): Extension<Asker>,
    Path(id): Path<String>,
    Body(body): Body<Change>,
) -> Result<Json<IdentityView>, Error> {
    let principal = auth.update_identity(&asker.actor(), Principal, &id, &body.update()).await?;
    Ok(Json(principal.into()))
}

pub async fn remove(
    State(auth): State<Auth>,
    Extension(asker): Extension<Asker>,
    Path(id): Path<String>,
) -> Result<StatusCode, Error> {
    auth.remove_identity(&asker.actor(), Principal, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewSecret {
    #[serde(default)]
    label: String,
    expires_in_seconds: Option<u32>,
}

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

pub async fn remove_secret(
    State(auth): State<Auth>,
    Extension(asker): Extension<Asker>,
    Path((id, secret)): Path<(String, String)>,
) -> Result<StatusCode, Error> {
    auth.remove_credential(&asker.actor(), Principal, &id, &secret).await?;
    Ok(StatusCode::NO_CONTENT)
}
