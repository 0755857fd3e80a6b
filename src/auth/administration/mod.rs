//! Changes of who may do what. Each is one transaction with its audit event, and takes effect at
//! the next request that looks rights up.

mod assignments;
mod error;
mod issuers;
mod personal_tokens;
mod principals;
mod scope_maps;
mod signing_keys;
mod users;

use std::net::IpAddr;

use serde_json::Value;
use sqlx::AnyConnection;

pub use assignments::{Assigned, AssignedTo};
pub use error::AdministrationError;
pub use issuers::{NewIssuer, StandsFor};
pub use principals::{MAX_SECRETS, NewPrincipal};
pub use users::{NewPassword, NewUser, Update};

use super::{Auth, Caller, Role};
use crate::metadata::audit_events::{self, AuditEvent, NewAuditEvent};
use crate::metadata::credentials::Credential;
use crate::metadata::identities::{self, Identity, IdentityKind};
use crate::metadata::{MetadataError, now};
use crate::oci::RepositoryPattern;

/// Who changes something, and from where.
pub struct Actor<'a> {
    pub caller: &'a Caller,
    pub address: IpAddr,
}

/// A credential with its text, which is told once and kept nowhere.
pub struct NewSecret {
    pub text: String,
    pub credential: Credential,
}

impl Auth {
    /// The newest changes before the event numbered `before`.
    ///
    /// # Errors
    /// [`AdministrationError`] if the database fails.
    pub async fn audit_events(
        &self,
        before: i64,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, AdministrationError> {
        let mut connection = self.0.database.read().await?;
        Ok(audit_events::list(&mut connection, before, limit).await?)
    }
}

async fn record(
    connection: &mut AnyConnection,
    actor: &Actor<'_>,
    action: &str,
    target: &str,
    detail: &Value,
) -> Result<(), MetadataError> {
    let event = NewAuditEvent {
        actor: actor.caller.name(),
        address: &actor.address.to_string(),
        action,
        target,
        detail: &detail.to_string(),
    };
    audit_events::insert(connection, &event).await?;
    tracing::info!(actor = event.actor, address = event.address, action, target, "access changed");
    Ok(())
}

/// The identity of a kind with this name.
async fn named(
    connection: &mut AnyConnection,
    kind: IdentityKind,
    name: &str,
) -> Result<Identity, AdministrationError> {
    let identity = identities::by_name(connection, name).await?;
    identity
        .filter(|identity| identity.kind == kind)
        .ok_or_else(|| AdministrationError::unknown(kind.as_str(), name))
}

/// Refuses a change after which nobody could administer the registry.
async fn keep_an_owner(connection: &mut AnyConnection) -> Result<(), AdministrationError> {
    let (role, everything) = (Role::Owner.as_str(), RepositoryPattern::all().to_string());
    if identities::any_user_with_role(connection, role, &everything).await? {
        Ok(())
    } else {
        Err(AdministrationError::LastOwner)
    }
}

/// When something ends that lives for `seconds` from now.
fn end_after(seconds: Option<u32>) -> Option<i64> {
    seconds.map(|seconds| now() + i64::from(seconds) * 1_000_000)
}

/// The names of scope maps and issuers: short, and without what other names are joined by.
fn check_plain_name(kind: &str, name: &str) -> Result<(), AdministrationError> {
    const MAX_LEN: usize = 64;
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    if name.is_empty() || name.len() > MAX_LEN || !name.bytes().all(is_word) {
        let shown: String = name.chars().take(200).collect();
        return Err(AdministrationError::invalid(format!(
            "{shown:?} is no name of a {kind}: it takes 1 to {MAX_LEN} letters, digits and . _ -"
        )));
    }
    Ok(())
}

/// Names for people to read, labels and descriptions.
fn check_text(what: &str, text: &str) -> Result<(), AdministrationError> {
    const MAX_CHARS: usize = 200;
    if text.chars().count() > MAX_CHARS || text.contains(char::is_control) {
        return Err(AdministrationError::invalid(format!(
            "a {what} has at most {MAX_CHARS} characters, and no line ends"
        )));
    }
    Ok(())
}
