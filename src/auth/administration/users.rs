use serde_json::json;
use sqlx::AnyConnection;

use super::{Actor, AdministrationError, check_text, keep_an_owner, named, record};
use crate::auth::federation::is_jwt;
use crate::auth::passwords::is_bcrypt;
use crate::auth::secret::{self, SecretKind};
use crate::auth::{ANONYMOUS, Auth};
use crate::metadata::credentials::{self, Credential, CredentialKind, NewCredential};
use crate::metadata::identities::{self, Identity, IdentityKind};
use crate::metadata::{Alone, retry};

const MAX_NAME: usize = 128;
const MIN_PASSWORD: usize = 8;
/// Hashing takes the whole of it.
const MAX_PASSWORD: usize = 1024;

pub struct NewUser<'a> {
    pub name: &'a str,
    pub display_name: &'a str,
    pub password: NewPassword<'a>,
}

#[derive(Clone, Copy)]
pub enum NewPassword<'a> {
    Given(&'a str),
    /// Of a file that `htpasswd -B` wrote; replaced by an own hash at the next sign-in.
    Bcrypt(&'a str),
    Generated,
}

/// What to change of an identity.
#[derive(Default)]
pub struct Update<'a> {
    pub display_name: Option<&'a str>,
    pub enabled: Option<bool>,
}

impl Auth {
    /// Identities of a kind by name, at most `limit` after the name `after`.
    ///
    /// # Errors
    /// [`AdministrationError`] if the database fails.
    pub async fn identities(
        &self,
        kind: IdentityKind,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Identity>, AdministrationError> {
        let mut connection = self.0.database.read().await?;
        Ok(identities::list(&mut connection, kind, after, limit).await?)
    }

    /// # Errors
    /// [`AdministrationError::Unknown`].
    pub async fn identity(
        &self,
        kind: IdentityKind,
        name: &str,
    ) -> Result<Identity, AdministrationError> {
        named(&mut *self.0.database.read().await?, kind, name).await
    }

    /// The credentials of an identity, without their texts, which nobody knows.
    ///
    /// # Errors
    /// [`AdministrationError::Unknown`].
    pub async fn credentials_of(
        &self,
        kind: IdentityKind,
        name: &str,
    ) -> Result<Vec<Credential>, AdministrationError> {
        let mut connection = self.0.database.read().await?;
        let identity = named(&mut connection, kind, name).await?;
        Ok(credentials::of_identity(&mut connection, identity.id).await?)
    }

    /// Adds a user, and answers the password if it was made up here.
    ///
    /// # Errors
    /// [`AdministrationError::Exists`] or [`AdministrationError::Invalid`].
    pub async fn add_user(
        &self,
        actor: &Actor<'_>,
        new: &NewUser<'_>,
    ) -> Result<(Identity, Option<String>), AdministrationError> {
        check_name(new.name)?;
        check_text("display name", new.display_name)?;
        let (hash, generated) = self.hash_or_generate(new.password).await?;
        retry(async || {
            let mut transaction = self.0.database.begin_alone(Alone::Access).await?;
            if identities::by_name(&mut transaction, new.name).await?.is_some() {
                return Err(AdministrationError::exists("identity", new.name));
            }
            let (uid, kind) = (secret::uid(), IdentityKind::User);
            let user = identities::insert(&mut transaction, &uid, kind, new.name, new.display_name)
                .await?;
            put_password(&mut transaction, &user, &hash).await?;
            record(&mut transaction, actor, "user.create", new.name, &json!({})).await?;
            transaction.commit().await?;
            Ok((user, generated.clone()))
        })
        .await
    }

    /// Gives a user another password, and answers it if it was made up here. Tokens that were
    /// issued on the old one end.
    ///
    /// # Errors
    /// [`AdministrationError::Unknown`] or [`AdministrationError::Invalid`].
    pub async fn set_password(
        &self,
        actor: &Actor<'_>,
        name: &str,
        password: NewPassword<'_>,
    ) -> Result<Option<String>, AdministrationError> {
        let (hash, generated) = self.hash_or_generate(password).await?;
        retry(async || {
            let mut transaction = self.0.database.begin_alone(Alone::Access).await?;
            let user = named(&mut transaction, IdentityKind::User, name).await?;
            put_password(&mut transaction, &user, &hash).await?;
            record(&mut transaction, actor, "user.set-password", name, &json!({})).await?;
            transaction.commit().await?;
            Ok(generated.clone())
        })
        .await
    }

    /// # Errors
    /// [`AdministrationError::Unknown`] or [`AdministrationError::LastOwner`].
    pub async fn update_identity(
        &self,
        actor: &Actor<'_>,
        kind: IdentityKind,
        name: &str,
        update: &Update<'_>,
    ) -> Result<Identity, AdministrationError> {
        retry(async || {
            let mut transaction = self.0.database.begin_alone(Alone::Access).await?;
            let identity = named(&mut transaction, kind, name).await?;
            let display_name = update.display_name.unwrap_or(&identity.display_name);
            check_text("display name", display_name)?;
            let enabled = update.enabled.unwrap_or(identity.enabled);
            identities::update(&mut transaction, identity.id, display_name, enabled).await?;
            keep_an_owner(&mut transaction).await?;
            let detail = json!({ "displayName": display_name, "enabled": enabled });
            let action = format!("{}.update", kind.as_str());
            record(&mut transaction, actor, &action, name, &detail).await?;
            let identity = named(&mut transaction, kind, name).await?;
            transaction.commit().await?;
            Ok(identity)
        })
        .await
    }

    /// Removes an identity with all it has.
    ///
    /// # Errors
    /// [`AdministrationError::Unknown`] or [`AdministrationError::LastOwner`].
    pub async fn remove_identity(
        &self,
        actor: &Actor<'_>,
        kind: IdentityKind,
        name: &str,
    ) -> Result<(), AdministrationError> {
        retry(async || {
            let mut transaction = self.0.database.begin_alone(Alone::Access).await?;
            let identity = named(&mut transaction, kind, name).await?;
            identities::delete(&mut transaction, identity.id).await?;
            keep_an_owner(&mut transaction).await?;
            let action = format!("{}.delete", kind.as_str());
            record(&mut transaction, actor, &action, name, &json!({})).await?;
            transaction.commit().await?;
            Ok(())
        })
        .await
    }

    async fn hash_or_generate(
        &self,
        password: NewPassword<'_>,
    ) -> Result<(String, Option<String>), AdministrationError> {
        match password {
            NewPassword::Given(password) => {
                check_password(password)?;
                Ok((self.0.passwords.hash(password).await?, None))
            }
            NewPassword::Bcrypt(hash) if is_bcrypt(hash) => Ok((hash.into(), None)),
            NewPassword::Bcrypt(_) => Err(AdministrationError::invalid(
                "the password hash is not of bcrypt, or of a cost above 15: make it with htpasswd -B",
            )),
            NewPassword::Generated => {
                let password = secret::generate_password();
                Ok((self.0.passwords.hash(&password).await?, Some(password)))
            }
        }
    }
}

/// Replaces the password of a user.
async fn put_password(
    connection: &mut AnyConnection,
    user: &Identity,
    hash: &str,
) -> Result<(), AdministrationError> {
    if let Some(old) = credentials::password_of(connection, user.id).await? {
        credentials::delete(connection, old.id).await?;
    }
    let credential = NewCredential {
        uid: &secret::uid(),
        identity_id: user.id,
        kind: CredentialKind::Password,
        label: "",
        hash,
        restriction: None,
        expires_at: None,
    };
    credentials::insert(connection, &credential).await?;
    Ok(())
}

fn check_name(name: &str) -> Result<(), AdministrationError> {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b"._@+-".contains(&b);
    let is_well_formed = !name.is_empty()
        && name.len() <= MAX_NAME
        && name.as_bytes()[0].is_ascii_alphanumeric()
        && name.bytes().all(is_word);
    if !is_well_formed {
        return Err(AdministrationError::invalid(format!(
            "{:?} is not a user name: it takes 1 to {MAX_NAME} letters, digits and . _ @ + -, and \
             starts with a letter or digit",
            name.chars().take(200).collect::<String>()
        )));
    }
    if name == ANONYMOUS || uuid::Uuid::try_parse(name).is_ok() {
        return Err(AdministrationError::invalid(format!(
            "no user may be named {name:?}: {ANONYMOUS:?} and UUIDs have their own meaning"
        )));
    }
    Ok(())
}

fn check_password(password: &str) -> Result<(), AdministrationError> {
    if password.chars().count() < MIN_PASSWORD || password.len() > MAX_PASSWORD {
        return Err(AdministrationError::invalid(format!(
            "a password has at least {MIN_PASSWORD} characters, and at most {MAX_PASSWORD} bytes"
        )));
    }
    if SecretKind::of(password).is_some() || is_jwt(password) {
        return Err(AdministrationError::invalid("a password must not look like a token"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_clients_or_the_registry_take_otherwise_are_refused() {
        for name in ["alice", "alice@example.com", "A.b-c_d+e", "0"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        let uuid = uuid::Uuid::nil().to_string();
        for name in ["", "a:b", "-a", "a b", "é", "anonymous", &uuid, &"a".repeat(129)] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn passwords_have_a_length() {
        assert!(check_password("12345678").is_ok());
        assert!(check_password("1234567").is_err());
        assert!(check_password(&"a".repeat(1025)).is_err());
    }
}
