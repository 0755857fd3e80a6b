use sqlx::{AnyConnection, FromRow};

use super::{MetadataError, now};

/// A browser that was sent to an issuer and is expected back with a code.
#[derive(Clone, FromRow)]
pub struct AuthorizationRequest {
    pub state: String,
    pub issuer_id: i64,
    pub nonce: String,
    pub code_verifier: String,
    pub redirect_uri: String,
    /// A path of this registry.
    pub return_to: String,
    pub expires_at: i64,
}

/// Keeps a request, and drops those whose time is over.
pub async fn insert(
    connection: &mut AnyConnection,
    request: &AuthorizationRequest,
) -> Result<(), MetadataError> {
    let query = sqlx::query("DELETE FROM authorization_requests WHERE expires_at <= $1");
    query.bind(now()).execute(&mut *connection).await?;
    let query = sqlx::query(
        "INSERT INTO authorization_requests
             (state, issuer_id, nonce, code_verifier, redirect_uri, return_to, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    );
    query
        .bind(&request.state)
        .bind(request.issuer_id)
        .bind(&request.nonce)
        .bind(&request.code_verifier)
        .bind(&request.redirect_uri)
        .bind(&request.return_to)
        .bind(request.expires_at)
        .execute(connection)
        .await?;
    Ok(())
}

/// Takes a request out, so that none is answered twice.
pub async fn take(
    connection: &mut AnyConnection,
    state: &str,
) -> Result<Option<AuthorizationRequest>, MetadataError> {
    let query = sqlx::query_as("DELETE FROM authorization_requests WHERE state = $1 RETURNING *");
    let request: Option<AuthorizationRequest> =
        query.bind(state).fetch_optional(connection).await?;
    Ok(request.filter(|request| request.expires_at > now()))
}
