use super::super::{ActionError, AuthError, RoleError};
use crate::metadata::MetadataError;
use crate::oci::RepositoryPatternError;

/// Why a change was refused. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
pub enum AdministrationError {
    #[error("there is no {kind} named {name:?}")]
    Unknown { kind: &'static str, name: String },
    #[error("there is a {kind} named {name:?} already")]
    Exists { kind: &'static str, name: String },
    #[error("{0}")]
    Invalid(String),
    #[error(
        "after this no user could administer the registry: give another enabled user the role \
         Owner on * first"
    )]
    LastOwner,
    #[error("a service principal has at most {0} secrets: remove one first")]
    TooManySecrets(usize),
    #[error("the scope map {0:?} is assigned to somebody: remove these assignments first")]
    Assigned(String),
    #[error("this needs {0:?} in person, with the password or a browser, and not by a token")]
    NotInPerson(String),
    #[error(transparent)]
    Auth(#[from] AuthError),
}

impl AdministrationError {
    pub(super) fn unknown(kind: &'static str, name: &str) -> Self {
        Self::Unknown { kind, name: name.chars().take(200).collect() }
    }

    pub(super) fn exists(kind: &'static str, name: &str) -> Self {
        Self::Exists { kind, name: name.into() }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }
}

impl From<MetadataError> for AdministrationError {
    fn from(error: MetadataError) -> Self {
        Self::Auth(error.into())
    }
}

impl From<sqlx::Error> for AdministrationError {
    fn from(error: sqlx::Error) -> Self {
        Self::Auth(error.into())
    }
}

impl From<RepositoryPatternError> for AdministrationError {
    fn from(error: RepositoryPatternError) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl From<RoleError> for AdministrationError {
    fn from(error: RoleError) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl From<ActionError> for AdministrationError {
    fn from(error: ActionError) -> Self {
        Self::Invalid(error.to_string())
    }
}
