use sqlx::{AnyConnection, FromRow};

use super::{MetadataError, now};

#[derive(Clone, FromRow)]
pub struct SigningKeyRow {
    pub kid: String,
    /// PKCS #8.
    pub private: Vec<u8>,
    pub created_at: i64,
    /// When it stops verifying; none for the one that signs.
    pub retires_at: Option<i64>,
}

/// The keys whose tokens are still good, newest first.
pub async fn live(connection: &mut AnyConnection) -> Result<Vec<SigningKeyRow>, MetadataError> {
    let query = sqlx::query_as(
        "SELECT kid, private, created_at, retires_at FROM signing_keys
         WHERE retires_at IS NULL OR retires_at > $1 ORDER BY id DESC",
    );
    Ok(query.bind(now()).fetch_all(connection).await?)
}

pub async fn insert(
    connection: &mut AnyConnection,
    kid: &str,
    private: &[u8],
) -> Result<(), MetadataError> {
    let query =
        sqlx::query("INSERT INTO signing_keys (kid, private, created_at) VALUES ($1, $2, $3)");
    query.bind(kid).bind(private).bind(now()).execute(connection).await?;
    Ok(())
}

/// Lets all keys but one retire at a time, unless they do before, and drops those that have.
pub async fn retire_others(
    connection: &mut AnyConnection,
    kid: &str,
    retires_at: i64,
) -> Result<(), MetadataError> {
    let query = sqlx::query(
        "UPDATE signing_keys SET retires_at = $1
         WHERE kid <> $2 AND (retires_at IS NULL OR retires_at > $1)",
    );
    query.bind(retires_at).bind(kid).execute(&mut *connection).await?;
    let query = sqlx::query("DELETE FROM signing_keys WHERE retires_at <= $1");
    query.bind(now()).execute(connection).await?;
    Ok(())
}
