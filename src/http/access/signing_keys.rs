use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::views::time;
use super::{Asker, Body, Error};
use crate::auth::Auth;
use crate::metadata::signing_keys::SigningKeyRow;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SigningKeyView {
    kid: String,
    created_time: String,
    /// None for the one that signs.
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

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SigningKeys {
    signing_keys: Vec<SigningKeyView>,
}

pub async fn list(State(auth): State<Auth>) -> Result<Json<SigningKeys>, Error> {
    let signing_keys = auth.signing_keys().await?;
    Ok(Json(SigningKeys { signing_keys: signing_keys.into_iter().map(Into::into).collect() }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rotate {
    /// Whether all access tokens are void from now on.
    #[serde(default)]
    at_once: bool,
}

pub async fn rotate(
    State(auth): State<Auth>,
    Extension(asker): Extension<Asker>,
    Body(body): Body<Rotate>,
) -> Result<(StatusCode, Json<SigningKeys>), Error> {
    auth.rotate_signing_key(&asker.actor(), body.at_once).await?;
    Ok((StatusCode::CREATED, list(State(auth)).await?))
}
