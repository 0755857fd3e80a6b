use sqlx::{AnyConnection, FromRow};

use super::{MetadataError, now};

/// What a refresh token was issued on.
#[derive(Clone, Debug, FromRow)]
pub struct RefreshToken {
    pub identity_id: i64,
    pub credential_id: i64,
    pub expires_at: i64,
}

/// Keeps a new refresh token by its SHA-256, and drops those whose time is over.
pub async fn insert(
    connection: &mut AnyConnection,
    hash: &str,
    token: &RefreshToken,
) -> Result<(), MetadataError> {
    let now = now();
    let query = sqlx::query("DELETE FROM refresh_tokens WHERE expires_at <= $1");
    query.bind(now).execute(&mut *connection).await?;
    let query = sqlx::query(
        "INSERT INTO refresh_tokens
             (hash, kind, identity_id, credential_id, created_at, expires_at)
         VALUES ($1, 'refresh', $2, $3, $4, $5)",
    );
    query
        .bind(hash)
        .bind(token.identity_id)
        .bind(token.credential_id)
        .bind(now)
        .bind(token.expires_at)
        .execute(connection)
        .await?;
    Ok(())
}

/// The refresh token with this SHA-256, if its time is not over.
pub async fn by_hash(
    connection: &mut AnyConnection,
    hash: &str,
) -> Result<Option<RefreshToken>, MetadataError> {
    let query = sqlx::query_as(
        "SELECT identity_id, credential_id, expires_at FROM refresh_tokens
         WHERE hash = $1 AND kind = 'refresh' AND expires_at > $2",
    );
    Ok(query.bind(hash).bind(now()).fetch_optional(connection).await?)
}
