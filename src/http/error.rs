use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::Value;

use crate::auth::AuthError;

/// The answer to a request that failed: the only place that knows status codes and the error codes
/// of the protocol (distribution-spec, "Error Codes").
#[derive(Debug)]
pub struct Error {
    status: StatusCode,
    code: &'static str,
    message: String,
    detail: Value,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// What really happened, for the log alone.
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

#[derive(Serialize)]
struct Body<'a> {
    errors: [Entry<'a>; 1],
}

#[derive(Serialize)]
struct Entry<'a> {
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Value::is_null")]
    detail: &'a Value,
}

impl Error {
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            detail: Value::Null,
            headers: Vec::new(),
            cause: None,
        }
    }

    /// A failure of the server itself: the cause is logged, the caller learns only that it failed.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let message = "the registry could not do this; its log says why under the request id";
        let mut error = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", message);
        error.cause = Some(cause.into());
        error
    }

    #[must_use]
    pub fn with_detail(mut self, detail: Value) -> Self {
        self.detail = detail;
        self
    }

    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    pub fn status(&self) -> StatusCode {
        self.status
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        if let Some(cause) = &self.cause {
            tracing::error!(error = cause.as_ref(), "request failed");
        }
        let entry = Entry { code: self.code, message: &self.message, detail: &self.detail };
        let mut body =
            serde_json::to_vec(&Body { errors: [entry] }).expect("text and JSON values serialize");
        body.push(b'\n');
        let json = HeaderValue::from_static("application/json; charset=utf-8");
        let mut response = (self.status, [(header::CONTENT_TYPE, json)], body).into_response();
        for (name, value) in self.headers {
            response.headers_mut().append(name, value);
        }
        response
    }
}

impl From<AuthError> for Error {
    fn from(error: AuthError) -> Self {
        let message = error.to_string();
        match error {
            AuthError::WrongCredentials
            | AuthError::Malformed(_)
            | AuthError::InvalidToken(_)
            | AuthError::AnonymousNotAllowed => {
                Self::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", message)
            }
            AuthError::Busy => Self::new(StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS", message)
                .with_header(header::RETRY_AFTER, HeaderValue::from_static("1")),
            AuthError::AnonymousPull(_)
            | AuthError::Metadata(_)
            | AuthError::Key(_)
            | AuthError::Hash(_) => Self::internal(error),
        }
    }
}
