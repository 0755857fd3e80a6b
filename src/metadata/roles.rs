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

/// All that was assigned to a group of a trusted issuer.
pub async fn of_group(
    connection: &mut AnyConnection,
    group: &str,
) -> Result<Vec<AssignedRow>, MetadataError> {
    let query = sqlx::query_as(
        "SELECT a.pattern, a.role, r.pattern AS rule_pattern, r.actions AS rule_actions
         FROM role_assignments a
         LEFT JOIN scope_map_rules r ON r.scope_map_id = a.scope_map_id
         WHERE a.group_name = $1",
    );
    Ok(query.bind(group).fetch_all(connection).await?)
}

/// An assignment with the names of what it binds.
#[derive(Clone, Debug, FromRow)]
pub struct Assignment {
    pub uid: String,
    pub identity: Option<String>,
    pub group_name: Option<String>,
    pub role: Option<String>,
    pub scope_map: Option<String>,
    pub pattern: String,
    pub created_at: i64,
}

/// The columns of [`Assignment`].
macro_rules! select_assignments {
    ($rest:literal) => {
        concat!(
            "SELECT a.uid, i.name AS identity, a.group_name, a.role, m.name AS scope_map,
                    a.pattern, a.created_at
             FROM role_assignments a
             LEFT JOIN identities i ON i.id = a.identity_id
             LEFT JOIN scope_maps m ON m.id = a.scope_map_id ",
            $rest
        )
    };
}

/// All assignments in the order they were made.
pub async fn list(connection: &mut AnyConnection) -> Result<Vec<Assignment>, MetadataError> {
    let query = sqlx::query_as(select_assignments!("ORDER BY a.id"));
    Ok(query.fetch_all(connection).await?)
}

pub async fn by_uid(
    connection: &mut AnyConnection,
    uid: &str,
) -> Result<Option<Assignment>, MetadataError> {
    let query = sqlx::query_as(select_assignments!("WHERE a.uid = $1"));
    Ok(query.bind(uid).fetch_optional(connection).await?)
}

/// To whom and what a new assignment binds; one of each pair.
pub struct NewAssignment<'a> {
    pub uid: &'a str,
    pub identity_id: Option<i64>,
    pub group_name: Option<&'a str>,
    pub role: Option<&'a str>,
    pub scope_map_id: Option<i64>,
    pub pattern: &'a str,
}

pub async fn insert(
    connection: &mut AnyConnection,
    new: &NewAssignment<'_>,
) -> Result<(), MetadataError> {
    let query = sqlx::query(
        "INSERT INTO role_assignments
             (uid, identity_id, group_name, role, scope_map_id, pattern, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    );
    query
        .bind(new.uid)
        .bind(new.identity_id)
        .bind(new.group_name)
        .bind(new.role)
        .bind(new.scope_map_id)
        .bind(new.pattern)
        .bind(now())
        .execute(connection)
        .await?;
    Ok(())
}

pub async fn delete(connection: &mut AnyConnection, uid: &str) -> Result<(), MetadataError> {
    let query = sqlx::query("DELETE FROM role_assignments WHERE uid = $1");
    query.bind(uid).execute(connection).await?;
    Ok(())
}
