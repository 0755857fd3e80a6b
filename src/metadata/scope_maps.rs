use sqlx::{AnyConnection, FromRow};

use super::{MetadataError, now};

/// The columns of [`ScopeMap`], by name: a server of an older version works on while a newer one adds
/// columns.
macro_rules! columns {
    () => {
        "id, name, description, created_at, updated_at"
    };
}

/// A set of rights under a name of its own.
#[derive(Clone, Debug, FromRow)]
pub struct ScopeMap {
    pub id: i64,
    pub name: String,
    pub description: String,
    pub created_at: i64,
    pub updated_at: i64,
}

/// What a scope map allows on the repositories of a pattern; `auth` makes sense of the texts.
#[derive(Clone, Debug, FromRow)]
pub struct Rule {
    pub pattern: String,
    pub actions: String,
}

pub async fn list(connection: &mut AnyConnection) -> Result<Vec<ScopeMap>, MetadataError> {
    let query = sqlx::query_as(concat!("SELECT ", columns!(), " FROM scope_maps ORDER BY name"));
    Ok(query.fetch_all(connection).await?)
}

pub async fn by_name(
    connection: &mut AnyConnection,
    name: &str,
) -> Result<Option<ScopeMap>, MetadataError> {
    let query = sqlx::query_as(concat!("SELECT ", columns!(), " FROM scope_maps WHERE name = $1"));
    Ok(query.bind(name).fetch_optional(connection).await?)
}

pub async fn rules(
    connection: &mut AnyConnection,
    scope_map_id: i64,
) -> Result<Vec<Rule>, MetadataError> {
    let query = sqlx::query_as(
        "SELECT pattern, actions FROM scope_map_rules WHERE scope_map_id = $1 ORDER BY pattern",
    );
    Ok(query.bind(scope_map_id).fetch_all(connection).await?)
}

/// Makes a scope map, or gives the one of this name another text and other rules.
pub async fn put(
    connection: &mut AnyConnection,
    name: &str,
    description: &str,
    rules: &[Rule],
) -> Result<ScopeMap, MetadataError> {
    let query = sqlx::query_as(concat!(
        "INSERT INTO scope_maps (name, description, created_at, updated_at)
         VALUES ($1, $2, $3, $3)
         ON CONFLICT (name) DO UPDATE SET description = $2, updated_at = $3
         RETURNING ",
        columns!()
    ));
    let scope_map: ScopeMap =
        query.bind(name).bind(description).bind(now()).fetch_one(&mut *connection).await?;
    let query = sqlx::query("DELETE FROM scope_map_rules WHERE scope_map_id = $1");
    query.bind(scope_map.id).execute(&mut *connection).await?;
    for rule in rules {
        let query = sqlx::query(
            "INSERT INTO scope_map_rules (scope_map_id, pattern, actions) VALUES ($1, $2, $3)",
        );
        let query = query.bind(scope_map.id).bind(&rule.pattern).bind(&rule.actions);
        query.execute(&mut *connection).await?;
    }
    Ok(scope_map)
}

/// Whether something is assigned through the scope map.
pub async fn is_assigned(connection: &mut AnyConnection, id: i64) -> Result<bool, MetadataError> {
    let query = sqlx::query("SELECT id FROM role_assignments WHERE scope_map_id = $1 LIMIT 1");
    Ok(query.bind(id).fetch_optional(connection).await?.is_some())
}

pub async fn delete(connection: &mut AnyConnection, id: i64) -> Result<(), MetadataError> {
    sqlx::query("DELETE FROM scope_maps WHERE id = $1").bind(id).execute(connection).await?;
    Ok(())
}
