use sqlx::{AnyConnection, FromRow};

use super::{MetadataError, now};

/// The columns of [`TrustedIssuer`], by name: a server of an older version works on while a newer one adds
/// columns.
macro_rules! columns {
    () => {
        "id, uid, name, url, audience, groups_claim, client_id, client_secret, created_at"
    };
}

/// An OpenID provider whose ID tokens are accepted.
#[derive(Clone, FromRow)]
pub struct TrustedIssuer {
    pub id: i64,
    pub uid: String,
    pub name: String,
    /// As in the claim `iss`.
    pub url: String,
    /// What the claim `aud` must name.
    pub audience: String,
    /// The claim that lists groups.
    pub groups_claim: Option<String>,
    /// For the sign-in of people with a browser.
    pub client_id: Option<String>,
    pub client_secret: Option<String>,
    pub created_at: i64,
}

pub struct NewTrustedIssuer<'a> {
    pub uid: &'a str,
    pub name: &'a str,
    pub url: &'a str,
    pub audience: &'a str,
    pub groups_claim: Option<&'a str>,
    pub client_id: Option<&'a str>,
    pub client_secret: Option<&'a str>,
}

pub async fn list(connection: &mut AnyConnection) -> Result<Vec<TrustedIssuer>, MetadataError> {
    let query =
        sqlx::query_as(concat!("SELECT ", columns!(), " FROM trusted_issuers ORDER BY name"));
    Ok(query.fetch_all(connection).await?)
}

pub async fn by_id(
    connection: &mut AnyConnection,
    id: i64,
) -> Result<Option<TrustedIssuer>, MetadataError> {
    let query =
        sqlx::query_as(concat!("SELECT ", columns!(), " FROM trusted_issuers WHERE id = $1"));
    Ok(query.bind(id).fetch_optional(connection).await?)
}

pub async fn by_name(
    connection: &mut AnyConnection,
    name: &str,
) -> Result<Option<TrustedIssuer>, MetadataError> {
    let query =
        sqlx::query_as(concat!("SELECT ", columns!(), " FROM trusted_issuers WHERE name = $1"));
    Ok(query.bind(name).fetch_optional(connection).await?)
}

pub async fn by_url(
    connection: &mut AnyConnection,
    url: &str,
) -> Result<Option<TrustedIssuer>, MetadataError> {
    let query =
        sqlx::query_as(concat!("SELECT ", columns!(), " FROM trusted_issuers WHERE url = $1"));
    Ok(query.bind(url).fetch_optional(connection).await?)
}

pub async fn insert(
    connection: &mut AnyConnection,
    new: &NewTrustedIssuer<'_>,
) -> Result<TrustedIssuer, MetadataError> {
    let query = sqlx::query_as(concat!(
        "INSERT INTO trusted_issuers
             (uid, name, url, audience, groups_claim, client_id, client_secret, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING ",
        columns!()
    ));
    let query = query
        .bind(new.uid)
        .bind(new.name)
        .bind(new.url)
        .bind(new.audience)
        .bind(new.groups_claim)
        .bind(new.client_id)
        .bind(new.client_secret)
        .bind(now());
    Ok(query.fetch_one(connection).await?)
}

/// Removes an issuer with its rules, and all that was issued on its tokens.
pub async fn delete(connection: &mut AnyConnection, id: i64) -> Result<(), MetadataError> {
    sqlx::query("DELETE FROM trusted_issuers WHERE id = $1").bind(id).execute(connection).await?;
    Ok(())
}
