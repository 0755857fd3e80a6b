use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use super::account::parse_pattern;
use super::error::PageError;
use super::extract::{Form, Path};
use super::page::{Visit, page, see_other};
use super::{assets, format};
use crate::auth::administration::{Assigned, AssignedTo};
use crate::auth::{Auth, Role};
use crate::http::Error;
use crate::metadata::identities::IdentityKind::Principal;
use crate::metadata::roles::Assignment;

/// Service principals whose names are shown in place of their ids.
const NAMES_LOOKED_UP: u32 = 500;

#[derive(Template)]
#[template(path = "assignments.html")]
struct AssignmentsPage<'a> {
    visit: &'a Visit,
    assignments: Vec<Assignment>,
    roles: Vec<(&'static str, String)>,
    scope_maps: Vec<String>,
    /// Ids of service principals and what people call them.
    principals: Vec<(String, String)>,
}

impl AssignmentsPage<'_> {
    /// What a person calls an identity.
    fn called(&self, name: &str) -> Option<&str> {
        let found = self.principals.iter().find(|(id, _)| id == name);
        found.map(|(_, name)| &**name).filter(|name| !name.is_empty())
    }
}

pub async fn list(
    State(auth): State<Auth>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, PageError> {
    let principals = auth.identities(Principal, "", NAMES_LOOKED_UP).await?;
    let scope_maps = auth.scope_maps().await?;
    page(&AssignmentsPage {
        visit: &visit,
        assignments: auth.assignments().await?,
        roles: Role::ALL.map(|role| (role.as_str(), role.actions().to_string())).into(),
        scope_maps: scope_maps.into_iter().map(|(scope_map, _)| scope_map.name).collect(),
        principals: principals.into_iter().map(|p| (p.name, p.display_name)).collect(),
    })
}

#[derive(Deserialize)]
pub struct Create {
    /// `identity` or `group`.
    kind: String,
    to: String,
    /// A role's name, or a scope map's.
    role: String,
    repositories: String,
}

pub async fn create(
    State(auth): State<Auth>,
    Extension(visit): Extension<Visit>,
    Form(Create { kind, to, role, repositories }): Form<Create>,
) -> Result<Response, PageError> {
    let to = match &*kind {
        "identity" => AssignedTo::Identity(to.trim()),
        "group" => AssignedTo::Group(to.trim()),
        _ => {
            let message = "the kind is identity or group";
            return Err(Error::bad_request("REQUEST_INVALID", message).into());
        }
    };
    // A scope map cannot have the name of a role.
    let what = Role::parse(&role).map_or(Assigned::ScopeMap(&role), Assigned::Role);
    auth.assign(&visit.actor(), to, what, &parse_pattern(&repositories)?).await?;
    Ok(see_other("/roles"))
}

pub async fn remove(
    State(auth): State<Auth>,
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    auth.remove_assignment(&visit.actor(), &id).await?;
    Ok(see_other("/roles"))
}
