use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::views::time;
use super::{Asker, Error};
use crate::auth::Auth;
use crate::http::content::views::Refusals;
use crate::http::extract::Body;
use crate::metadata::signing_keys::SigningKeyRow;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SigningKeyView {
    kid: String,
    created_time: String,
    /// Absent for the one that signs.
    #[serde(skip_serializing_if = "Option::is_none")]
    retirement_time: Option<String>,
}

impl From<SigningKeyRow> for SigningKeyView {
    fn from(key: SigningKeyRow) -> Self {
        Self {
            kid: key.kid,
            created_time: time(key.created_at),
            retirement_time: key.retires_at.map(time),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SigningKeys {
    signing_keys: Vec<SigningKeyView>,
}

/// List the keys that sign tokens
#[utoipa::path(get, path = super::SIGNING_KEYS, tag = "signing keys",
    responses((status = 200, body = SigningKeys), Refusals))]
pub async fn list(State(auth): State<Auth>) -> Result<Json<SigningKeys>, Error> {
    let signing_keys = auth.signing_keys().await?;
    Ok(Json(SigningKeys { signing_keys: signing_keys.into_iter().map(Into::into).collect() }))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rotate {
    /// Whether all access tokens are void from now on.
    #[serde(default)]
    at_once: bool,
}

/// Sign with a new key from now on
///
/// The old ones verify what they signed until it has expired, unless they go at once.
#[utoipa::path(post, path = super::SIGNING_KEYS, tag = "signing keys",
    request_body = Rotate,
    responses((status = 201, body = SigningKeys), Refusals))]
pub async fn rotate(
    State(auth): State<Auth>,
    Extension(asker): Extension<Asker>,
    Body(body): Body<Rotate>,
) -> Result<(StatusCode, Json<SigningKeys>), Error> {
    auth.rotate_signing_key(&asker.actor(), body.at_once).await?;
    Ok((StatusCode::CREATED, list(State(auth)).await?))
}
