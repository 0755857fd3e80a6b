//! Tokens: `/oauth2/token` (distribution, "Token Authentication" and "OAuth2 Token
//! Authentication"), `/oauth2/exchange` as Azure's clients ask it, and the public keys.

use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use chrono::{DateTime, SecondsFormat};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

use super::visitor::Visitor;
use super::{App, Error, Origin};
use crate::auth::{Auth, Credentials, IssuedToken, Password, PublicKey, Scope, TokenRequest};

/// Forms hold a token or a password, and scopes.
const MAX_FORM_BYTES: usize = 128 * 1024;

/// RFC 8693, section 2.1.
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

const NO_STORE: (HeaderName, HeaderValue) =
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));

pub fn routes() -> Router<App> {
    Router::new()
        .route("/oauth2/token", get(token_by_query).post(token_by_form))
        .route("/oauth2/exchange", post(exchange))
        .route("/.well-known/jwks.json", get(public_keys))
        .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
}

async fn token_by_query(
    State(auth): State<Auth>,
    visitor: Visitor,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Result<Response, Error> {
    let Query(fields) = query.map_err(|error| bad_request(error.body_text()))?;
    let fields = Fields(fields);
    let credentials = match &visitor.authorization {
        Some(value) => Credentials::Password(Password::from_header(value)?),
        None => Credentials::Anonymous,
    };
    let request = fields.request(&visitor.origin, fields.get("offline_token") == Some("true"));
    Ok(answer(auth.issue(&credentials, visitor.address, &request).await?))
}

async fn token_by_form(
    State(auth): State<Auth>,
    visitor: Visitor,
    form: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Result<Response, Error> {
    let Form(fields) = form.map_err(|error| bad_request(error.body_text()))?;
    let fields = Fields(fields);
    let credentials = match (fields.get("grant_type"), &visitor.authorization) {
        (Some("refresh_token"), _) => {
            Credentials::RefreshToken(fields.require("refresh_token")?.into())
        }
        (Some("password"), header) => match (fields.get("username"), header) {
            (Some(name), _) => Credentials::Password(Password {
                name: name.into(),
                password: fields.get("password").unwrap_or_default().into(),
            }),
            (None, Some(value)) => Credentials::Password(Password::from_header(value)?),
            (None, None) => Credentials::Anonymous,
        },
        (other, _) => {
            return Err(bad_request(format!(
                "grant_type is {:?}: use password or refresh_token",
                other.unwrap_or_default()
            )));
        }
    };
    let request = fields.request(&visitor.origin, fields.get("access_type") == Some("offline"));
    Ok(answer(auth.issue(&credentials, visitor.address, &request).await?))
}

#[derive(Serialize)]
struct Exchanged {
    refresh_token: String,
}

async fn exchange(
    State(auth): State<Auth>,
    visitor: Visitor,
    form: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Result<Response, Error> {
    let Form(fields) = form.map_err(|error| bad_request(error.body_text()))?;
    let fields = Fields(fields);
    let credentials = match (fields.get("grant_type"), &visitor.authorization) {
        (Some("refresh_token"), _) => {
            Credentials::RefreshToken(fields.require("refresh_token")?.into())
        }
        // Azure's clients call the identity token so.
        (Some("access_token"), _) => Credentials::Token(fields.require("access_token")?.into()),
        (Some(TOKEN_EXCHANGE), _) => Credentials::Token(fields.require("subject_token")?.into()),
        (Some("password"), Some(value)) => Credentials::Password(Password::from_header(value)?),
        (Some("password"), None) => Credentials::Password(Password {
            name: fields.require("username")?.into(),
            password: fields.require("password")?.into(),
        }),
        (other, _) => {
            return Err(bad_request(format!(
                "grant_type is {:?}: use access_token (with a personal token, or an ID \
                 token of a trusted issuer), refresh_token or password",
                other.unwrap_or_default()
            )));
        }
    };
    let refresh_token = auth.exchange(&credentials, visitor.address).await?;
    Ok(([NO_STORE], Json(Exchanged { refresh_token })).into_response())
}

#[derive(Serialize)]
struct KeySet {
    keys: Vec<PublicKey>,
}

async fn public_keys(State(auth): State<Auth>) -> Result<Json<KeySet>, Error> {
    Ok(Json(KeySet { keys: auth.public_keys().await? }))
}

#[derive(Serialize)]
struct TokenAnswer<'a> {
    /// The same twice: Docker's clients read the one, OAuth's the other.
    token: &'a str,
    access_token: &'a str,
    expires_in: u32,
    issued_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
}

fn answer(issued: IssuedToken) -> Response {
    let issued_at = DateTime::from_timestamp_micros(issued.issued_at).unwrap_or_default();
    let answer = TokenAnswer {
        token: &issued.access_token,
        access_token: &issued.access_token,
        expires_in: issued.expires_in,
        issued_at: issued_at.to_rfc3339_opts(SecondsFormat::Secs, true),
        refresh_token: issued.refresh_token.as_deref(),
    };
    ([NO_STORE], Json(answer)).into_response()
}

/// The fields of a query or form, some of which may come several times.
struct Fields(Vec<(String, String)>);

impl Fields {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn require(&self, name: &str) -> Result<&str, Error> {
        self.get(name).ok_or_else(|| bad_request(format!("the field {name} is missing")))
    }

    fn request(&self, origin: &Origin, offline: bool) -> TokenRequest {
        TokenRequest {
            service: self.get("service").unwrap_or(&origin.host).into(),
            scopes: Scope::parse_all(self.all("scope")),
            offline,
        }
    }
}

fn bad_request(message: String) -> Error {
    Error::new(StatusCode::BAD_REQUEST, "UNSUPPORTED", message)
}
