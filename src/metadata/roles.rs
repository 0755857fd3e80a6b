use sqlx::{AnyConnection, FromRow};

use super::{MetadataError, now};

/// One thing that an identity or group was given, as text that `auth` makes sense of: a role on a
/// pattern, or a rule of a scope map that holds within a pattern.
#[derive(Clone, Debug, FromRow)]
pub struct AssignedRow {
    pub pattern: String,
    pub role: Option<String>,
    pub rule_pattern: Option<String>,
    pub rule_actions: Option<String>,
}

/// All that was assigned to an identity itself.
pub async fn of_identity(
    connection: &mut AnyConnection,
    identity_id: i64,
) -> Result<Vec<AssignedRow>, MetadataError> {
    let query = sqlx::query_as(
        "SELECT a.pattern, a.role, r.pattern AS rule_pattern, r.actions AS rule_actions
         FROM role_assignments a
         LEFT JOIN scope_map_rules r ON r.scope_map_id = a.scope_map_id
         WHERE a.identity_id = $1",
    );
    Ok(query.bind(identity_id).fetch_all(connection).await?)
}

/// Gives an identity a role on the repositories of a pattern.
pub async fn assign_role(
    connection: &mut AnyConnection,
    uid: &str,
    identity_id: i64,
    role: &str,
    pattern: &str,
) -> Result<(), MetadataError> {
    let query = sqlx::query(
        "INSERT INTO role_assignments (uid, identity_id, role, pattern, created_at)
         VALUES ($1, $2, $3, $4, $5)",
    );
    query
        .bind(uid)
        .bind(identity_id)
        .bind(role)
        .bind(pattern)
        .bind(now())
        .execute(connection)
        .await?;
    Ok(())
}
