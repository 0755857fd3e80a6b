//! The management API under `/api/v1/`: who is let in to what, by the tables of [`access`] and
//! [`content`].

use std::net::IpAddr;

use axum::Router;
use axum::extract::{MatchedPath, RawPathParams, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::need::{About, Need, Table, need};
use super::visitor::Visitor;
use super::{App, Error, access, content};
use crate::auth::administration::Actor;
use crate::auth::{Auth, Caller, RegistryAction};
use crate::oci::RepositoryName;

/// Every method on every route, and what it needs.
pub const TABLES: [&Table<&str>; 2] = [access::NEEDS, content::NEEDS];

pub fn routes(app: &App) -> Router<App> {
    access::routes()
        .merge(content::routes())
        .method_not_allowed_fallback(async || method_not_allowed())
        .route_layer(from_fn_with_state(app.clone(), guard))
}

/// Who asks, once the guard has let them in. Handlers find it in the extensions of the request, and
/// its [`Caller`] too.
#[derive(Clone)]
pub struct Asker {
    pub caller: Caller,
    address: IpAddr,
}

impl Asker {
    pub fn actor(&self) -> Actor<'_> {
        Actor { caller: &self.caller, address: self.address }
    }
}

/// Runs before every handler. In a path, `repository` and `name` say what it is about.
async fn guard(
    State(auth): State<Auth>,
    path: MatchedPath,
    params: RawPathParams,
    visitor: Visitor,
    mut request: Request,
    next: Next,
) -> Result<Response, Error> {
    let caller = authenticate(&auth, &visitor, request.method(), request.headers()).await?;
    let param = |wanted| params.iter().find(|(key, _)| *key == wanted).map(|(_, value)| value);
    let repository = match param("repository").map(RepositoryName::parse) {
        Some(Err(_)) if caller.is_anonymous() => return Err(sign_in_first()),
        name => name.transpose()?,
    };
    let route = path.as_str();
    let Some(need) = TABLES.iter().find_map(|table| need(table, request.method(), &route)) else {
        return Err(method_not_allowed());
    };
    let about = About { repository: repository.as_ref(), user: param("name") };
    if !need.is_met(&caller, about) {
        return Err(refusal(&caller, need));
    }
    request.extensions_mut().insert(Asker { caller: caller.clone(), address: visitor.address });
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

/// Who is asking, by credentials or by the session of a browser.
async fn authenticate(
    auth: &Auth,
    visitor: &Visitor,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Caller, Error> {
    let Visitor { address, origin, authorization } = visitor;
    let session = super::browser::session(origin, method, headers)?;
    let caller = match (authorization, session) {
        (None, Some(session)) => auth.caller_of_session(session).await,
        (authorization, _) => {
            auth.authenticate(authorization.as_ref(), *address, &origin.host).await
        }
    };
    caller.map_err(|error| ask(error.into()))
}

/// Tells clients to send a name and a password.
fn ask(error: Error) -> Error {
    if error.status() != StatusCode::UNAUTHORIZED {
        return error;
    }
    let challenge = HeaderValue::from_static(r#"Basic realm="orlop", charset="UTF-8""#);
    error.with_header(header::WWW_AUTHENTICATE, challenge)
}

fn sign_in_first() -> Error {
    let message = "sign in first: this needs credentials";
    ask(Error::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", message))
}

fn refusal(caller: &Caller, need: Need) -> Error {
    if caller.is_anonymous() {
        return sign_in_first();
    }
    let message = match need {
        Need::UserOrAdmin | Need::InRegistry(RegistryAction::Admin) => {
            "your rights do not cover this: it is for owners of the whole registry".into()
        }
        _ => format!("{} has no right to do this", caller.name()),
    };
    Error::new(StatusCode::FORBIDDEN, "DENIED", message)
}

fn method_not_allowed() -> Error {
    let message = "this path does not take this method";
    Error::new(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", message)
}
