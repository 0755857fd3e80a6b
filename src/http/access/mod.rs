//! Management of access under `/api/v1/`: identities, credentials, roles, scope maps, audit.
//!
//! [`NEEDS`] names what each route needs; a route that is missing there answers nobody.

mod assignments;
mod audit_events;
mod issuers;
mod principals;
mod scope_maps;
mod signing_keys;
mod users;
pub(super) mod views;

use axum::routing::{delete, get, post, put};
use axum::{Extension, Json, Router};
use http::Method;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use super::content::views::Refusals;
use super::management::Asker;
use super::need::{Need, Table};
use super::{App, Error};
use crate::auth::RegistryAction;

/// Every method on every route, and what it needs: the only place that says so.
pub const NEEDS: &Table<&str> = {
    use Need::{SignedIn, UserOrAdmin};
    const ADMIN: Need = Need::InRegistry(RegistryAction::Admin);
    &[
        (Method::GET, ME, SignedIn),
        (Method::GET, USERS, ADMIN),
        (Method::POST, USERS, ADMIN),
        (Method::GET, USER, UserOrAdmin),
        (Method::PATCH, USER, ADMIN),
        (Method::DELETE, USER, ADMIN),
        (Method::PUT, PASSWORD, UserOrAdmin),
        (Method::GET, TOKENS, UserOrAdmin),
        (Method::POST, TOKENS, UserOrAdmin),
        (Method::DELETE, TOKEN, UserOrAdmin),
        (Method::GET, PRINCIPALS, ADMIN),
        (Method::POST, PRINCIPALS, ADMIN),
        (Method::GET, PRINCIPAL, ADMIN),
        (Method::PATCH, PRINCIPAL, ADMIN),
        (Method::DELETE, PRINCIPAL, ADMIN),
        (Method::POST, SECRETS, ADMIN),
        (Method::DELETE, SECRET, ADMIN),
        (Method::GET, ROLES, SignedIn),
        (Method::GET, ASSIGNMENTS, ADMIN),
        (Method::POST, ASSIGNMENTS, ADMIN),
        (Method::DELETE, ASSIGNMENT, ADMIN),
        (Method::GET, SCOPE_MAPS, ADMIN),
        (Method::GET, SCOPE_MAP, ADMIN),
        (Method::PUT, SCOPE_MAP, ADMIN),
        (Method::DELETE, SCOPE_MAP, ADMIN),
        (Method::GET, ISSUERS, ADMIN),
        (Method::POST, ISSUERS, ADMIN),
        (Method::GET, ISSUER, ADMIN),
        (Method::DELETE, ISSUER, ADMIN),
        (Method::POST, RULES, ADMIN),
        (Method::DELETE, RULE, ADMIN),
        (Method::GET, SIGNING_KEYS, ADMIN),
        (Method::POST, SIGNING_KEYS, ADMIN),
        (Method::GET, AUDIT_EVENTS, ADMIN),
    ]
};

const ME: &str = "/api/v1/me";
const USERS: &str = "/api/v1/users";
const USER: &str = "/api/v1/users/{name}";
const PASSWORD: &str = "/api/v1/users/{name}/password";
const TOKENS: &str = "/api/v1/users/{name}/tokens";
const TOKEN: &str = "/api/v1/users/{name}/tokens/{id}";
const PRINCIPALS: &str = "/api/v1/principals";
const PRINCIPAL: &str = "/api/v1/principals/{id}";
const SECRETS: &str = "/api/v1/principals/{id}/secrets";
const SECRET: &str = "/api/v1/principals/{id}/secrets/{secret}";
const ROLES: &str = "/api/v1/roles";
const ASSIGNMENTS: &str = "/api/v1/assignments";
const ASSIGNMENT: &str = "/api/v1/assignments/{id}";
const SCOPE_MAPS: &str = "/api/v1/scope-maps";
const SCOPE_MAP: &str = "/api/v1/scope-maps/{name}";
const ISSUERS: &str = "/api/v1/issuers";
const ISSUER: &str = "/api/v1/issuers/{name}";
const RULES: &str = "/api/v1/issuers/{name}/rules";
const RULE: &str = "/api/v1/issuers/{name}/rules/{id}";
const SIGNING_KEYS: &str = "/api/v1/signing-keys";
const AUDIT_EVENTS: &str = "/api/v1/audit-events";

pub fn routes() -> Router<App> {
    Router::new()
        .route(ME, get(me))
        .route(USERS, get(users::list).post(users::create))
        .route(USER, get(users::show).patch(users::update).delete(users::remove))
        .route(PASSWORD, put(users::set_password))
        .route(TOKENS, get(users::tokens).post(users::add_token))
        .route(TOKEN, delete(users::remove_token))
        .route(PRINCIPALS, get(principals::list).post(principals::create))
        .route(
            PRINCIPAL,
            get(principals::show).patch(principals::update).delete(principals::remove),
        )
        .route(SECRETS, post(principals::add_secret))
        .route(SECRET, delete(principals::remove_secret))
        .route(ROLES, get(assignments::roles))
        .route(ASSIGNMENTS, get(assignments::list).post(assignments::create))
        .route(ASSIGNMENT, delete(assignments::remove))
        .route(SCOPE_MAPS, get(scope_maps::list))
        .route(SCOPE_MAP, get(scope_maps::show).put(scope_maps::put).delete(scope_maps::remove))
        .route(ISSUERS, get(issuers::list).post(issuers::create))
        .route(ISSUER, get(issuers::show).delete(issuers::remove))
        .route(RULES, post(issuers::add_rule))
        .route(RULE, delete(issuers::remove_rule))
        .route(SIGNING_KEYS, get(signing_keys::list).post(signing_keys::rotate))
        .route(AUDIT_EVENTS, get(audit_events::list))
}

#[derive(OpenApi)]
#[openapi(paths(
    me,
    users::list,
    users::create,
    users::show,
    users::update,
    users::remove,
    users::set_password,
    users::tokens,
    users::add_token,
    users::remove_token,
    principals::list,
    principals::create,
    principals::show,
    principals::update,
    principals::remove,
    principals::add_secret,
    principals::remove_secret,
    assignments::roles,
    assignments::list,
    assignments::create,
    assignments::remove,
    scope_maps::list,
    scope_maps::show,
    scope_maps::put,
    scope_maps::remove,
    issuers::list,
    issuers::create,
    issuers::show,
    issuers::remove,
    issuers::add_rule,
    issuers::remove_rule,
    signing_keys::list,
    signing_keys::rotate,
    audit_events::list,
))]
struct Description;

/// This part of the API's description.
pub fn description() -> utoipa::openapi::OpenApi {
    Description::openapi()
}

/// Who asks.
#[derive(Serialize, ToSchema)]
struct Me {
    name: String,
    /// Whether this is an owner of the whole registry.
    admin: bool,
    /// Patterns of the repositories that may be listed.
    readable: Vec<String>,
}

/// Show who you are
#[utoipa::path(get, path = ME, tag = "users", responses((status = 200, body = Me), Refusals))]
async fn me(Extension(Asker { caller, .. }): Extension<Asker>) -> Json<Me> {
    Json(Me {
        name: caller.name().to_owned(),
        admin: caller.may_in_registry(RegistryAction::Admin),
        readable: caller.readable().iter().map(ToString::to_string).collect(),
    })
}
