use sqlx::any::AnyRow;
use sqlx::{AnyConnection, FromRow, Row as _};

use super::{MetadataError, now};

/// The columns of [`Credential`], by name: a server of an older version works on while a newer one adds
/// columns.
macro_rules! columns {
    () => {
        "id, uid, identity_id, kind, label, hash, restriction, created_at, expires_at"
    };
}

/// What an identity proves itself with. Its secret is here only as a hash.
#[derive(Clone)]
pub struct Credential {
    pub id: i64,
    pub uid: String,
    pub identity_id: i64,
    pub kind: CredentialKind,
    pub label: String,
    /// Of passwords argon2id or bcrypt in their own notation, of the others SHA-256 in hexadecimal.
    pub hash: String,
    /// Rules that narrow the identity's rights, one a line.
    pub restriction: Option<String>,
    pub created_at: i64,
    pub expires_at: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialKind {
    Password,
    /// Of a service principal.
    Secret,
    /// A personal access token.
    Token,
}

impl CredentialKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Secret => "secret",
            Self::Token => "token",
        }
    }

    fn read(text: String) -> Result<Self, sqlx::Error> {
        [Self::Password, Self::Secret, Self::Token]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| sqlx::Error::Decode(format!("no kind of credential: {text:?}").into()))
    }
}

impl Credential {
    pub fn is_expired(&self, now: i64) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= now)
    }
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential").field("uid", &self.uid).finish_non_exhaustive()
    }
}

impl FromRow<'_, AnyRow> for Credential {
    fn from_row(row: &AnyRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            uid: row.try_get("uid")?,
            identity_id: row.try_get("identity_id")?,
            kind: CredentialKind::read(row.try_get("kind")?)?,
            label: row.try_get("label")?,
            hash: row.try_get("hash")?,
            restriction: row.try_get("restriction")?,
            created_at: row.try_get("created_at")?,
            expires_at: row.try_get("expires_at")?,
        })
    }
}

/// What a new credential is made of.
pub struct NewCredential<'a> {
    pub uid: &'a str,
    pub identity_id: i64,
    pub kind: CredentialKind,
    pub label: &'a str,
    pub hash: &'a str,
    pub restriction: Option<&'a str>,
    pub expires_at: Option<i64>,
}

pub async fn insert(
    connection: &mut AnyConnection,
    new: &NewCredential<'_>,
) -> Result<Credential, MetadataError> {
    let query = sqlx::query_as(concat!(
        "INSERT INTO credentials
             (uid, identity_id, kind, label, hash, restriction, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING ",
        columns!()
    ));
    let query = query
        .bind(new.uid)
        .bind(new.identity_id)
        .bind(new.kind.as_str())
        .bind(new.label)
        .bind(new.hash)
        .bind(new.restriction)
        .bind(now())
        .bind(new.expires_at);
    Ok(query.fetch_one(connection).await?)
}

pub async fn password_of(
    connection: &mut AnyConnection,
    identity_id: i64,
) -> Result<Option<Credential>, MetadataError> {
    let query = sqlx::query_as(concat!(
        "SELECT ",
        columns!(),
        " FROM credentials WHERE identity_id = $1 AND kind = 'password'"
    ));
    Ok(query.bind(identity_id).fetch_optional(connection).await?)
}

/// The secret or token with this SHA-256.
pub async fn by_hash(
    connection: &mut AnyConnection,
    hash: &str,
) -> Result<Option<Credential>, MetadataError> {
    let query = sqlx::query_as(concat!(
        "SELECT ",
        columns!(),
        " FROM credentials WHERE hash = $1 AND kind <> 'password'"
    ));
    Ok(query.bind(hash).fetch_optional(connection).await?)
}

pub async fn by_id(
    connection: &mut AnyConnection,
    id: i64,
) -> Result<Option<Credential>, MetadataError> {
    let query = sqlx::query_as(concat!("SELECT ", columns!(), " FROM credentials WHERE id = $1"));
    Ok(query.bind(id).fetch_optional(connection).await?)
}

pub async fn by_uid(
    connection: &mut AnyConnection,
    uid: &str,
) -> Result<Option<Credential>, MetadataError> {
    let query = sqlx::query_as(concat!("SELECT ", columns!(), " FROM credentials WHERE uid = $1"));
    Ok(query.bind(uid).fetch_optional(connection).await?)
}

/// The credentials of an identity, oldest first.
pub async fn of_identity(
    connection: &mut AnyConnection,
    identity_id: i64,
) -> Result<Vec<Credential>, MetadataError> {
    let query = sqlx::query_as(concat!(
        "SELECT ",
        columns!(),
        " FROM credentials WHERE identity_id = $1 ORDER BY id"
    ));
    Ok(query.bind(identity_id).fetch_all(connection).await?)
}

/// Removes a credential with the tokens that were issued on it.
pub async fn delete(connection: &mut AnyConnection, id: i64) -> Result<(), MetadataError> {
    sqlx::query("DELETE FROM credentials WHERE id = $1").bind(id).execute(connection).await?;
    Ok(())
}

/// Replaces the hash of a password by another one of the same password.
pub async fn upgrade_hash(
    connection: &mut AnyConnection,
    id: i64,
    old: &str,
    new: &str,
) -> Result<(), MetadataError> {
    let query = sqlx::query("UPDATE credentials SET hash = $1 WHERE id = $2 AND hash = $3");
    query.bind(new).bind(id).bind(old).execute(connection).await?;
    Ok(())
}
