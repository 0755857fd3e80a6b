use sqlx::{AnyConnection, FromRow};

use super::{MetadataError, now};

/// Whom or what the claims of an ID token stand for; `auth` makes sense of the texts.
#[derive(Clone, Debug, FromRow)]
pub struct FederationRule {
    pub uid: String,
    pub condition: String,
    pub identity_id: Option<i64>,
    /// Name of that identity.
    pub identity: Option<String>,
    pub role: Option<String>,
    pub pattern: Option<String>,
    pub created_at: i64,
}

pub struct NewFederationRule<'a> {
    pub uid: &'a str,
    pub issuer_id: i64,
    pub condition: &'a str,
    pub identity_id: Option<i64>,
    pub role: Option<&'a str>,
    pub pattern: Option<&'a str>,
}

/// The rules of an issuer in the order they were made.
pub async fn of_issuer(
    connection: &mut AnyConnection,
    issuer_id: i64,
) -> Result<Vec<FederationRule>, MetadataError> {
    let query = sqlx::query_as(
        "SELECT r.uid, r.condition, r.identity_id, i.name AS identity, r.role, r.pattern,
                r.created_at
         FROM federation_rules r LEFT JOIN identities i ON i.id = r.identity_id
         WHERE r.issuer_id = $1 ORDER BY r.id",
    );
    Ok(query.bind(issuer_id).fetch_all(connection).await?)
}

pub async fn insert(
    connection: &mut AnyConnection,
    new: &NewFederationRule<'_>,
) -> Result<(), MetadataError> {
    let query = sqlx::query(
        "INSERT INTO federation_rules
             (uid, issuer_id, condition, identity_id, role, pattern, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    );
    query
        .bind(new.uid)
        .bind(new.issuer_id)
        .bind(new.condition)
        .bind(new.identity_id)
        .bind(new.role)
        .bind(new.pattern)
        .bind(now())
        .execute(connection)
        .await?;
    Ok(())
}

pub async fn delete(connection: &mut AnyConnection, uid: &str) -> Result<(), MetadataError> {
    sqlx::query("DELETE FROM federation_rules WHERE uid = $1")
        .bind(uid)
        .execute(connection)
        .await?;
    Ok(())
}
