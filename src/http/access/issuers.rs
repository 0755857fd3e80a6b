use axum::extract::{Path, State};
use axum::{Extension, Json};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::views::time;
use super::{Asker, Body, Error};
use crate::auth::administration::{NewIssuer, StandsFor};
use crate::auth::{Auth, Pattern, Role};
use crate::metadata::federation_rules::FederationRule;
use crate::metadata::trusted_issuers::TrustedIssuer;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IssuerView {
    name: String,
    url: String,
    audience: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    groups_claim: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    created_time: String,
}

impl From<TrustedIssuer> for IssuerView {
    fn from(issuer: TrustedIssuer) -> Self {
        Self {
            name: issuer.name,
            url: issuer.url,
            audience: issuer.audience,
            groups_claim: issuer.groups_claim,
            client_id: issuer.client_id,
            created_time: time(issuer.created_at),
        }
    }
}

#[derive(Serialize)]
pub struct Issuers {
    issuers: Vec<IssuerView>,
}

pub async fn list(State(auth): State<Auth>) -> Result<Json<Issuers>, Error> {
    let issuers = auth.issuers().await?;
    Ok(Json(Issuers { issuers: issuers.into_iter().map(Into::into).collect() }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Create {
    name: String,
    url: String,
    audience: String,
    groups_claim: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
}

pub async fn create(
    State(auth): State<Auth>,
    Extension(asker): Extension<Asker>,
    Body(body): Body<Create>,
) -> Result<(StatusCode, Json<IssuerView>), Error> {
    let new = NewIssuer {
        name: &body.name,
        url: &body.url,
        audience: &body.audience,
        groups_claim: body.groups_claim.as_deref(),
        client_id: body.client_id.as_deref(),
        client_secret: body.client_secret.as_deref(),
    };
    let issuer = auth.add_issuer(&asker.actor(), &new).await?;
    Ok((StatusCode::CREATED, Json(issuer.into())))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleView {
    id: String,
    condition: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repositories: Option<String>,
    created_time: String,
}

impl From<FederationRule> for RuleView {
    fn from(rule: FederationRule) -> Self {
        Self {
            id: rule.uid,
            condition: rule.condition,
            identity: rule.identity,
            role: rule.role,
            repositories: rule.pattern,
            created_time: time(rule.created_at),
        }
    }
}

#[derive(Serialize)]
pub struct IssuerWithRules {
    #[serde(flatten)]
    issuer: IssuerView,
    rules: Vec<RuleView>,
}

pub async fn show(
    State(auth): State<Auth>,
    Path(name): Path<String>,
) -> Result<Json<IssuerWithRules>, Error> {
    let (issuer, rules) = auth.issuer(&name).await?;
    let rules = rules.into_iter().map(Into::into).collect();
    Ok(Json(IssuerWithRules { issuer: issuer.into(), rules }))
}

pub async fn remove(
    State(auth): State<Auth>,
    Extension(asker): Extension<Asker>,
    Path(name): Path<String>,
) -> Result<StatusCode, Error> {
    auth.remove_issuer(&asker.actor(), &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A condition with an identity, or with a role on repositories.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewRule {
    condition: String,
    identity: Option<String>,
    role: Option<String>,
    repositories: Option<String>,
}

#[derive(Serialize)]
pub struct RuleId {
    id: String,
}

pub async fn add_rule(
    State(auth): State<Auth>,
    Extension(asker): Extension<Asker>,
    Path(name): Path<String>,
    Body(body): Body<NewRule>,
) -> Result<(StatusCode, Json<RuleId>), Error> {
    let invalid = |message: String| Error::bad_request("REQUEST_INVALID", message);
    let pattern;
    let stands_for = match (&body.identity, &body.role, &body.repositories) {
        (Some(name), None, None) => StandsFor::Identity(name),
        (None, Some(role), Some(repositories)) => {
            let role = Role::parse(role).map_err(|error| invalid(error.to_string()))?;
            pattern = Pattern::parse(repositories).map_err(|error| invalid(error.to_string()))?;
            StandsFor::Role(role, &pattern)
        }
        _ => return Err(invalid("name either an identity, or a role and repositories".into())),
    };
    let id = auth.add_federation_rule(&asker.actor(), &name, &body.condition, stands_for).await?;
    Ok((StatusCode::CREATED, Json(RuleId { id })))
}

pub async fn remove_rule(
    State(auth): State<Auth>,
    Extension(asker): Extension<Asker>,
    Path((name, id)): Path<(String, String)>,
) -> Result<StatusCode, Error> {
    auth.remove_federation_rule(&asker.actor(), &name, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
