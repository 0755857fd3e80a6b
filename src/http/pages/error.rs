use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use http::StatusCode;

use super::assets;
use crate::auth::AuthError;
use crate::auth::administration::AdministrationError;
use crate::http::Error;
use crate::registry::RegistryError;

/// A failure, told as a page.
#[derive(Debug)]
pub struct PageError(Error);

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    title: &'static str,
    status: StatusCode,
    message: &'a str,
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let Self(error) = self;
        error.log();
        let status = error.status();
        let page = ErrorPage { title: title(status), status, message: error.message() };
        let body = page.render().unwrap_or_else(|_| error.message().to_owned());
        let mut response = (status, Html(body)).into_response();
        for (name, value) in error.headers() {
            // A browser would ask for a password by itself, and keep it.
            if name != http::header::WWW_AUTHENTICATE {
                response.headers_mut().append(name, value.clone());
            }
        }
        response
    }
}

fn title(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "Not signed in",
        403 => "Not allowed",
        404 => "Not found",
        405 | 409 => "Not possible",
        429 => "Too many attempts",
        400..=499 => "That did not work",
        503 | 507 => "Not available now",
        _ => "Something went wrong",
    }
}

impl From<Error> for PageError {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<RegistryError> for PageError {
    fn from(error: RegistryError) -> Self {
        Self(error.into())
    }
}

impl From<AuthError> for PageError {
    fn from(error: AuthError) -> Self {
        Self(error.into())
    }
}

impl From<AdministrationError> for PageError {
    fn from(error: AdministrationError) -> Self {
        Self(error.into())
    }
}

impl From<crate::storage::StorageError> for PageError {
    fn from(error: crate::storage::StorageError) -> Self {
        Self(error.into())
    }
}

/// What is no value of the protocol.
macro_rules! from_invalid {
    ($($kind:ident),*) => {$(
        impl From<crate::oci::$kind> for PageError {
            fn from(error: crate::oci::$kind) -> Self {
                Self(error.into())
            }
        }
    )*};
}

from_invalid!(RepositoryNameError, DigestError, TagError, ReferenceError);
