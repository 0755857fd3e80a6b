use sqlx::{AnyConnection, FromRow};

use super::{MetadataError, now};

/// A sign-in by the ID token of a trusted issuer.
#[derive(Clone, FromRow)]
pub struct FederatedSignIn {
    pub id: i64,
    pub uid: String,
    pub identity_id: i64,
    pub issuer_id: i64,
    /// The claims of the token, a JSON object.
    pub claims: String,
    pub expires_at: i64,
}

pub struct NewFederatedSignIn<'a> {
    pub uid: &'a str,
    pub identity_id: i64,
    pub issuer_id: i64,
    pub claims: &'a str,
    pub expires_at: i64,
}

/// The sign-in, if its time is not over.
pub async fn by_uid(
    connection: &mut AnyConnection,
    uid: &str,
) -> Result<Option<FederatedSignIn>, MetadataError> {
    let query = sqlx::query_as(
        "SELECT id, uid, identity_id, issuer_id, claims, expires_at FROM federated_sign_ins
         WHERE uid = $1 AND expires_at > $2",
    );
    Ok(query.bind(uid).bind(now()).fetch_optional(connection).await?)
}

/// As [`by_uid`].
pub async fn by_id(
    connection: &mut AnyConnection,
    id: i64,
) -> Result<Option<FederatedSignIn>, MetadataError> {
    let query = sqlx::query_as(
        "SELECT id, uid, identity_id, issuer_id, claims, expires_at FROM federated_sign_ins
         WHERE id = $1 AND expires_at > $2",
    );
    Ok(query.bind(id).bind(now()).fetch_optional(connection).await?)
}

/// Keeps a sign-in, once for each uid, and drops those whose time is over.
pub async fn put(
    connection: &mut AnyConnection,
    new: &NewFederatedSignIn<'_>,
) -> Result<FederatedSignIn, MetadataError> {
    let now = now();
    let query = sqlx::query("DELETE FROM federated_sign_ins WHERE expires_at <= $1");
    query.bind(now).execute(&mut *connection).await?;
    let query = sqlx::query_as(
        "INSERT INTO federated_sign_ins
             (uid, identity_id, issuer_id, claims, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (uid) DO UPDATE SET identity_id = $2, claims = $4
         RETURNING id, uid, identity_id, issuer_id, claims, expires_at",
    );
    let query = query
        .bind(new.uid)
        .bind(new.identity_id)
        .bind(new.issuer_id)
        .bind(new.claims)
        .bind(now)
        .bind(new.expires_at);
    Ok(query.fetch_one(connection).await?)
}
