use std::net::IpAddr;

use sqlx::AnyConnection;

use super::federation::is_jwt;
use super::passwords::is_bcrypt;
use super::secret::SecretKind;
use super::{ActionSet, Auth, AuthError, Password, Rights, Role, Subject, secret};
use crate::metadata::credentials::Credential;
use crate::metadata::federated_sign_ins::FederatedSignIn;
use crate::metadata::identities::Identity;
use crate::metadata::refresh_tokens::RefreshTokenKind;
use crate::metadata::roles::AssignedRow;
use crate::metadata::{
    MetadataError, credentials, federated_sign_ins, identities, now, refresh_tokens, roles,
};
use crate::oci::RepositoryPattern;

/// The name that says that the password is a token, as Azure's clients send it.
const TOKEN_USER: &str = "00000000-0000-0000-0000-000000000000";

/// Somebody who proved who they are.
pub struct SignIn {
    pub identity: Identity,
    pub basis: Basis,
    pub rights: Rights,
    /// When what was shown ends, if the credential itself does not end before.
    pub expires_at: Option<i64>,
    /// Whether the password was typed, or a browser has signed in, rather than a token shown.
    pub in_person: bool,
}

/// What they proved it with.
pub enum Basis {
    Credential(Credential),
    Federated(FederatedSignIn),
}

impl SignIn {
    pub fn subject(&self) -> Subject {
        let (credential, sign_in) = match &self.basis {
            Basis::Credential(credential) => (Some(credential.uid.clone()), None),
            Basis::Federated(sign_in) => (None, Some(sign_in.uid.clone())),
        };
        Subject {
            name: self.identity.name.clone(),
            identity: Some(self.identity.uid.clone()),
            credential,
            sign_in,
        }
    }
}

impl Auth {
    /// Checks a name with a password, or with what clients send in its place.
    pub(super) async fn sign_in(
        &self,
        given: &Password,
        remote: IpAddr,
    ) -> Result<SignIn, AuthError> {
        match SecretKind::of(&given.password) {
            Some(SecretKind::RefreshToken) if given.name == TOKEN_USER => {
                self.refresh(&given.password).await
            }
            Some(SecretKind::RefreshToken | SecretKind::Session) => {
                Err(AuthError::WrongCredentials)
            }
            Some(SecretKind::PersonalToken | SecretKind::PrincipalSecret) => {
                self.sign_in_with_secret(given).await
            }
            None if is_jwt(&given.password) => self.sign_in_with_id_token(&given.password).await,
            None => self.sign_in_with_password(given, remote).await,
        }
    }

    pub(super) async fn sign_in_with_password(
        &self,
        given: &Password,
        remote: IpAddr,
    ) -> Result<SignIn, AuthError> {
        let mut connection = self.0.database.read().await?;
        let found = match identities::by_name(&mut connection, &given.name).await? {
            Some(identity) => credentials::password_of(&mut connection, identity.id)
                .await?
                .map(|credential| (identity, credential)),
            None => None,
        };
        drop(connection);
        let passwords = &self.0.passwords;
        let remembered = found
            .as_ref()
            .is_some_and(|(_, password)| passwords.remembers(&given.password, &password.uid));
        if !remembered {
            self.0.attempts.check(&given.name, remote)?;
        }
        let Some((identity, credential)) = found else {
            passwords.verify_nothing(&given.password).await?;
            return Err(self.wrong_password(given, remote));
        };
        if !remembered
            && !passwords.verify(&given.password, &credential.uid, &credential.hash).await?
        {
            return Err(self.wrong_password(given, remote));
        }
        self.0.attempts.succeeded(&given.name, remote);
        if is_bcrypt(&credential.hash) {
            self.upgrade(&given.password, &credential).await?;
        }
        let sign_in = self.standing(identity, credential).await?;
        Ok(SignIn { in_person: true, ..sign_in })
    }

    /// Keeps a password that came from elsewhere as the registry's own are kept.
    async fn upgrade(&self, password: &str, credential: &Credential) -> Result<(), AuthError> {
        let hash = self.0.passwords.hash(password).await?;
        let mut transaction = self.0.database.begin().await?;
        credentials::upgrade_hash(&mut transaction, credential.id, &credential.hash, &hash).await?;
        transaction.commit().await?;
        Ok(())
    }

    fn wrong_password(&self, given: &Password, remote: IpAddr) -> AuthError {
        self.0.attempts.failed(&given.name, remote);
        let name: String = given.name.chars().take(64).collect();
        tracing::info!(?name, %remote, "wrong password");
        AuthError::WrongCredentials
    }

    /// A secret of a service principal or a personal access token. Both are random and long, so
    /// that finding them by their hash tells a guesser nothing.
    async fn sign_in_with_secret(&self, given: &Password) -> Result<SignIn, AuthError> {
        let (identity, credential) = self.owner_of(&given.password).await?;
        if identity.name != given.name {
            return Err(AuthError::WrongCredentials);
        }
        self.standing(identity, credential).await
    }

    /// By a token alone, as Azure's SDKs show it: a personal token, secret or refresh token of this
    /// registry, or an ID token of a trusted issuer.
    pub(super) async fn sign_in_with_token(&self, token: &str) -> Result<SignIn, AuthError> {
        match SecretKind::of(token) {
            Some(SecretKind::PersonalToken | SecretKind::PrincipalSecret) => {
                let (identity, credential) = self.owner_of(token).await?;
                self.standing(identity, credential).await
            }
            Some(SecretKind::RefreshToken) => self.refresh(token).await,
            Some(SecretKind::Session) => Err(AuthError::WrongCredentials),
            None => self.sign_in_with_id_token(token).await,
        }
    }

    /// Whose personal token or secret it is.
    async fn owner_of(&self, secret: &str) -> Result<(Identity, Credential), AuthError> {
        let mut connection = self.0.database.read().await?;
        let credential = credentials::by_hash(&mut connection, &secret::hash(secret))
            .await?
            .ok_or(AuthError::WrongCredentials)?;
        let identity = identities::by_id(&mut connection, credential.identity_id).await?;
        Ok((identity.ok_or(AuthError::WrongCredentials)?, credential))
    }

    /// Who a refresh token stands for, with the rights of this moment.
    pub(super) async fn refresh(&self, token: &str) -> Result<SignIn, AuthError> {
        self.sign_in_again(token, RefreshTokenKind::Refresh).await
    }

    /// Who a refresh token or session stands for, with the rights of this moment.
    pub(super) async fn sign_in_again(
        &self,
        token: &str,
        kind: RefreshTokenKind,
    ) -> Result<SignIn, AuthError> {
        let mut connection = self.0.database.read().await?;
        let token = refresh_tokens::by_hash(&mut connection, &secret::hash(token), kind).await?;
        let token = token.ok_or(AuthError::WrongCredentials)?;
        let identity = identities::by_id(&mut connection, token.identity_id).await?;
        let credential = match token.credential_id {
            Some(id) => credentials::by_id(&mut connection, id).await?,
            None => None,
        };
        let federated = match token.sign_in_id {
            Some(id) => federated_sign_ins::by_id(&mut connection, id).await?,
            None => None,
        };
        drop(connection);
        let mut sign_in = self.standing_of(identity, credential, federated).await?;
        sign_in.expires_at = Some(token.expires_at);
        Ok(sign_in)
    }

    /// What the subject of a token may do at this moment: nothing if it is gone.
    pub(super) async fn current_rights(&self, subject: &Subject) -> Result<Rights, AuthError> {
        let Some(uid) = &subject.identity else { return Ok(self.0.anonymous.clone()) };
        let mut connection = self.0.database.read().await?;
        let identity = identities::by_uid(&mut connection, uid).await?;
        let credential = match &subject.credential {
            Some(uid) => credentials::by_uid(&mut connection, uid).await?,
            None => None,
        };
        let federated = match &subject.sign_in {
            Some(uid) => federated_sign_ins::by_uid(&mut connection, uid).await?,
            None => None,
        };
        drop(connection);
        match self.standing_of(identity, credential, federated).await {
            Ok(sign_in) => Ok(sign_in.rights),
            Err(AuthError::WrongCredentials) => Ok(Rights::default()),
            Err(error) => Err(error),
        }
    }

    /// The rights of an identity by what something was issued on.
    async fn standing_of(
        &self,
        identity: Option<Identity>,
        credential: Option<Credential>,
        federated: Option<FederatedSignIn>,
    ) -> Result<SignIn, AuthError> {
        match (identity, credential, federated) {
            (Some(identity), Some(credential), None) => self.standing(identity, credential).await,
            (Some(identity), None, Some(sign_in)) if sign_in.identity_id == identity.id => {
                self.standing_of_claims(sign_in).await
            }
            _ => Err(AuthError::WrongCredentials),
        }
    }

    /// The rights of an identity by one of its credentials, if both are still good.
    async fn standing(
        &self,
        identity: Identity,
        credential: Credential,
    ) -> Result<SignIn, AuthError> {
        if !identity.enabled
            || credential.identity_id != identity.id
            || credential.is_expired(now())
        {
            return Err(AuthError::WrongCredentials);
        }
        let mut connection = self.0.database.read().await?;
        let mut rights = assigned_rights(&mut connection, identity.id).await?;
        if let Some(restriction) = &credential.restriction {
            rights = rights.restricted_to(&read_restriction(restriction)?);
        }
        let expires_at = credential.expires_at;
        let basis = Basis::Credential(credential);
        Ok(SignIn { identity, basis, rights, expires_at, in_person: false })
    }
}

pub(super) async fn assigned_rights(
    connection: &mut AnyConnection,
    identity_id: i64,
) -> Result<Rights, MetadataError> {
    let mut rights = Rights::default();
    for row in roles::of_identity(connection, identity_id).await? {
        add_assigned(&mut rights, &row)?;
    }
    Ok(rights)
}

pub(super) fn add_assigned(rights: &mut Rights, row: &AssignedRow) -> Result<(), MetadataError> {
    let pattern = read_pattern(&row.pattern)?;
    match (&row.role, &row.rule_pattern, &row.rule_actions) {
        (Some(role), ..) => {
            rights.add_role(read_role(role)?, pattern);
        }
        (None, Some(rule_pattern), Some(actions)) => {
            if let Some(pattern) = pattern.intersection(&read_pattern(rule_pattern)?) {
                rights.add(pattern, read_actions(actions)?);
            }
        }
        // A scope map without rules.
        (None, ..) => {}
    }
    Ok(())
}

/// The rights of a credential's restriction: a pattern and its actions a line.
fn read_restriction(text: &str) -> Result<Rights, MetadataError> {
    let mut rights = Rights::default();
    for line in text.lines() {
        let (pattern, actions) = line.split_once(' ').unwrap_or((line, ""));
        rights.add(read_pattern(pattern)?, read_actions(actions)?);
    }
    Ok(rights)
}

pub(super) fn read_role(text: &str) -> Result<Role, MetadataError> {
    Role::parse(text).map_err(|_| MetadataError::Damaged { column: "role", value: text.into() })
}

pub(super) fn read_pattern(text: &str) -> Result<RepositoryPattern, MetadataError> {
    RepositoryPattern::parse(text)
        .map_err(|_| MetadataError::Damaged { column: "pattern", value: text.into() })
}

fn read_actions(text: &str) -> Result<ActionSet, MetadataError> {
    ActionSet::parse(text)
        .map_err(|_| MetadataError::Damaged { column: "actions", value: text.into() })
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::metadata::Database;
    use crate::settings::AuthSettings;

    /// How long a refusal takes must not tell which names there are: each costs one comparison, all
    /// of the same cost (see the tests of [`super::super::passwords`]).
    #[tokio::test]
    async fn a_refused_sign_in_costs_the_same_whether_the_name_is_there_or_not() {
        let folder = tempfile::tempdir().unwrap();
        let url = Database::sqlite_url(&folder.path().join("orlop.db"));
        let database = Database::open(&url, 2).await.unwrap();
        let auth = Auth::open(database, &AuthSettings::default()).await.unwrap();
        auth.bootstrap(Some("correct horse".into())).await.unwrap();
        let remote = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let long = "x".repeat(10_000);
        for name in ["admin", "nobody", "", "admin ", "ADMIN", "admin\0", long.as_str()] {
            let before = auth.0.passwords.checks();
            let given = Password { name: name.into(), password: "wrong horse".into() };
            assert!(matches!(auth.sign_in(&given, remote).await, Err(AuthError::WrongCredentials)));
            assert_eq!(auth.0.passwords.checks() - before, 1, "{name:.20}");
        }
    }
}
