use sqlx::any::AnyRow;
use sqlx::{AnyConnection, FromRow, Row as _};

use super::{MetadataError, now};

/// The columns of [`Identity`], by name: a server of an older version works on while a newer one adds
/// columns.
macro_rules! columns {
    () => {
        "id, uid, kind, name, display_name, enabled, created_at, updated_at"
    };
}

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
    let query = sqlx::query_as(concat!("SELECT ", columns!(), " FROM identities WHERE id = $1"));
    Ok(query.bind(id).fetch_optional(connection).await?)
}

pub async fn by_uid(
    connection: &mut AnyConnection,
    uid: &str,
) -> Result<Option<Identity>, MetadataError> {
    let query = sqlx::query_as(concat!("SELECT ", columns!(), " FROM identities WHERE uid = $1"));
    Ok(query.bind(uid).fetch_optional(connection).await?)
}

pub async fn by_name(
    connection: &mut AnyConnection,
    name: &str,
) -> Result<Option<Identity>, MetadataError> {
    let query = sqlx::query_as(concat!("SELECT ", columns!(), " FROM identities WHERE name = $1"));
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
    let query = sqlx::query_as(concat!(
        "INSERT INTO identities (uid, kind, name, display_name, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $5) RETURNING ",
        columns!()
    ));
    let query = query.bind(uid).bind(kind.as_str()).bind(name).bind(display_name).bind(now());
    Ok(query.fetch_one(connection).await?)
}

/// The id of the federated identity of this name, which is made if it is missing.
pub async fn find_or_create_federated(
    connection: &mut AnyConnection,
    uid: &str,
    name: &str,
) -> Result<i64, MetadataError> {
    if let Some(identity) = by_name(connection, name).await? {
        return Ok(identity.id);
    }
    // The update lets RETURNING give the row that another connection made meanwhile.
    let query = sqlx::query_scalar(
        "INSERT INTO identities (uid, kind, name, created_at, updated_at)
         VALUES ($1, 'federated', $2, $3, $3)
         ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id",
    );
    Ok(query.bind(uid).bind(name).bind(now()).fetch_one(connection).await?)
}

/// Identities of a kind in the order of their names, those after `after` first.
pub async fn list(
    connection: &mut AnyConnection,
    kind: IdentityKind,
    after: &str,
    limit: u32,
) -> Result<Vec<Identity>, MetadataError> {
    let query = sqlx::query_as(concat!(
        "SELECT ",
        columns!(),
        " FROM identities WHERE kind = $1 AND name > $2 ORDER BY name LIMIT $3"
    ));
    let query = query.bind(kind.as_str()).bind(after).bind(i64::from(limit));
    Ok(query.fetch_all(connection).await?)
}

pub async fn update(
    connection: &mut AnyConnection,
    id: i64,
    display_name: &str,
    enabled: bool,
) -> Result<(), MetadataError> {
    let query = sqlx::query(
        "UPDATE identities SET display_name = $1, enabled = $2, updated_at = $3 WHERE id = $4",
    );
    let query = query.bind(display_name).bind(i64::from(enabled)).bind(now()).bind(id);
    query.execute(connection).await?;
    Ok(())
}

/// Removes an identity with its credentials, assignments and tokens.
pub async fn delete(connection: &mut AnyConnection, id: i64) -> Result<(), MetadataError> {
    sqlx::query("DELETE FROM identities WHERE id = $1").bind(id).execute(connection).await?;
    Ok(())
}

/// Whether some user who is not shut out has the role on the pattern.
pub async fn any_user_with_role(
    connection: &mut AnyConnection,
    role: &str,
    pattern: &str,
) -> Result<bool, MetadataError> {
    let query = sqlx::query(
        "SELECT i.id FROM identities i
         JOIN role_assignments a ON a.identity_id = i.id
         WHERE i.kind = 'user' AND i.enabled = 1 AND a.role = $1 AND a.pattern = $2 LIMIT 1",
    );
    Ok(query.bind(role).bind(pattern).fetch_optional(connection).await?.is_some())
}
