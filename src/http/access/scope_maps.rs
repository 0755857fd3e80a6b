use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::views::{RuleView, time};
use super::{Asker, Error};
use crate::auth::Auth;
use crate::http::content::views::Refusals;
use crate::http::extract::{Body, Path};
use crate::metadata::scope_maps::{Rule, ScopeMap};

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScopeMapView {
    name: String,
    description: String,
    rules: Vec<RuleView>,
    created_time: String,
    last_update_time: String,
}

impl From<(ScopeMap, Vec<Rule>)> for ScopeMapView {
    fn from((scope_map, rules): (ScopeMap, Vec<Rule>)) -> Self {
        Self {
            name: scope_map.name,
            description: scope_map.description,
            rules: rules.iter().map(|rule| RuleView::new(&rule.pattern, &rule.actions)).collect(),
            created_time: time(scope_map.created_at),
            last_update_time: time(scope_map.updated_at),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScopeMaps {
    scope_maps: Vec<ScopeMapView>,
}

/// List the scope maps
#[utoipa::path(get, path = super::SCOPE_MAPS, tag = "rights",
    responses((status = 200, body = ScopeMaps), Refusals))]
pub async fn list(State(auth): State<Auth>) -> Result<Json<ScopeMaps>, Error> {
    let scope_maps = auth.scope_maps().await?;
    Ok(Json(ScopeMaps { scope_maps: scope_maps.into_iter().map(Into::into).collect() }))
}

/// Show a scope map
#[utoipa::path(get, path = super::SCOPE_MAP, tag = "rights",
    params(("name" = String, Path, description = "Name of the scope map")),
    responses((status = 200, body = ScopeMapView), Refusals))]
pub async fn show(
    State(auth): State<Auth>,
    Path(name): Path<String>,
) -> Result<Json<ScopeMapView>, Error> {
    Ok(Json(auth.scope_map(&name).await?.into()))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutScopeMap {
    #[serde(default)]
    description: String,
    rules: Vec<RuleView>,
}

/// Make a scope map, or replace its rules
#[utoipa::path(put, path = super::SCOPE_MAP, tag = "rights",
    params(("name" = String, Path, description = "Name of the scope map")),
    request_body = PutScopeMap,
    responses((status = 200, body = ScopeMapView), Refusals))]
pub async fn put(
    State(auth): State<Auth>,
    Extension(asker): Extension<Asker>,
    Path(name): Path<String>,
    Body(body): Body<PutScopeMap>,
) -> Result<Json<ScopeMapView>, Error> {
    let rules = RuleView::parse_all(&body.rules)?;
    auth.put_scope_map(&asker.actor(), &name, &body.description, &rules).await?;
    Ok(Json(auth.scope_map(&name).await?.into()))
}

/// Remove a scope map that nobody has
#[utoipa::path(delete, path = super::SCOPE_MAP, tag = "rights",
    params(("name" = String, Path, description = "Name of the scope map")),
    responses((status = 204), Refusals))]
pub async fn remove(
    State(auth): State<Auth>,
    Extension(asker): Extension<Asker>,
    Path(name): Path<String>,
) -> Result<StatusCode, Error> {
    auth.remove_scope_map(&asker.actor(), &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
