use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::views::time;
use super::{Asker, Error};
use crate::auth::administration::{Assigned, AssignedTo};
use crate::auth::{Auth, Role};
use crate::http::content::views::Refusals;
use crate::http::extract::{Body, Path};
use crate::metadata::roles::Assignment;
use crate::oci::RepositoryPattern;

#[derive(Serialize, ToSchema)]
pub struct RoleView {
    name: &'static str,
    actions: Vec<&'static str>,
}

#[derive(Serialize, ToSchema)]
pub struct Roles {
    roles: Vec<RoleView>,
}

/// List the roles, and what each may do
#[utoipa::path(get, path = super::ROLES, tag = "rights",
    responses((status = 200, body = Roles), Refusals))]
pub async fn roles() -> Json<Roles> {
    let roles = Role::ALL.map(|role| RoleView {
        name: role.as_str(),
        actions: role.actions().iter().map(crate::auth::Action::as_str).collect(),
    });
    Json(Roles { roles: roles.into() })
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssignmentView {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope_map: Option<String>,
    repositories: String,
    created_time: String,
}

impl From<Assignment> for AssignmentView {
    fn from(assignment: Assignment) -> Self {
        Self {
            id: assignment.uid,
            identity: assignment.identity,
            group: assignment.group_name,
            role: assignment.role,
            scope_map: assignment.scope_map,
            repositories: assignment.pattern,
            created_time: time(assignment.created_at),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct Assignments {
    assignments: Vec<AssignmentView>,
}

/// List who has which role or scope map on which repositories
#[utoipa::path(get, path = super::ASSIGNMENTS, tag = "rights",
    responses((status = 200, body = Assignments), Refusals))]
pub async fn list(State(auth): State<Auth>) -> Result<Json<Assignments>, Error> {
    let assignments = auth.assignments().await?;
    Ok(Json(Assignments { assignments: assignments.into_iter().map(Into::into).collect() }))
}

/// Who gets what: one of each pair.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Assign {
    identity: Option<String>,
    group: Option<String>,
    role: Option<String>,
    scope_map: Option<String>,
    repositories: String,
}

/// Give a role or a scope map to an identity or a group
#[utoipa::path(post, path = super::ASSIGNMENTS, tag = "rights",
    request_body = Assign,
    responses((status = 201, body = AssignmentView), Refusals))]
pub async fn create(
    State(auth): State<Auth>,
    Extension(asker): Extension<Asker>,
    Body(body): Body<Assign>,
) -> Result<(StatusCode, Json<AssignmentView>), Error> {
    let invalid = |message: &str| Error::bad_request("REQUEST_INVALID", message);
    let to = match (&body.identity, &body.group) {
        (Some(name), None) => AssignedTo::Identity(name),
        (None, Some(name)) => AssignedTo::Group(name),
        _ => return Err(invalid("name either an identity or a group")),
    };
    let what = match (&body.role, &body.scope_map) {
        (Some(name), None) => {
            Assigned::Role(Role::parse(name).map_err(|error| invalid(&error.to_string()))?)
        }
        (None, Some(name)) => Assigned::ScopeMap(name),
        _ => return Err(invalid("name either a role or a scopeMap")),
    };
    let pattern = RepositoryPattern::parse(&body.repositories)
        .map_err(|error| invalid(&error.to_string()))?;
    let assignment = auth.assign(&asker.actor(), to, what, &pattern).await?;
    Ok((StatusCode::CREATED, Json(assignment.into())))
}

/// Take a role or a scope map back
#[utoipa::path(delete, path = super::ASSIGNMENT, tag = "rights",
    params(("id" = String, Path, description = "Id of the assignment")),
    responses((status = 204), Refusals))]
pub async fn remove(
    State(auth): State<Auth>,
    Extension(asker): Extension<Asker>,
    Path(id): Path<String>,
) -> Result<StatusCode, Error> {
    auth.remove_assignment(&asker.actor(), &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
