//! What requests need before anything is looked up: how the tables of all APIs say it.
//!
//! Each API has one table, of every method on every route. Whatever stands in no table is answered
//! to nobody.

use http::Method;

use crate::auth::{Action, Caller, RegistryAction};
use crate::oci::RepositoryName;

/// What a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Any credentials that are good.
    SignedIn,
    InRepository(Action),
    /// One of the two is enough; the first is what a client is told to ask for.
    EitherInRepository(Action, Action),
    InRegistry(RegistryAction),
    /// [`RegistryAction::Admin`], or the very user that the path names, in person and not by a token.
    UserOrAdmin,
}

/// What a path is about.
#[derive(Clone, Copy, Default)]
pub struct About<'a> {
    pub repository: Option<&'a RepositoryName>,
    /// Name of a user.
    pub user: Option<&'a str>,
}

impl Need {
    /// Whether the caller's credential covers it.
    pub fn is_met(self, caller: &Caller, about: About<'_>) -> bool {
        let may_here = |action| about.repository.is_some_and(|name| caller.may(action, name));
        match self {
            Self::SignedIn => !caller.is_anonymous(),
            Self::InRepository(action) => may_here(action),
            Self::EitherInRepository(one, other) => may_here(one) || may_here(other),
            Self::InRegistry(action) => caller.may_in_registry(action),
            Self::UserOrAdmin => {
                let is_user = caller.in_person() && about.user == Some(caller.name());
                is_user || caller.may_in_registry(RegistryAction::Admin)
            }
        }
    }
}

/// The needs of an API, each method on each route once.
pub type Table<Route> = [(Method, Route, Need)];

/// What a method on a route needs; [`None`] if there is no such method. `HEAD` is as `GET`.
pub fn need<Route: PartialEq>(
    table: &Table<Route>,
    method: &Method,
    route: &Route,
) -> Option<Need> {
    let method = if method == Method::HEAD { &Method::GET } else { method };
    let row = table.iter().find(|(m, r, _)| m == method && r == route);
    row.map(|(_, _, need)| *need)
}
