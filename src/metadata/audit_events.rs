use sqlx::{AnyConnection, FromRow};

use super::{MetadataError, now};

/// A change of who may do what.
#[derive(Clone, Debug, FromRow)]
pub struct AuditEvent {
    pub id: i64,
    pub created_at: i64,
    /// Name of who did it.
    pub actor: String,
    /// Where the request came from.
    pub address: String,
    /// Such as `user.create`.
    pub action: String,
    /// Name of what was changed.
    pub target: String,
    /// A JSON object, without secrets.
    pub detail: String,
}

/// What is recorded of a change.
pub struct NewAuditEvent<'a> {
    pub actor: &'a str,
    pub address: &'a str,
    pub action: &'a str,
    pub target: &'a str,
    pub detail: &'a str,
}

pub async fn insert(
    connection: &mut AnyConnection,
    new: &NewAuditEvent<'_>,
) -> Result<(), MetadataError> {
    let query = sqlx::query(
        "INSERT INTO audit_events (created_at, actor, address, action, target, detail)
         VALUES ($1, $2, $3, $4, $5, $6)",
    );
    query
        .bind(now())
        .bind(new.actor)
        .bind(new.address)
        .bind(new.action)
        .bind(new.target)
        .bind(new.detail)
        .execute(connection)
        .await?;
    Ok(())
}

/// The newest events before the one with the number `before`.
pub async fn list(
    connection: &mut AnyConnection,
    before: i64,
    limit: u32,
) -> Result<Vec<AuditEvent>, MetadataError> {
    let query = sqlx::query_as(
        "SELECT id, created_at, actor, address, action, target, detail FROM audit_events
         WHERE id < $1 ORDER BY id DESC LIMIT $2",
    );
    Ok(query.bind(before).bind(i64::from(limit)).fetch_all(connection).await?)
}
