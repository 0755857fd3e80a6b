use sqlx::any::AnyRow;
use sqlx::{AnyConnection, FromRow, Row as _};

use super::{MetadataError, now};

/// Somebody who may sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub id: i64,
    pub uid: String,
    pub kind: IdentityKind,
    pub name: String,
    pub display_name: String,
    pub enabled: bool,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityKind {
    /// A person, with a password.
    User,
    /// A program, with one or more generated secrets.
    Principal,
    /// Whoever a trusted issuer vouches for, without a secret here.
    Federated,
}

impl IdentityKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Principal => "principal",
            Self::Federated => "federated",
        }
    }

    fn read(text: String) -> Result<Self, sqlx::Error> {
        [Self::User, Self::Principal, Self::Federated]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| sqlx::Error::Decode(format!("no kind of identity: {text:?}").into()))
    }
}

impl FromRow<'_, AnyRow> for Identity {
    fn from_row(row: &AnyRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            uid: row.try_get("uid")?,
            kind: IdentityKind::read(row.try_get("kind")?)?,
            name: row.try_get("name")?,
            display_name: row.try_get("display_name")?,
            enabled: row.try_get::<i64, _>("enabled")? != 0,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}

/// Whether there is any identity, which is so after the first start.
pub async fn any(connection: &mut AnyConnection) -> Result<bool, MetadataError> {
    let row = sqlx::query("SELECT id FROM identities LIMIT 1").fetch_optional(connection).await?;
    Ok(row.is_some())
}

pub async fn by_id(
    connection: &mut AnyConnection,
    id: i64,
) -> Result<Option<Identity>, MetadataError> {
    let query = sqlx::query_as("SELECT * FROM identities WHERE id = $1");
    Ok(query.bind(id).fetch_optional(connection).await?)
}

pub async fn by_uid(
    connection: &mut AnyConnection,
    uid: &str,
) -> Result<Option<Identity>, MetadataError> {
    let query = sqlx::query_as("SELECT * FROM identities WHERE uid = $1");
    Ok(query.bind(uid).fetch_optional(connection).await?)
}

pub async fn by_name(
    connection: &mut AnyConnection,
    name: &str,
) -> Result<Option<Identity>, MetadataError> {
    let query = sqlx::query_as("SELECT * FROM identities WHERE name = $1");
    Ok(query.bind(name).fetch_optional(connection).await?)
}

/// Adds an identity and answers its row.
pub async fn insert(
    connection: &mut AnyConnection,
    uid: &str,
    kind: IdentityKind,
    name: &str,
    display_name: &str,
) -> Result<Identity, MetadataError> {
    let query = sqlx::query_as(
        "INSERT INTO identities (uid, kind, name, display_name, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $5) RETURNING *",
    );
    let query = query.bind(uid).bind(kind.as_str()).bind(name).bind(display_name).bind(now());
    Ok(query.fetch_one(connection).await?)
}
