use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _};

use super::attributes::flag;
use super::locking::RowLock;
use super::rows::{LIST_CHUNK, parsed, parsed_or_null, placeholders, size, size_to_sql};
use super::{Attributes, MetadataError};
use crate::oci::{
    Descriptor, Digest, Manifest, MediaType, Reference, ReferenceRole, RepositoryName, Tag,
};

/// A manifest as it is pulled: the exact bytes that were pushed, and what to call them.
#[derive(Clone, Debug)]
pub struct StoredManifest {
    pub id: i64,
    pub repository_id: i64,
    pub digest: Digest,
    pub media_type: MediaType,
    pub content: Bytes,
}

impl StoredManifest {
    fn from_row(row: &AnyRow) -> Result<Self, MetadataError> {
        Ok(Self {
            id: row.try_get("id")?,
            repository_id: row.try_get("repository_id")?,
            digest: parsed(row, "digest")?,
            media_type: parsed(row, "media_type")?,
            content: row.try_get::<Vec<u8>, _>("content")?.into(),
        })
    }
}

/// A manifest, and which of what leads to it may be read.
#[derive(Clone, Debug)]
pub struct FoundManifest {
    pub manifest: StoredManifest,
    pub repository_is_readable: bool,
    /// True if it was found by its digest.
    pub tag_is_readable: bool,
    pub manifest_is_readable: bool,
    /// Whether its bytes are known not to be what they should: nobody may get them.
    pub is_damaged: bool,
}

impl FoundManifest {
    fn from_row(row: &AnyRow) -> Result<Self, MetadataError> {
        Ok(Self {
            manifest: StoredManifest::from_row(row)?,
            repository_is_readable: flag(row, "repository_read")?,
            tag_is_readable: flag(row, "tag_read")?,
            manifest_is_readable: flag(row, "manifest_read")?,
            is_damaged: row.try_get::<Option<i64>, _>("damaged_at")?.is_some(),
        })
    }
}

/// The manifest that a client asks for.
pub async fn find(
    connection: &mut AnyConnection,
    repository: &RepositoryName,
    reference: &Reference,
) -> Result<Option<FoundManifest>, MetadataError> {
    match reference {
        Reference::Digest(digest) => find_by_digest(connection, repository, digest).await,
        Reference::Tag(tag) => find_by_tag(connection, repository, tag).await,
    }
}

pub async fn find_by_digest(
    connection: &mut AnyConnection,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Option<FoundManifest>, MetadataError> {
    let row = sqlx::query(
        "SELECT m.id, m.repository_id, m.digest, m.media_type, r.read_enabled AS repository_read,
                m.read_enabled AS tag_read, m.read_enabled AS manifest_read, m.content,
                m.damaged_at
         FROM repositories r
         JOIN manifests m ON m.repository_id = r.id AND m.deleted_at IS NULL
         WHERE r.name = $1 AND m.digest = $2",
    )
    .bind(repository.as_str())
    .bind(digest.as_str())
    .fetch_optional(connection)
    .await?;
    let found = row.as_ref().map(FoundManifest::from_row).transpose()?;
    Ok(found.map(|found| FoundManifest { tag_is_readable: true, ..found }))
}

pub async fn find_by_tag(
    connection: &mut AnyConnection,
    repository: &RepositoryName,
    tag: &Tag,
) -> Result<Option<FoundManifest>, MetadataError> {
    let row = sqlx::query(
        "SELECT m.id, m.repository_id, m.digest, m.media_type, r.read_enabled AS repository_read,
                t.read_enabled AS tag_read, m.read_enabled AS manifest_read, m.content,
                m.damaged_at
         FROM repositories r
         JOIN tags t ON t.repository_id = r.id
         JOIN manifests m ON m.id = t.manifest_id
         WHERE r.name = $1 AND t.name = $2",
    )
    .bind(repository.as_str())
    .bind(tag.as_str())
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(FoundManifest::from_row).transpose()
}

/// A manifest as decisions refer to it.
#[derive(Clone, Debug)]
pub struct ManifestKey {
    pub id: i64,
    pub attributes: Attributes,
    pub deleted_at: Option<i64>,
    pub subject: Option<Digest>,
    /// Whether its bytes are known not to be what they should.
    pub is_damaged: bool,
}

impl ManifestKey {
    pub fn is_deleted(&self) -> bool {
        self.deleted_at.is_some()
    }
}

/// Looks up a manifest whether it is deleted or not, and holds it.
pub async fn hold(
    connection: &mut AnyConnection,
    repository_id: i64,
    digest: &Digest,
) -> Result<Option<ManifestKey>, MetadataError> {
    let sql = format!(
        "SELECT id, deleted_at, subject_digest, damaged_at,
                delete_enabled, write_enabled, read_enabled, list_enabled
         FROM manifests WHERE repository_id = $1 AND digest = $2{}",
        RowLock::Alone.clause(connection)
    );
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(repository_id)
        .bind(digest.as_str())
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(ManifestKey {
        id: row.try_get("id")?,
        attributes: Attributes::from_row(&row)?,
        deleted_at: row.try_get("deleted_at")?,
        subject: parsed_or_null(&row, "subject_digest")?,
        is_damaged: row.try_get::<Option<i64>, _>("damaged_at")?.is_some(),
    }))
}

/// Those of `digests` that are manifests of the repository and not damaged.
pub async fn existing(
    connection: &mut AnyConnection,
    repository_id: i64,
    digests: &[&Digest],
) -> Result<HashSet<Digest>, MetadataError> {
    let mut found = HashSet::new();
    for chunk in digests.chunks(LIST_CHUNK) {
        let sql = format!(
            "SELECT digest FROM manifests
             WHERE repository_id = $1 AND deleted_at IS NULL AND damaged_at IS NULL
               AND digest IN ({})",
            placeholders(2, chunk.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(sql)).bind(repository_id);
        for digest in chunk {
            query = query.bind(digest.as_str());
        }
        for row in query.fetch_all(&mut *connection).await? {
            found.insert(parsed(&row, "digest")?);
        }
    }
    Ok(found)
}

/// What a manifest to be stored consists of.
pub struct NewManifest<'a> {
    pub repository_id: i64,
    pub digest: &'a Digest,
    pub manifest: &'a Manifest,
    pub content: &'a [u8],
    pub architecture: Option<&'a str>,
    pub os: Option<&'a str>,
}

/// Stores a manifest that is not there yet, and gives its id. Its references are stored apart.
pub async fn insert(
    connection: &mut AnyConnection,
    new: &NewManifest<'_>,
    now: i64,
) -> Result<i64, MetadataError> {
    let manifest = new.manifest;
    let annotations = (!manifest.annotations.is_empty())
        .then(|| serde_json::to_string(&manifest.annotations).expect("a map of texts serializes"));
    let id = sqlx::query_scalar(
        "INSERT INTO manifests
           (repository_id, digest, media_type, artifact_type, config_media_type, subject_digest,
            size, content_size, architecture, os, annotations, created_at, updated_at, content)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12, $13)
         RETURNING id",
    )
    .bind(new.repository_id)
    .bind(new.digest.as_str())
    .bind(manifest.media_type.as_str())
    .bind(manifest.artifact_type.as_deref())
    .bind(manifest.config.as_ref().map(|config| config.media_type.as_str()))
    .bind(manifest.subject.as_ref().map(|subject| subject.digest.as_str()))
    .bind(size_to_sql(new.content.len() as u64))
    .bind(size_to_sql(manifest.content_size()))
    .bind(new.architecture)
    .bind(new.os)
    .bind(annotations)
    .bind(now)
    .bind(new.content)
    .fetch_one(connection)
    .await?;
    Ok(id)
}

/// One entry of what a manifest is made of; `blob_id` is there if it must stay linked.
pub struct NewReference<'a> {
    pub role: ReferenceRole,
    pub descriptor: &'a Descriptor,
    pub blob_id: Option<i64>,
}

/// Stores what a manifest is made of, in order.
pub async fn insert_references(
    connection: &mut AnyConnection,
    manifest_id: i64,
    repository_id: i64,
    references: &[NewReference<'_>],
) -> Result<(), MetadataError> {
    const COLUMNS: usize = 8;
    for (chunk_index, chunk) in references.chunks(LIST_CHUNK).enumerate() {
        let rows: Vec<_> = (0..chunk.len())
            .map(|row| format!("({})", placeholders(row * COLUMNS + 1, COLUMNS)))
            .collect();
        let sql = format!(
            "INSERT INTO manifest_references
               (manifest_id, position, role, repository_id, digest, media_type, size, blob_id)
             VALUES {}",
            rows.join(", ")
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for (index, reference) in chunk.iter().enumerate() {
            let position = chunk_index * LIST_CHUNK + index;
            query = query
                .bind(manifest_id)
                .bind(size_to_sql(position as u64))
                .bind(reference.role.as_str())
                .bind(repository_id)
                .bind(reference.descriptor.digest.as_str())
                .bind(reference.descriptor.media_type.as_str())
                .bind(size_to_sql(reference.descriptor.size))
                .bind(reference.blob_id);
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Notes a push of a manifest that is there already, and brings it back if it was deleted.
pub async fn revive(
    connection: &mut AnyConnection,
    id: i64,
    now: i64,
) -> Result<(), MetadataError> {
    sqlx::query("UPDATE manifests SET updated_at = $2, deleted_at = NULL WHERE id = $1")
        .bind(id)
        .bind(now)
        .execute(connection)
        .await?;
    Ok(())
}

/// Makes a manifest invisible.
pub async fn delete(
    connection: &mut AnyConnection,
    id: i64,
    now: i64,
) -> Result<(), MetadataError> {
    sqlx::query("UPDATE manifests SET deleted_at = $2 WHERE id = $1")
        .bind(id)
        .bind(now)
        .execute(connection)
        .await?;
    Ok(())
}

/// The digest of an index of the repository that lists this manifest, if there is one.
pub async fn parent(
    connection: &mut AnyConnection,
    repository_id: i64,
    digest: &Digest,
) -> Result<Option<Digest>, MetadataError> {
    let row = sqlx::query(
        "SELECT m.digest FROM manifest_references x
         JOIN manifests m ON m.id = x.manifest_id AND m.deleted_at IS NULL
         WHERE x.repository_id = $1 AND x.digest = $2 AND x.role = 'manifest' LIMIT 1",
    )
    .bind(repository_id)
    .bind(digest.as_str())
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(|row| parsed(row, "digest")).transpose()
}

/// Children of an index that the repository does not have.
pub async fn missing_children(
    connection: &mut AnyConnection,
    manifest_id: i64,
) -> Result<Vec<Digest>, MetadataError> {
    let rows = sqlx::query(
        "SELECT x.digest FROM manifest_references x
         WHERE x.manifest_id = $1 AND x.role = 'manifest' AND NOT EXISTS (
             SELECT 1 FROM manifests m
             WHERE m.repository_id = x.repository_id AND m.digest = x.digest
               AND m.deleted_at IS NULL)
         ORDER BY x.position",
    )
    .bind(manifest_id)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| parsed(row, "digest")).collect()
}

/// Manifests whose subject is `subject`, as descriptors in the order of their digests, at most
/// `limit`, from the first after `last`; only those of `artifact_type` if it is given.
pub async fn referrers(
    connection: &mut AnyConnection,
    repository: &RepositoryName,
    subject: &Digest,
    artifact_type: Option<&str>,
    last: Option<&str>,
    limit: i64,
) -> Result<Vec<Descriptor>, MetadataError> {
    // Each of the two has an index of its own. The repository is looked up apart: joined, PostgreSQL
    // would sort all referrers, as it does not know that there is one repository of that name.
    let of_type = if artifact_type.is_some() { "AND m.artifact_type = $5" } else { "" };
    let sql = format!(
        "SELECT m.digest, m.media_type, m.artifact_type, m.size, m.annotations FROM manifests m
         WHERE m.repository_id = (SELECT id FROM repositories WHERE name = $1)
           AND m.deleted_at IS NULL AND m.subject_digest = $2 AND m.digest > $3
           AND m.list_enabled = 1 {of_type}
         ORDER BY m.digest LIMIT $4"
    );
    let mut query = sqlx::query(AssertSqlSafe(sql))
        .bind(repository.as_str())
        .bind(subject.as_str())
        .bind(last.unwrap_or_default())
        .bind(limit);
    if let Some(artifact_type) = artifact_type {
        query = query.bind(artifact_type);
    }
    query.fetch_all(connection).await?.iter().map(referrer).collect()
}

fn referrer(row: &AnyRow) -> Result<Descriptor, MetadataError> {
    let annotations =
        match row.try_get::<Option<String>, _>("annotations")? {
            None => None,
            Some(text) => Some(serde_json::from_str::<BTreeMap<_, _>>(&text).map_err(|_| {
                MetadataError::Damaged { column: "annotations", value: text.clone() }
            })?),
        };
    Ok(Descriptor {
        media_type: parsed(row, "media_type")?,
        digest: parsed(row, "digest")?,
        size: size(row, "size")?,
        artifact_type: row.try_get("artifact_type")?,
        annotations,
        platform: None,
    })
}
