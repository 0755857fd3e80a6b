use std::sync::Arc;

use super::sign_in::SignIn;
use super::{Action, RegistryAction, Rights};
use crate::oci::{RepositoryName, RepositoryPattern};

/// The name of whoever shows no credentials; no identity may have it.
pub const ANONYMOUS: &str = "anonymous";

/// Whom a credential stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    pub name: String,
    /// Uid of the identity; none stands for anybody.
    pub identity: Option<String>,
    /// Uid of the credential that was shown, or that the shown token was issued on.
    pub credential: Option<String>,
    /// Uid of the sign-in by a foreign ID token, in place of a credential.
    pub sign_in: Option<String>,
}

impl Subject {
    pub fn anonymous() -> Self {
        Self { name: ANONYMOUS.into(), identity: None, credential: None, sign_in: None }
    }
}

/// Who is asking, and what the credential of this request covers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Caller(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    subject: Subject,
    covers: Rights,
    /// What the identity may do at this moment, where that was looked up beside the token.
    current: Option<Rights>,
    in_person: bool,
}

impl Caller {
    pub(super) fn anonymous(covers: Rights) -> Self {
        Self::with_token(Subject::anonymous(), covers)
    }

    /// Who showed an access token, which covers what it was issued for.
    pub(super) fn with_token(subject: Subject, covers: Rights) -> Self {
        Self(Arc::new(Inner { subject, covers, current: None, in_person: false }))
    }

    /// Who showed the credential itself, which covers all the identity may do by it.
    pub(super) fn with_credential(sign_in: SignIn) -> Self {
        let subject = sign_in.subject();
        let SignIn { rights, in_person, .. } = sign_in;
        Self(Arc::new(Inner { subject, covers: rights, current: None, in_person }))
    }

    /// The same caller, held to what its identity may do at this moment.
    pub(super) fn limited_to(&self, current: Rights) -> Self {
        Self(Arc::new(Inner {
            subject: self.0.subject.clone(),
            covers: self.0.covers.clone(),
            current: Some(current),
            in_person: self.0.in_person,
        }))
    }

    pub fn is_anonymous(&self) -> bool {
        self.0.subject.identity.is_none()
    }

    /// For history and logs.
    pub fn name(&self) -> &str {
        &self.0.subject.name
    }

    pub fn subject(&self) -> &Subject {
        &self.0.subject
    }

    /// Whether this request came with the identity's password or a browser's session, and not with a
    /// token, which must not make others or change the password.
    pub fn in_person(&self) -> bool {
        self.0.in_person
    }

    /// Whether this request's credential covers the action.
    pub fn may(&self, action: Action, repository: &RepositoryName) -> bool {
        self.0.covers.may(action, repository)
            && self.0.current.as_ref().is_none_or(|rights| rights.may(action, repository))
    }

    pub fn may_in_registry(&self, action: RegistryAction) -> bool {
        self.0.covers.may_in_registry(action)
            && self.0.current.as_ref().is_none_or(|rights| rights.may_in_registry(action))
    }

    /// The repositories that a list may show to this caller: one whose name matches any of these.
    ///
    /// A token for the catalog lists all that its identity may read, any other token only what it
    /// was issued for.
    pub fn readable(&self) -> Vec<RepositoryPattern> {
        match &self.0.current {
            Some(rights) if self.0.covers.may_in_registry(RegistryAction::CatalogRead) => {
                rights.readable()
            }
            _ => self.0.covers.readable(),
        }
    }
}
