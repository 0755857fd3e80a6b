use super::federation::ProviderError;
use crate::metadata::MetadataError;
use crate::oci::RepositoryPatternError;

/// Why a caller could not be told, or a token not be issued.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// Says nothing of whether the name exists.
    #[error("the user name or the password is wrong, or its time is over")]
    WrongCredentials,
    #[error("the Authorization header {0}: send Basic or Bearer credentials")]
    Malformed(&'static str),
    #[error("the bearer token is not valid here: {0}")]
    InvalidToken(&'static str),
    #[error("this needs a signed-in identity, as no repository is open to everybody")]
    AnonymousNotAllowed,
    #[error("too many wrong passwords for this name: try again in {seconds} seconds")]
    TooManyAttempts { seconds: u64 },
    #[error("too many sign-ins at the same time: try again in a moment")]
    Busy,
    #[error("the issuer {name} cannot be asked for its keys at the moment")]
    IssuerAway { name: String, cause: ProviderError },
    #[error("no issuer of this name signs people in with a browser")]
    NoBrowserSignIn,
    #[error("this sign-in is not known or took too long: begin again")]
    SignInLost,
    #[error("the client for issuers could not be set up: {0}")]
    Client(ProviderError),
    #[error("[auth] anonymous_pull: {0}")]
    AnonymousPull(#[from] RepositoryPatternError),
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    #[error("a signing key could not be {0}")]
    Key(&'static str),
    #[error("a password could not be hashed: {0}")]
    Hash(String),
}

impl From<sqlx::Error> for AuthError {
    fn from(error: sqlx::Error) -> Self {
        Self::Metadata(error.into())
    }
}
