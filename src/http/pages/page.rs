//! What all pages have: who looks, how a template becomes an answer, the headers that guard it.

use std::net::IpAddr;

use askama::Template;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{Html, IntoResponse as _, Response};
use http::{HeaderName, HeaderValue, StatusCode, Uri, header};

use super::error::PageError;
use crate::auth::administration::Actor;
use crate::auth::{Action, Caller, RegistryAction};
use crate::http::visitor::Visitor;
use crate::http::{Error, Origin};
use crate::oci::RepositoryName;

/// Nothing but our own files, nothing within a page, and no other site's frame around it.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; \
    img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; \
    frame-ancestors 'none'";

/// Somebody who looks at a page.
#[derive(Clone)]
pub struct Visit {
    pub caller: Caller,
    pub address: IpAddr,
    pub origin: Origin,
    /// Path and query.
    pub place: String,
}

impl Visit {
    pub fn new(caller: Caller, visitor: Visitor, uri: &Uri) -> Self {
        let Visitor { address, origin, .. } = visitor;
        Self { caller, address, origin, place: place(uri) }
    }

    pub fn is_signed_in(&self) -> bool {
        !self.caller.is_anonymous()
    }

    pub fn is_admin(&self) -> bool {
        self.caller.may_in_registry(RegistryAction::Admin)
    }

    /// Whether there is a page on their tokens and password.
    pub fn has_account(&self) -> bool {
        self.is_signed_in() && self.caller.in_person() && !self.caller.name().contains('/')
    }

    pub fn may_pull(&self, repository: &RepositoryName) -> bool {
        self.caller.may(Action::ContentRead, repository)
    }

    pub fn may_push(&self, repository: &RepositoryName) -> bool {
        self.caller.may(Action::ContentWrite, repository)
    }

    pub fn may_delete(&self, repository: &RepositoryName) -> bool {
        self.caller.may(Action::ContentDelete, repository)
    }

    pub fn may_lock(&self, repository: &RepositoryName) -> bool {
        self.caller.may(Action::MetadataWrite, repository)
    }

    pub fn may_untag(&self, repository: &RepositoryName) -> bool {
        self.may_delete(repository) || self.may_lock(repository)
    }

    pub fn sign_in_path(&self) -> String {
        super::sign_in::path(&self.place)
    }

    pub fn actor(&self) -> Actor<'_> {
        Actor { caller: &self.caller, address: self.address }
    }

    /// The repositories that a list may show.
    pub fn readable(&self) -> Vec<crate::metadata::NameRange> {
        self.caller.readable().iter().map(crate::http::dispatch::name_range).collect()
    }
}

/// Path and query, without the host that HTTP/2 puts before them.
pub fn place(uri: &Uri) -> String {
    uri.path_and_query().map_or_else(|| "/".into(), ToString::to_string)
}

/// The page that a template makes.
pub fn page(template: &impl Template) -> Result<Response, PageError> {
    Ok(Html(template.render().map_err(Error::internal)?).into_response())
}

pub fn page_with_status(
    status: StatusCode,
    template: &impl Template,
) -> Result<Response, PageError> {
    let mut response = page(template)?;
    *response.status_mut() = status;
    Ok(response)
}

/// Sends the browser to another page of ours, as after a form.
pub fn see_other(path: &str) -> Response {
    let location = HeaderValue::try_from(path).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
}

/// Adds the headers that guard a page: what it may load, and that nobody keeps it.
pub async fn protect(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_FRAME_OPTIONS, "DENY"),
        // Not `no-referrer`: with that a browser would not tell where a form comes from either.
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
        (header::VARY, "Cookie, Authorization"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
