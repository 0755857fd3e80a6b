//! What a person wants to see at a glance of many repositories or tags: a page of them with sizes,
//! platforms and what they share.

use std::collections::HashMap;

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row as _};

use super::name_range::{Span, spans};
use super::repositories::Repository;
use super::rows::{like, like_itself, parsed, placeholders, size, size_or_null, size_to_sql};
use super::{MetadataError, NameRange, Order, Place};
use crate::oci::{Digest, RepositoryName, Tag};

const COLUMNS: &str = "\
    id, name, created_at, updated_at, manifest_count, tag_count,
    delete_enabled, write_enabled, read_enabled, list_enabled";

const LISTED: &str = "list_enabled = 1 AND deleted_at IS NULL";

/// What repositories are ordered by where it is not their name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Change,
    /// Only repositories that were pulled.
    Pull,
}

impl By {
    fn time(self) -> &'static str {
        match self {
            Self::Change => "updated_at",
            Self::Pull => "last_pulled_at",
        }
    }

    fn tables(self) -> &'static str {
        match self {
            Self::Change => "repositories",
            Self::Pull => "repository_pulls JOIN repositories ON id = repository_id",
        }
    }
}

/// Repositories that a list may show within any of `ranges`, at most `limit`, from the first after
/// `place`; only those whose name holds `part`.
pub async fn repositories(
    connection: &mut AnyConnection,
    ranges: &[NameRange],
    part: &str,
    (order, by): (Order, By),
    place: Option<Place>,
    limit: i64,
) -> Result<Vec<Repository>, MetadataError> {
    // Names have no capital letters; databases differ in whether LIKE minds them.
    let part = like(&part.to_ascii_lowercase());
    if order.is_by_time() {
        repositories_by_time(connection, ranges, &part, (order, by), place, limit).await
    } else {
        let last = place.map(|place| place.name);
        repositories_by_name(connection, ranges, &part, last.as_deref(), limit).await
    }
}

async fn repositories_by_name(
    connection: &mut AnyConnection,
    ranges: &[NameRange],
    part: &str,
    last: Option<&str>,
    limit: i64,
) -> Result<Vec<Repository>, MetadataError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM repositories
         WHERE {LISTED} AND name >= $1 AND name < $2 AND name LIKE $3 ESCAPE '!'
         ORDER BY name LIMIT $4"
    );
    let mut found = Vec::new();
    for Span { from, to } in spans(ranges, last) {
        let wanted = limit - size_to_sql(found.len() as u64);
        if wanted <= 0 {
            break;
        }
        let query = sqlx::query(AssertSqlSafe(sql.as_str())).bind(from).bind(to);
        let rows = query.bind(part).bind(wanted).fetch_all(&mut *connection).await?;
        for row in &rows {
            found.push(Repository::from_row(row)?);
        }
    }
    Ok(found)
}

async fn repositories_by_time(
    connection: &mut AnyConnection,
    ranges: &[NameRange],
    part: &str,
    (order, by): (Order, By),
    place: Option<Place>,
    limit: i64,
) -> Result<Vec<Repository>, MetadataError> {
    let spans = spans(ranges, None);
    if spans.is_empty() {
        return Ok(Vec::new());
    }
    let place = place.unwrap_or_else(|| order.beginning());
    // $2 and $4 are the place's, as the order has them.
    let visible: Vec<_> = (0..spans.len())
        .map(|n| format!("(name >= ${} AND name < ${})", 5 + 2 * n, 6 + 2 * n))
        .collect();
    let sql = format!(
        "SELECT {COLUMNS} FROM {}
         WHERE {LISTED} AND name LIKE $1 ESCAPE '!' AND {} AND ({}) ORDER BY {} LIMIT $3",
        by.tables(),
        order.after("name", by.time()),
        visible.join(" OR "),
        order.by("name", by.time()),
    );
    let query = sqlx::query(AssertSqlSafe(sql)).bind(part).bind(place.name).bind(limit);
    let mut query = query.bind(place.changed_at);
    for Span { from, to } in spans {
        query = query.bind(from).bind(to);
    }
    let rows = query.fetch_all(connection).await?;
    rows.iter().map(Repository::from_row).collect()
}

/// The first repository after the name `last` within any of `ranges` that lies deeper than
/// `namespace`, which is empty or ends in a slash.
pub async fn first_below(
    connection: &mut AnyConnection,
    ranges: &[NameRange],
    namespace: &str,
    last: &str,
) -> Result<Option<RepositoryName>, MetadataError> {
    let pattern = format!("{}%/%", like_itself(namespace));
    for Span { from, to } in spans(ranges, Some(last)) {
        let row = sqlx::query(
            "SELECT name FROM repositories
             WHERE name >= $1 AND name < $2 AND name LIKE $3 ESCAPE '!'
               AND list_enabled = 1 AND deleted_at IS NULL
             ORDER BY name LIMIT 1",
        )
        .bind(from)
        .bind(to)
        .bind(&pattern)
        .fetch_optional(&mut *connection)
        .await?;
        if let Some(row) = row {
            return Ok(Some(parsed(&row, "name")?));
        }
    }
    Ok(None)
}

/// The bytes of all blobs of each of the repositories `ids`; those without any are left out.
pub async fn sizes(
    connection: &mut AnyConnection,
    ids: &[i64],
) -> Result<HashMap<i64, u64>, MetadataError> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let sql = format!(
        "SELECT l.repository_id, CAST(SUM(b.size) AS BIGINT) AS size
         FROM repository_blobs l JOIN blobs b ON b.id = l.blob_id
         WHERE l.repository_id IN ({}) AND l.deleted_at IS NULL GROUP BY l.repository_id",
        placeholders(1, ids.len())
    );
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for id in ids {
        query = query.bind(id);
    }
    let rows = query.fetch_all(connection).await?;
    rows.iter().map(|row| Ok((row.try_get("repository_id")?, size(row, "size")?))).collect()
}

/// What a list of tags tells of the manifest that a tag names.
#[derive(Clone, Debug, Default)]
pub struct ManifestGlance {
    pub id: i64,
    pub media_type: String,
    pub artifact_type: Option<String>,
    pub config_media_type: Option<String>,
    /// Bytes of all that it and its children are made of.
    pub content_size: u64,
    /// `os/architecture`, of itself or of its children.
    pub platforms: Vec<String>,
}

/// The manifests `digests` of a repository at a glance.
pub async fn glances(
    connection: &mut AnyConnection,
    repository_id: i64,
    digests: &[&Digest],
) -> Result<HashMap<Digest, ManifestGlance>, MetadataError> {
    if digests.is_empty() {
        return Ok(HashMap::new());
    }
    let digests_list = placeholders(2, digests.len());
    let own = format!(
        "SELECT id, digest AS parent, media_type, artifact_type, config_media_type, content_size,
                os, architecture
         FROM manifests WHERE repository_id = $1 AND digest IN ({digests_list})"
    );
    let children = format!(
        "SELECT m.digest AS parent, c.content_size, c.os, c.architecture
         FROM manifests m
         JOIN manifest_references x ON x.manifest_id = m.id AND x.role = 'manifest'
         JOIN manifests c ON c.repository_id = x.repository_id AND c.digest = x.digest
                         AND c.deleted_at IS NULL
         WHERE m.repository_id = $1 AND m.digest IN ({digests_list}) ORDER BY x.position"
    );
    let mut found: HashMap<Digest, ManifestGlance> = HashMap::new();
    for (sql, is_child) in [(own, false), (children, true)] {
        let mut query = sqlx::query(AssertSqlSafe(sql)).bind(repository_id);
        for digest in digests {
            query = query.bind(digest.as_str());
        }
        for row in query.fetch_all(&mut *connection).await? {
            let glance = found.entry(parsed(&row, "parent")?).or_default();
            glance.content_size += size(&row, "content_size")?;
            glance.platforms.extend(platform(&row)?);
            if !is_child {
                glance.id = row.try_get("id")?;
                glance.media_type = row.try_get("media_type")?;
                glance.artifact_type = row.try_get("artifact_type")?;
                glance.config_media_type = row.try_get("config_media_type")?;
            }
        }
    }
    Ok(found)
}

fn platform(row: &AnyRow) -> Result<Option<String>, MetadataError> {
    let os: Option<String> = row.try_get("os")?;
    let architecture: Option<String> = row.try_get("architecture")?;
    // Builders mark what is no image, such as attestations, as of an unknown platform or of none.
    Ok(match (os.as_deref(), architecture) {
        (Some("unknown" | ""), _) => None,
        (Some(os), Some(architecture)) => Some(format!("{os}/{architecture}")),
        _ => None,
    })
}

/// Some tags of other manifests that have a blob of this one, or whose children have it.
pub async fn tags_sharing(
    connection: &mut AnyConnection,
    manifest_id: i64,
    blob: &Digest,
    limit: i64,
) -> Result<Vec<Tag>, MetadataError> {
    let direct = "\
        SELECT t.name FROM manifest_references own
        JOIN manifest_references x ON x.repository_id = own.repository_id
                                  AND x.blob_id = own.blob_id AND x.manifest_id <> own.manifest_id
        JOIN tags t ON t.manifest_id = x.manifest_id AND t.list_enabled = 1
        WHERE own.manifest_id = $1 AND own.digest = $2 LIMIT $3";
    let by_index = "\
        SELECT t.name FROM manifest_references own
        JOIN manifest_references x ON x.repository_id = own.repository_id
                                  AND x.blob_id = own.blob_id AND x.manifest_id <> own.manifest_id
        JOIN manifests m ON m.id = x.manifest_id
        JOIN manifest_references p ON p.repository_id = m.repository_id AND p.digest = m.digest
                                  AND p.role = 'manifest'
        JOIN tags t ON t.manifest_id = p.manifest_id AND t.list_enabled = 1
        WHERE own.manifest_id = $1 AND own.digest = $2 LIMIT $3";
    let mut found = Vec::new();
    for sql in [direct, by_index] {
        let rows = sqlx::query(sql)
            .bind(manifest_id)
            .bind(blob.as_str())
            .bind(limit)
            .fetch_all(&mut *connection)
            .await?;
        for row in &rows {
            let tag = parsed(row, "name")?;
            if !found.contains(&tag) {
                found.push(tag);
            }
        }
        if !found.is_empty() {
            break;
        }
    }
    Ok(found)
}

/// When the content of a repository last changed; none if it is not there.
pub async fn changed_at(
    connection: &mut AnyConnection,
    name: &RepositoryName,
) -> Result<Option<i64>, MetadataError> {
    let sql = "SELECT updated_at FROM repositories WHERE name = $1 AND deleted_at IS NULL";
    Ok(sqlx::query_scalar(sql).bind(name.as_str()).fetch_optional(connection).await?)
}

/// When the content of any repository last changed.
pub async fn any_changed_at(connection: &mut AnyConnection) -> Result<Option<i64>, MetadataError> {
    let sql = "SELECT MAX(updated_at) AS at FROM repositories";
    Ok(sqlx::query(sql).fetch_one(connection).await?.try_get("at")?)
}

/// Space of a repository beside others, in bytes.
#[derive(Clone, Debug)]
pub struct RepositorySpace {
    pub name: RepositoryName,
    pub blobs: u64,
    pub size: u64,
    /// Of the blobs that no other repository has.
    pub exclusive_size: u64,
}

/// The `limit` repositories that take the most space.
pub async fn largest(
    connection: &mut AnyConnection,
    limit: i64,
) -> Result<Vec<RepositorySpace>, MetadataError> {
    let rows = sqlx::query(
        "SELECT r.name, s.blobs, s.size, s.exclusive_size FROM (
             SELECT l.repository_id, COUNT(*) AS blobs, CAST(SUM(b.size) AS BIGINT) AS size,
                    CAST(SUM(CASE WHEN n.links = 1 THEN b.size ELSE 0 END) AS BIGINT)
                        AS exclusive_size
             FROM repository_blobs l
             JOIN blobs b ON b.id = l.blob_id
             JOIN (SELECT blob_id, COUNT(*) AS links FROM repository_blobs
                   WHERE deleted_at IS NULL GROUP BY blob_id) n ON n.blob_id = l.blob_id
             WHERE l.deleted_at IS NULL GROUP BY l.repository_id
         ) s JOIN repositories r ON r.id = s.repository_id
         ORDER BY s.size DESC, r.name LIMIT $1",
    )
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(RepositorySpace {
                name: parsed(row, "name")?,
                blobs: size(row, "blobs")?,
                size: size(row, "size")?,
                exclusive_size: size(row, "exclusive_size")?,
            })
        })
        .collect()
}

/// Space of all blobs, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Space {
    pub blobs: u64,
    pub size: u64,
    /// What it would be if each repository kept blobs of its own.
    pub unshared_size: u64,
    /// Of the blobs that only deleted manifests hold, which can still be restored.
    pub deleted_size: u64,
    /// Of the blobs that nothing shows any more.
    pub unused_size: u64,
}

pub async fn space(connection: &mut AnyConnection) -> Result<Space, MetadataError> {
    let row = sqlx::query(
        "SELECT COUNT(*) AS blobs,
                CAST(COALESCE(SUM(b.size), 0) AS BIGINT) AS size,
                CAST(COALESCE(SUM(b.size * COALESCE(n.living, 0)), 0) AS BIGINT) AS unshared_size,
                CAST(COALESCE(SUM(CASE WHEN n.links > 0 AND n.living = 0 THEN b.size ELSE 0 END), 0)
                    AS BIGINT) AS deleted_size,
                CAST(COALESCE(SUM(CASE WHEN n.links IS NULL THEN b.size ELSE 0 END), 0)
                    AS BIGINT) AS unused_size
         FROM blobs b LEFT JOIN (
             SELECT blob_id, COUNT(*) AS links,
                    SUM(CASE WHEN deleted_at IS NULL THEN 1 ELSE 0 END) AS living
             FROM repository_blobs GROUP BY blob_id
         ) n ON n.blob_id = b.id",
    )
    .fetch_one(connection)
    .await?;
    Ok(Space {
        blobs: size(&row, "blobs")?,
        size: size(&row, "size")?,
        unshared_size: size(&row, "unshared_size")?,
        deleted_size: size(&row, "deleted_size")?,
        unused_size: size(&row, "unused_size")?,
    })
}

/// An upload session as a person looks at it.
#[derive(Clone, Debug)]
pub struct UploadGlance {
    pub id: String,
    pub repository: RepositoryName,
    pub actor: String,
    /// Bytes.
    pub received: u64,
    pub created_at: i64,
    pub expires_at: i64,
    /// Until when the request holds that writes to it.
    pub lease_until: i64,
    /// With what that request has sent so far, and with all that it is to send.
    pub arrived: Option<u64>,
    pub expected: Option<u64>,
}

/// Upload sessions that have not expired, the newest first, at most `limit`.
pub async fn uploads(
    connection: &mut AnyConnection,
    now: i64,
    limit: i64,
) -> Result<Vec<UploadGlance>, MetadataError> {
    let rows = sqlx::query(
        "SELECT id, repository, actor, received, created_at, expires_at, lease_until,
                arrived, expected
         FROM uploads WHERE expires_at > $1 ORDER BY created_at DESC LIMIT $2",
    )
    .bind(now)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(UploadGlance {
                id: row.try_get("id")?,
                repository: parsed(row, "repository")?,
                actor: row.try_get("actor")?,
                received: size(row, "received")?,
                created_at: row.try_get("created_at")?,
                expires_at: row.try_get("expires_at")?,
                lease_until: row.try_get("lease_until")?,
                arrived: size_or_null(row, "arrived")?,
                expected: size_or_null(row, "expected")?,
            })
        })
        .collect()
}

/// Numbers that change with upload sessions: how many there are, how many receive, and the bytes.
pub async fn uploads_mark(
    connection: &mut AnyConnection,
    now: i64,
) -> Result<[i64; 3], MetadataError> {
    let row = sqlx::query(
        "SELECT COUNT(*) AS sessions,
                COUNT(CASE WHEN lease_until > $1 THEN 1 END) AS receiving,
                CAST(COALESCE(SUM(received + COALESCE(arrived, 0)), 0) AS BIGINT) AS bytes
         FROM uploads WHERE expires_at > $1",
    )
    .bind(now)
    .fetch_one(connection)
    .await?;
    Ok([row.try_get("sessions")?, row.try_get("receiving")?, row.try_get("bytes")?])
}
