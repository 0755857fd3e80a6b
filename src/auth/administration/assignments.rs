use serde_json::json;

use super::{Actor, AdministrationError, keep_an_owner, record};
use crate::auth::{Auth, Role, secret};
use crate::metadata::roles::{self, Assignment, NewAssignment};
use crate::metadata::{Alone, identities, retry, scope_maps};
use crate::oci::RepositoryPattern;

const MAX_GROUP: usize = 255;

/// Who gets something, by name.
#[derive(Clone, Copy, Debug)]
pub enum AssignedTo<'a> {
    Identity(&'a str),
    /// Whoever a trusted issuer says is in this group.
    Group(&'a str),
}

/// What they get.
#[derive(Clone, Copy, Debug)]
pub enum Assigned<'a> {
    Role(Role),
    ScopeMap(&'a str),
}

impl Auth {
    /// # Errors
    /// [`AdministrationError`] if the database fails.
    pub async fn assignments(&self) -> Result<Vec<Assignment>, AdministrationError> {
        Ok(roles::list(&mut *self.0.database.read().await?).await?)
    }

    /// Gives somebody a role or a scope map within a pattern.
    ///
    /// # Errors
    /// [`AdministrationError::Unknown`] names what is missing.
    pub async fn assign(
        &self,
        actor: &Actor<'_>,
        to: AssignedTo<'_>,
        what: Assigned<'_>,
        pattern: &RepositoryPattern,
    ) -> Result<Assignment, AdministrationError> {
        retry(async || {
            let mut transaction = self.0.database.begin_alone(Alone::Access).await?;
            let (identity_id, group_name) = match to {
                AssignedTo::Identity(name) => {
                    let identity = identities::by_name(&mut transaction, name).await?;
                    let identity =
                        identity.ok_or_else(|| AdministrationError::unknown("identity", name))?;
                    (Some(identity.id), None)
                }
                AssignedTo::Group(name) if name.is_empty() || name.len() > MAX_GROUP => {
                    return Err(AdministrationError::invalid(format!(
                        "a group's name has 1 to {MAX_GROUP} bytes"
                    )));
                }
                AssignedTo::Group(name) => (None, Some(name)),
            };
            let (role, scope_map_id) = match what {
                Assigned::Role(role) => (Some(role.as_str()), None),
                Assigned::ScopeMap(name) => {
                    let scope_map = scope_maps::by_name(&mut transaction, name).await?;
                    let scope_map =
                        scope_map.ok_or_else(|| AdministrationError::unknown("scope map", name))?;
                    (None, Some(scope_map.id))
                }
            };
            let (uid, pattern) = (secret::uid(), pattern.to_string());
            let new = NewAssignment {
                uid: &uid,
                identity_id,
                group_name,
                role,
                scope_map_id,
                pattern: &pattern,
            };
            roles::insert(&mut transaction, &new).await?;
            let assignment = roles::by_uid(&mut transaction, &uid)
                .await?
                .ok_or_else(|| AdministrationError::unknown("assignment", &uid))?;
            record_assignment(&mut transaction, actor, "role.assign", &assignment).await?;
            transaction.commit().await?;
            Ok(assignment)
        })
        .await
    }

    /// # Errors
    /// [`AdministrationError::Unknown`] or [`AdministrationError::LastOwner`].
    pub async fn remove_assignment(
        &self,
        actor: &Actor<'_>,
        uid: &str,
    ) -> Result<(), AdministrationError> {
        retry(async || {
            let mut transaction = self.0.database.begin_alone(Alone::Access).await?;
            let assignment = roles::by_uid(&mut transaction, uid)
                .await?
                .ok_or_else(|| AdministrationError::unknown("assignment", uid))?;
            roles::delete(&mut transaction, uid).await?;
            keep_an_owner(&mut transaction).await?;
            record_assignment(&mut transaction, actor, "role.unassign", &assignment).await?;
            transaction.commit().await?;
            Ok(())
        })
        .await
    }
}

async fn record_assignment(
    connection: &mut sqlx::AnyConnection,
    actor: &Actor<'_>,
    action: &str,
    assignment: &Assignment,
) -> Result<(), AdministrationError> {
    let to = assignment.identity.as_ref().or(assignment.group_name.as_ref());
    let detail = json!({
        "id": assignment.uid,
        "isGroup": assignment.identity.is_none(),
        "role": assignment.role,
        "scopeMap": assignment.scope_map,
        "repositories": assignment.pattern,
    });
    let to = to.map_or("", String::as_str);
    Ok(record(connection, actor, action, to, &detail).await?)
}
