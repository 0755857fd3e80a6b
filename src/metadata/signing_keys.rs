use sqlx::{AnyConnection, FromRow};

use super::{MetadataError, now};

#[derive(Clone, FromRow)]
pub struct SigningKeyRow {
    pub kid: String,
    /// PKCS #8.
    pub private: Vec<u8>,
}

/// The keys whose tokens are still good, newest first.
pub async fn live(connection: &mut AnyConnection) -> Result<Vec<SigningKeyRow>, MetadataError> {
    let query = sqlx::query_as(
        "SELECT kid, private FROM signing_keys
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
