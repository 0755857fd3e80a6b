use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::{Value, json};

use crate::auth::AuthError;
use crate::auth::administration::AdministrationError;
use crate::metadata::{Failure, MetadataError};
use crate::oci::{
    Digest, DigestError, MediaTypeError, Reference, ReferenceError, RepositoryNameError, TagError,
};
use crate::registry::RegistryError;
use crate::storage::StorageError;

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

/// Seconds after which a client may try again what failed for a passing reason.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

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

    /// Something that the registry stands on is away for a while.
    fn unavailable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let message = "the registry cannot reach its database or store at the moment";
        let mut error = Self::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", message);
        error.cause = Some(cause.into());
        error.with_header(header::RETRY_AFTER, RETRY_AFTER)
    }

    fn storage_full(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let message = "the registry's storage is full";
        let mut error = Self::new(StatusCode::INSUFFICIENT_STORAGE, "UNAVAILABLE", message);
        error.cause = Some(cause.into());
        error.with_header(header::RETRY_AFTER, RETRY_AFTER)
    }

    /// The path is none of the API's.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", "there is nothing at this path")
    }

    /// A lock or a policy forbids it. The words and the code are those of Azure's registry, which
    /// its clients know.
    fn disallowed(reason: &str) -> Self {
        let message =
            format!("The operation is disallowed on this registry, repository or image: {reason}");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "REGISTRY_DISALLOWED_OPERATION", message)
            .with_detail(json!({}))
    }

    /// A failure as Azure's registry tells it.
    pub fn in_acr(error: RegistryError) -> Self {
        let not_found = |code, message: &str| Self::new(StatusCode::NOT_FOUND, code, message);
        match error {
            RegistryError::RepositoryUnknown(name) => {
                not_found("NAME_UNKNOWN", "repository name not known to registry")
                    .with_detail(json!({ "name": name }))
            }
            RegistryError::ManifestUnknown { reference: Reference::Tag(_), .. } => {
                not_found("TAG_UNKNOWN", "the specified tag does not exist")
            }
            RegistryError::ManifestUnknown { .. } => {
                not_found("MANIFEST_UNKNOWN", "manifest unknown")
            }
            error => error.into(),
        }
    }

    /// A parameter or header that makes no sense.
    pub fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
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

    /// Keeps what really happened for the log.
    fn caused_by(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    pub fn status(&self) -> StatusCode {
        self.status
    }

    pub fn message(&self) -> &str {
        &self.message
    }

    pub fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }

    /// Tells the log what really happened.
    pub fn log(&self) {
        if let Some(cause) = &self.cause {
            tracing::error!(error = cause.as_ref(), "request failed");
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        self.log();
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

impl From<RepositoryNameError> for Error {
    fn from(error: RepositoryNameError) -> Self {
        Self::bad_request("NAME_INVALID", error.to_string())
    }
}

impl From<DigestError> for Error {
    fn from(error: DigestError) -> Self {
        Self::bad_request("DIGEST_INVALID", error.to_string())
    }
}

impl From<TagError> for Error {
    fn from(error: TagError) -> Self {
        Self::bad_request("TAG_INVALID", error.to_string())
    }
}

impl From<ReferenceError> for Error {
    fn from(error: ReferenceError) -> Self {
        match error {
            ReferenceError::Digest(error) => error.into(),
            ReferenceError::Tag(error) => error.into(),
        }
    }
}

impl From<MediaTypeError> for Error {
    fn from(error: MediaTypeError) -> Self {
        Self::bad_request("MANIFEST_INVALID", error.to_string())
    }
}

impl From<RegistryError> for Error {
    fn from(error: RegistryError) -> Self {
        use RegistryError as E;
        let message = error.to_string();
        let answer = |status, code| Self::new(status, code, message.as_str());
        match error {
            E::RepositoryUnknown(name) => {
                answer(StatusCode::NOT_FOUND, "NAME_UNKNOWN").with_detail(json!({ "name": name }))
            }
            E::ManifestUnknown { .. } => answer(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN"),
            // What is damaged is not there to clients that push, so they bring it again.
            E::ManifestDamaged(digest) => answer(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN")
                .with_detail(json!({ "digest": digest })),
            E::BlobUnknown { digest, .. } | E::BlobDamaged(digest) => {
                answer(StatusCode::NOT_FOUND, "BLOB_UNKNOWN")
                    .with_detail(json!({ "digest": digest }))
            }
            E::UploadUnknown => answer(StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN"),
            E::UploadBusy => answer(StatusCode::CONFLICT, "BLOB_UPLOAD_INVALID"),
            E::ChunkOutOfOrder { received } => {
                answer(StatusCode::RANGE_NOT_SATISFIABLE, "BLOB_UPLOAD_INVALID")
                    .with_header(header::RANGE, super::upload_range(received))
            }
            E::ChunkLength { .. } => answer(StatusCode::BAD_REQUEST, "SIZE_INVALID"),
            E::Interrupted(_) => answer(StatusCode::BAD_REQUEST, "BLOB_UPLOAD_INVALID"),
            E::BlobTooLarge { .. } => answer(StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID"),
            E::DigestMismatch { .. } => answer(StatusCode::BAD_REQUEST, "DIGEST_INVALID"),
            E::BlobCollected(_) => answer(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE")
                .with_header(header::RETRY_AFTER, RETRY_AFTER),
            E::ManifestInvalid(_) => answer(StatusCode::BAD_REQUEST, "MANIFEST_INVALID"),
            E::SizeMismatch { .. } => answer(StatusCode::BAD_REQUEST, "SIZE_INVALID"),
            E::ReferencesUnknown(digests) => references_unknown(&message, &digests),
            E::BlobInUse { .. } | E::ManifestInUse { .. } => {
                answer(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED")
            }
            E::PlaceUnknown(_) => answer(StatusCode::BAD_REQUEST, "PAGINATION_LAST_INVALID"),
            E::SubjectDeleted(_) | E::TagExists { .. } | E::NoSuchMove { .. } => {
                answer(StatusCode::CONFLICT, "CONFLICT")
            }
            E::Disallowed(reason) => Self::disallowed(&reason.to_string()),
            E::Metadata(error) => error.into(),
            E::Storage(error) => error.into(),
        }
    }
}

fn references_unknown(message: &str, digests: &[Digest]) -> Error {
    /// A manifest may name thousands; these tell the client where to begin.
    const SHOWN: usize = 100;
    let shown = &digests[..digests.len().min(SHOWN)];
    Error::bad_request("MANIFEST_BLOB_UNKNOWN", message).with_detail(json!({ "digests": shown }))
}

impl From<MetadataError> for Error {
    fn from(error: MetadataError) -> Self {
        match error.failure() {
            Failure::Passing => Self::unavailable(error),
            Failure::Full => Self::storage_full(error),
            Failure::Text => Self::bad_request(
                "REQUEST_INVALID",
                "the request holds the character NUL, which no name or text may",
            ),
            Failure::Lasting => Self::internal(error),
        }
    }
}

impl From<StorageError> for Error {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::UploadLost => RegistryError::UploadUnknown.into(),
            StorageError::Full(_) => Self::storage_full(error),
            StorageError::Bucket(_) => Self::unavailable(error),
            StorageError::BlobMissing(_)
            | StorageError::Io(_)
            | StorageError::Handle(_)
            | StorageError::Url { .. }
            | StorageError::Profile { .. } => Self::internal(error),
        }
    }
}

impl From<AuthError> for Error {
    fn from(error: AuthError) -> Self {
        let unauthorized = |error: AuthError| {
            Self::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", error.to_string())
        };
        match error {
            AuthError::WrongCredentials
            | AuthError::Malformed(_)
            | AuthError::InvalidToken(_)
            | AuthError::AnonymousNotAllowed => unauthorized(error),
            AuthError::Busy => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS", error.to_string())
                    .with_header(header::RETRY_AFTER, RETRY_AFTER)
            }
            AuthError::TooManyAttempts { seconds } => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS", error.to_string())
                    .with_header(header::RETRY_AFTER, seconds.into())
            }
            AuthError::Metadata(error) => error.into(),
            AuthError::NoBrowserSignIn => {
                Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", error.to_string())
            }
            AuthError::SignInLost => Self::bad_request("REQUEST_INVALID", error.to_string()),
            AuthError::IssuerAway { .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", error.to_string())
                    .with_header(header::RETRY_AFTER, RETRY_AFTER)
                    .caused_by(error)
            }
            AuthError::AnonymousPull(_)
            | AuthError::Client(_)
            | AuthError::Key(_)
            | AuthError::Hash(_) => Self::internal(error),
        }
    }
}

impl From<AdministrationError> for Error {
    fn from(error: AdministrationError) -> Self {
        use AdministrationError as E;
        let message = error.to_string();
        let answer = |status, code| Self::new(status, code, message);
        match error {
            E::Unknown { .. } => answer(StatusCode::NOT_FOUND, "NOT_FOUND"),
            E::Exists { .. } | E::LastOwner | E::TooManySecrets(_) | E::Assigned(_) => {
                answer(StatusCode::CONFLICT, "CONFLICT")
            }
            E::Invalid(_) => answer(StatusCode::BAD_REQUEST, "REQUEST_INVALID"),
            E::NotInPerson(_) => answer(StatusCode::FORBIDDEN, "DENIED"),
            E::Auth(error) => error.into(),
        }
    }
}
