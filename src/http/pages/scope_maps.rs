use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use super::account::parse_pattern;
use super::error::PageError;
use super::extract::{Form, Parameters, Path};
use super::page::{Visit, page, see_other};
use super::{assets, format};
use crate::auth::{ActionSet, Auth};
use crate::http::Error;
use crate::metadata::scope_maps::{Rule, ScopeMap};
use crate::oci::RepositoryPattern;

#[derive(Template)]
#[template(path = "scope_maps.html")]
struct ScopeMapsPage<'a> {
    visit: &'a Visit,
    scope_maps: Vec<(ScopeMap, Vec<Rule>)>,
    /// The one that the form changes, or an empty one.
    name: String,
    description: String,
    rules: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Query {
    edit: String,
}

pub async fn list(
    State(auth): State<Auth>,
    Extension(visit): Extension<Visit>,
    Parameters(Query { edit }): Parameters<Query>,
) -> Result<Response, PageError> {
    let scope_maps = auth.scope_maps().await?;
    let found = scope_maps.iter().find(|(scope_map, _)| scope_map.name == edit);
    let (name, description, rules) = found.map_or_else(Default::default, |(scope_map, rules)| {
        let lines: Vec<_> = rules.iter().map(|r| format!("{} {}", r.pattern, r.actions)).collect();
        (scope_map.name.clone(), scope_map.description.clone(), lines.join("\n"))
    });
    page(&ScopeMapsPage { visit: &visit, name, description, rules, scope_maps })
}

#[derive(Deserialize)]
pub struct Put {
    name: String,
    #[serde(default)]
    description: String,
    /// A pattern and its actions a line.
    rules: String,
}

pub async fn put(
    State(auth): State<Auth>,
    Extension(visit): Extension<Visit>,
    Form(Put { name, description, rules }): Form<Put>,
) -> Result<Response, PageError> {
    let lines = rules.lines().map(str::trim).filter(|line| !line.is_empty());
    let rules = lines.map(rule).collect::<Result<Vec<_>, _>>()?;
    auth.put_scope_map(&visit.actor(), &name, &description, &rules).await?;
    Ok(see_other("/scope-maps"))
}

fn rule(line: &str) -> Result<(RepositoryPattern, ActionSet), Error> {
    let invalid = |message: String| Error::bad_request("REQUEST_INVALID", message);
    let (pattern, actions) = line
        .split_once(char::is_whitespace)
        .ok_or_else(|| invalid(format!("{line:.300} is not of the form PATTERN ACTION,ACTION")))?;
    let actions: String = actions.chars().filter(|c| !c.is_whitespace()).collect();
    let actions = ActionSet::parse(&actions).map_err(|error| invalid(error.to_string()))?;
    Ok((parse_pattern(pattern)?, actions))
}

pub async fn remove(
    State(auth): State<Auth>,
    Extension(visit): Extension<Visit>,
    Path(name): Path<String>,
) -> Result<Response, PageError> {
    auth.remove_scope_map(&visit.actor(), &name).await?;
    Ok(see_other("/scope-maps"))
}
