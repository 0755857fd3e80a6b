use serde_json::json;
use sqlx::AnyConnection;

use super::{Actor, AdministrationError, NewSecret, check_text, end_after, named, record};
use crate::auth::Auth;
use crate::auth::secret::{self, SecretKind};
use crate::metadata::credentials::{self, CredentialKind, NewCredential};
use crate::metadata::identities::{self, Identity, IdentityKind};
use crate::metadata::{Alone, now, retry};

/// Two, so that a new one is in use before the old one goes.
pub const MAX_SECRETS: usize = 2;

pub struct NewPrincipal<'a> {
    pub display_name: &'a str,
    /// How long its first secret lives; without end if none.
    pub secret_seconds: Option<u32>,
}

impl Auth {
    /// Adds a service principal with its first secret.
    ///
    /// # Errors
    /// [`AdministrationError`] if the database fails.
    pub async fn add_principal(
        &self,
        actor: &Actor<'_>,
        new: &NewPrincipal<'_>,
    ) -> Result<(Identity, NewSecret), AdministrationError> {
        check_text("display name", new.display_name)?;
        retry(async || {
            let mut transaction = self.0.database.begin_alone(Alone::Access).await?;
            let (uid, kind) = (secret::uid(), IdentityKind::Principal);
            let principal =
                identities::insert(&mut transaction, &uid, kind, &uid, new.display_name).await?;
            let secret = add_secret(&mut transaction, &principal, "", new.secret_seconds).await?;
            let detail = json!({ "displayName": new.display_name });
            record(&mut transaction, actor, "principal.create", &uid, &detail).await?;
            transaction.commit().await?;
            Ok((principal, secret))
        })
        .await
    }

    /// Adds a second secret, so that the first can be removed when nothing uses it any more.
    ///
    /// # Errors
    /// [`AdministrationError::Unknown`] or [`AdministrationError::TooManySecrets`].
    pub async fn add_principal_secret(
        &self,
        actor: &Actor<'_>,
        name: &str,
        label: &str,
        seconds: Option<u32>,
    ) -> Result<NewSecret, AdministrationError> {
        retry(async || {
            let mut transaction = self.0.database.begin_alone(Alone::Access).await?;
            let principal = named(&mut transaction, IdentityKind::Principal, name).await?;
            let mut present = 0;
            for credential in credentials::of_identity(&mut transaction, principal.id).await? {
                if credential.is_expired(now()) {
                    credentials::delete(&mut transaction, credential.id).await?;
                } else {
                    present += 1;
                }
            }
            if present >= MAX_SECRETS {
                return Err(AdministrationError::TooManySecrets(MAX_SECRETS));
            }
            let secret = add_secret(&mut transaction, &principal, label, seconds).await?;
            let detail = json!({ "secret": secret.credential.uid, "label": label });
            record(&mut transaction, actor, "principal.add-secret", name, &detail).await?;
            transaction.commit().await?;
            Ok(secret)
        })
        .await
    }

    /// Removes a secret or a personal access token; what was issued on it ends.
    ///
    /// # Errors
    /// [`AdministrationError::Unknown`].
    pub async fn remove_credential(
        &self,
        actor: &Actor<'_>,
        kind: IdentityKind,
        name: &str,
        uid: &str,
    ) -> Result<(), AdministrationError> {
        retry(async || {
            let mut transaction = self.0.database.begin_alone(Alone::Access).await?;
            let identity = named(&mut transaction, kind, name).await?;
            let credential = credentials::by_uid(&mut transaction, uid)
                .await?
                .filter(|credential| credential.identity_id == identity.id)
                .filter(|credential| credential.kind != CredentialKind::Password)
                .ok_or_else(|| AdministrationError::unknown("credential", uid))?;
            credentials::delete(&mut transaction, credential.id).await?;
            let action = format!("{}.remove-{}", kind.as_str(), credential.kind.as_str());
            record(&mut transaction, actor, &action, name, &json!({ "id": uid })).await?;
            transaction.commit().await?;
            Ok(())
        })
        .await
    }
}

async fn add_secret(
    connection: &mut AnyConnection,
    principal: &Identity,
    label: &str,
    seconds: Option<u32>,
) -> Result<NewSecret, AdministrationError> {
    check_text("label", label)?;
    let text = secret::generate(SecretKind::PrincipalSecret);
    let credential = NewCredential {
        uid: &secret::uid(),
        identity_id: principal.id,
        kind: CredentialKind::Secret,
        label,
        hash: &secret::hash(&text),
        restriction: None,
        expires_at: end_after(seconds),
    };
    let credential = credentials::insert(connection, &credential).await?;
    Ok(NewSecret { text, credential })
}
