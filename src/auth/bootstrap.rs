use super::{Auth, AuthError, Role, secret};
use crate::metadata::credentials::{CredentialKind, NewCredential};
use crate::metadata::identities::IdentityKind;
use crate::metadata::roles::NewAssignment;
use crate::metadata::{Alone, credentials, identities, roles};
use crate::oci::RepositoryPattern;

const NAME: &str = "admin";

/// The user that the first start makes. Its password is nowhere else.
pub struct FirstAdmin {
    pub name: String,
    pub password: String,
    /// Whether nobody chose the password, so that it must be told.
    pub is_generated: bool,
}

impl Auth {
    /// Makes the first user, an owner of everything, if there is no identity yet. Without a
    /// password it gets a random one.
    ///
    /// # Errors
    /// [`AuthError`] if the database fails.
    pub async fn bootstrap(
        &self,
        admin_password: Option<String>,
    ) -> Result<Option<FirstAdmin>, AuthError> {
        if identities::any(&mut *self.0.database.read().await?).await? {
            return Ok(None);
        }
        let is_generated = admin_password.is_none();
        let password = admin_password.unwrap_or_else(secret::generate_password);
        let hash = self.0.passwords.hash(&password).await?;

        let mut transaction = self.0.database.begin_alone(Alone::Access).await?;
        if identities::any(&mut transaction).await? {
            return Ok(None);
        }
        let uid = secret::uid();
        let identity =
            identities::insert(&mut transaction, &uid, IdentityKind::User, NAME, "").await?;
        let credential = NewCredential {
            uid: &secret::uid(),
            identity_id: identity.id,
            kind: CredentialKind::Password,
            label: "",
            hash: &hash,
            restriction: None,
            expires_at: None,
        };
        credentials::insert(&mut transaction, &credential).await?;
        let assignment = NewAssignment {
            uid: &secret::uid(),
            identity_id: Some(identity.id),
            group_name: None,
            role: Some(Role::Owner.as_str()),
            scope_map_id: None,
            pattern: &RepositoryPattern::all().to_string(),
        };
        roles::insert(&mut transaction, &assignment).await?;
        transaction.commit().await?;
        Ok(Some(FirstAdmin { name: NAME.into(), password, is_generated }))
    }
}
