use sqlx::{AnyConnection, FromRow};

use super::{MetadataError, now};

/// What a refresh token or a browser's session was issued on: a credential or a sign-in by a
/// foreign ID token.
#[derive(Clone, Debug, FromRow)]
pub struct RefreshToken {
    pub identity_id: i64,
    pub credential_id: Option<i64>,
    pub sign_in_id: Option<i64>,
    pub expires_at: i64,
}

/// What the text is good for, so that none is taken for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshTokenKind {
    Refresh,
    Session,
}

impl RefreshTokenKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Refresh => "refresh",
            Self::Session => "session",
        }
    }
}

/// Keeps a new refresh token by its SHA-256, and drops those whose time is over.
pub async fn insert(
    connection: &mut AnyConnection,
    hash: &str,
    kind: RefreshTokenKind,
    token: &RefreshToken,
) -> Result<(), MetadataError> {
    let now = now();
    let query = sqlx::query("DELETE FROM refresh_tokens WHERE expires_at <= $1");
    query.bind(now).execute(&mut *connection).await?;
    let query = sqlx::query(
        "INSERT INTO refresh_tokens
             (hash, kind, identity_id, credential_id, sign_in_id, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    );
    query
        .bind(hash)
        .bind(kind.as_str())
        .bind(token.identity_id)
        .bind(token.credential_id)
        .bind(token.sign_in_id)
        .bind(now)
        .bind(token.expires_at)
        .execute(connection)
        .await?;
    Ok(())
}

/// The token of a kind with this SHA-256, if its time is not over.
pub async fn by_hash(
    connection: &mut AnyConnection,
    hash: &str,
    kind: RefreshTokenKind,
) -> Result<Option<RefreshToken>, MetadataError> {
    let query = sqlx::query_as(
        "SELECT identity_id, credential_id, sign_in_id, expires_at FROM refresh_tokens
         WHERE hash = $1 AND kind = $2 AND expires_at > $3",
    );
    Ok(query.bind(hash).bind(kind.as_str()).bind(now()).fetch_optional(connection).await?)
}

pub async fn delete(connection: &mut AnyConnection, hash: &str) -> Result<(), MetadataError> {
    sqlx::query("DELETE FROM refresh_tokens WHERE hash = $1")
        .bind(hash)
        .execute(connection)
        .await?;
    Ok(())
}
