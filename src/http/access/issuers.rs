use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::views::time;
use super::{Asker, Error};
use crate::auth::administration::{NewIssuer, StandsFor};
use crate::auth::{Auth, Role};
use crate::http::content::views::Refusals;
use crate::http::extract::{Body, Path};
use crate::metadata::federation_rules::FederationRule;
use crate::metadata::trusted_issuers::TrustedIssuer;
use crate::oci::RepositoryPattern;

#[derive(Serialize, ToSchema)]
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

#[derive(Serialize, ToSchema)]
pub struct Issuers {
    issuers: Vec<IssuerView>,
}

/// List the issuers whose ID tokens are trusted
#[utoipa::path(get, path = super::ISSUERS, tag = "issuers",
    responses((status = 200, body = Issuers), Refusals))]
pub async fn list(State(auth): State<Auth>) -> Result<Json<Issuers>, Error> {
    let issuers = auth.issuers().await?;
    Ok(Json(Issuers { issuers: issuers.into_iter().map(Into::into).collect() }))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrustIssuer {
    name: String,
    url: String,
    audience: String,
    groups_claim: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
}

/// Trust an issuer
#[utoipa::path(post, path = super::ISSUERS, tag = "issuers",
    request_body = TrustIssuer,
    responses((status = 201, body = IssuerView), Refusals))]
pub async fn create(
    State(auth): State<Auth>,
    Extension(asker): Extension<Asker>,
    Body(body): Body<TrustIssuer>,
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

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FederationRuleView {
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

impl From<FederationRule> for FederationRuleView {
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

#[derive(Serialize, ToSchema)]
pub struct IssuerWithRules {
    #[serde(flatten)]
    issuer: IssuerView,
    rules: Vec<FederationRuleView>,
}

/// Show an issuer with its rules
#[utoipa::path(get, path = super::ISSUER, tag = "issuers",
    params(("name" = String, Path, description = "Name of the issuer")),
    responses((status = 200, body = IssuerWithRules), Refusals))]
pub async fn show(
    State(auth): State<Auth>,
    Path(name): Path<String>,
) -> Result<Json<IssuerWithRules>, Error> {
    let (issuer, rules) = auth.issuer(&name).await?;
    let rules = rules.into_iter().map(Into::into).collect();
    Ok(Json(IssuerWithRules { issuer: issuer.into(), rules }))
}

/// Trust an issuer no longer
///
/// What was issued on its tokens ends.
#[utoipa::path(delete, path = super::ISSUER, tag = "issuers",
    params(("name" = String, Path, description = "Name of the issuer")),
    responses((status = 204), Refusals))]
pub async fn remove(
    State(auth): State<Auth>,
    Extension(asker): Extension<Asker>,
    Path(name): Path<String>,
) -> Result<StatusCode, Error> {
    auth.remove_issuer(&asker.actor(), &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A condition with an identity, or with a role on repositories.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewFederationRule {
    condition: String,
    identity: Option<String>,
    role: Option<String>,
    repositories: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct FederationRuleId {
    id: String,
}

/// Say whom or what a token of an issuer stands for
#[utoipa::path(post, path = super::RULES, tag = "issuers",
    params(("name" = String, Path, description = "Name of the issuer")),
    request_body = NewFederationRule,
    responses((status = 201, body = FederationRuleId), Refusals))]
pub async fn add_rule(
    State(auth): State<Auth>,
    Extension(asker): Extension<Asker>,
    Path(name): Path<String>,
    Body(body): Body<NewFederationRule>,
) -> Result<(StatusCode, Json<FederationRuleId>), Error> {
    let invalid = |message: String| Error::bad_request("REQUEST_INVALID", message);
    let pattern;
    let stands_for = match (&body.identity, &body.role, &body.repositories) {
        (Some(name), None, None) => StandsFor::Identity(name),
        (None, Some(role), Some(repositories)) => {
            let role = Role::parse(role).map_err(|error| invalid(error.to_string()))?;
            pattern = RepositoryPattern::parse(repositories)
                .map_err(|error| invalid(error.to_string()))?;
            StandsFor::Role(role, &pattern)
        }
        _ => return Err(invalid("name either an identity, or a role and repositories".into())),
    };
    let id = auth.add_federation_rule(&asker.actor(), &name, &body.condition, stands_for).await?;
    Ok((StatusCode::CREATED, Json(FederationRuleId { id })))
}

/// Remove a rule
#[utoipa::path(delete, path = super::RULE, tag = "issuers",
    params(("name" = String, Path, description = "Name of the issuer"),
           ("id" = String, Path, description = "Id of the rule")),
    responses((status = 204), Refusals))]
pub async fn remove_rule(
    State(auth): State<Auth>,
    Extension(asker): Extension<Asker>,
    Path((name, id)): Path<(String, String)>,
) -> Result<StatusCode, Error> {
    auth.remove_federation_rule(&asker.actor(), &name, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
