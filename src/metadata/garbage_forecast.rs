//! What the collector would remove, by what is known now.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use super::MetadataError;
use super::rows::{parsed, parsed_or_null, size};
use crate::oci::{Digest, RepositoryName};

/// Something that waits to be looked at and is garbage by what is known now.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// None for what belongs to no repository.
    pub repository: Option<RepositoryName>,
    pub digest: Digest,
    /// In bytes.
    pub size: u64,
    /// When it is looked at, or, of what was deleted, when that was.
    pub at: i64,
    /// Of a link: when it was made. Of a manifest: when it was pushed.
    pub since: i64,
    /// Of a link: whether other repositories have the blob. Of a manifest: whether it refers to a
    /// subject. Of a blob: whether it is marked.
    pub flag: bool,
}

impl Waiting {
    fn from_row(row: &AnyRow) -> Result<Self, MetadataError> {
        Ok(Self {
            repository: parsed_or_null(row, "repository")?,
            digest: parsed(row, "digest")?,
            size: size(row, "size")?,
            at: row.try_get("at")?,
            since: row.try_get("since")?,
            flag: row.try_get::<i64, _>("flag")? != 0,
        })
    }
}

/// What [`list`] lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Deleted manifests, until they can be restored no more.
    DeletedManifests,
    /// Blobs that were deleted from a repository, until then.
    DeletedLinks,
    /// Manifests that nothing names and that refer to nothing, or to a subject that is gone.
    Manifests,
    /// Blobs in repositories where no manifest needs them.
    Links,
    /// Blobs that no repository has.
    Blobs,
    /// Objects that no blob names.
    Objects,
}

impl Part {
    pub const ALL: [Self; 6] = [
        Self::DeletedManifests,
        Self::DeletedLinks,
        Self::Manifests,
        Self::Links,
        Self::Blobs,
        Self::Objects,
    ];

    /// As what it waits in the queue, if it does.
    fn queued(self) -> Option<&'static str> {
        match self {
            Self::Manifests => Some("manifest"),
            Self::Links => Some("link"),
            Self::Blobs => Some("blob"),
            Self::DeletedManifests | Self::DeletedLinks | Self::Objects => None,
        }
    }

    fn sql(self) -> &'static str {
        match self {
            Self::DeletedManifests => {
                "SELECT r.name AS repository, m.digest, m.size, m.deleted_at AS at,
                        m.updated_at AS since, CAST(0 AS BIGINT) AS flag
                 FROM manifests m JOIN repositories r ON r.id = m.repository_id
                 WHERE m.deleted_at IS NOT NULL ORDER BY m.deleted_at LIMIT $1"
            }
            Self::DeletedLinks => {
                "SELECT r.name AS repository, b.digest, b.size, l.deleted_at AS at,
                        l.linked_at AS since,
                        CAST(CASE WHEN EXISTS (
                            SELECT 1 FROM repository_blobs o WHERE o.blob_id = l.blob_id
                              AND o.repository_id <> l.repository_id) THEN 1 ELSE 0 END AS BIGINT)
                          AS flag
                 FROM repository_blobs l
                 JOIN repositories r ON r.id = l.repository_id JOIN blobs b ON b.id = l.blob_id
                 WHERE l.deleted_at IS NOT NULL ORDER BY l.deleted_at LIMIT $1"
            }
            Self::Manifests => {
                "SELECT r.name AS repository, m.digest, m.size, q.review_at AS at,
                        m.updated_at AS since,
                        CAST(CASE WHEN m.subject_digest IS NULL THEN 0 ELSE 1 END AS BIGINT) AS flag
                 FROM (SELECT target_id, review_at FROM gc_queue WHERE kind = 'manifest'
                       ORDER BY review_at LIMIT $2) q
                 JOIN manifests m ON m.id = q.target_id
                 JOIN repositories r ON r.id = m.repository_id
                 WHERE m.deleted_at IS NULL
                   AND NOT EXISTS (SELECT 1 FROM tags t WHERE t.manifest_id = m.id)
                   AND NOT EXISTS (
                       SELECT 1 FROM manifest_references x
                       WHERE x.repository_id = m.repository_id AND x.digest = m.digest
                         AND x.role = 'manifest')
                   AND NOT EXISTS (
                       SELECT 1 FROM manifests s
                       WHERE s.repository_id = m.repository_id AND s.digest = m.subject_digest)
                 ORDER BY q.review_at LIMIT $1"
            }
            Self::Links => {
                "SELECT r.name AS repository, b.digest, b.size, q.review_at AS at,
                        l.linked_at AS since,
                        CAST(CASE WHEN EXISTS (
                            SELECT 1 FROM repository_blobs o WHERE o.blob_id = l.blob_id
                              AND o.repository_id <> l.repository_id) THEN 1 ELSE 0 END AS BIGINT)
                          AS flag
                 FROM (SELECT repository_id, target_id, review_at FROM gc_queue
                       WHERE kind = 'link' ORDER BY review_at LIMIT $2) q
                 JOIN repository_blobs l
                   ON l.repository_id = q.repository_id AND l.blob_id = q.target_id
                 JOIN repositories r ON r.id = l.repository_id JOIN blobs b ON b.id = l.blob_id
                 WHERE l.deleted_at IS NULL
                   AND NOT EXISTS (
                       SELECT 1 FROM manifest_references x
                       WHERE x.repository_id = l.repository_id AND x.blob_id = l.blob_id)
                 ORDER BY q.review_at LIMIT $1"
            }
            Self::Blobs => {
                "SELECT CAST(NULL AS TEXT) AS repository, b.digest, b.size, q.review_at AS at,
                        b.created_at AS since,
                        CAST(CASE b.state WHEN 'deleting' THEN 1 ELSE 0 END AS BIGINT) AS flag
                 FROM (SELECT target_id, review_at FROM gc_queue WHERE kind = 'blob'
                       ORDER BY review_at LIMIT $2) q
                 JOIN blobs b ON b.id = q.target_id
                 WHERE NOT EXISTS (
                     SELECT 1 FROM repository_blobs l WHERE l.blob_id = b.id)
                 ORDER BY q.review_at LIMIT $1"
            }
            Self::Objects => {
                "SELECT CAST(NULL AS TEXT) AS repository, digest, size, remove_at AS at,
                        CAST(0 AS BIGINT) AS since, CAST(0 AS BIGINT) AS flag
                 FROM gc_objects ORDER BY remove_at LIMIT $1"
            }
        }
    }
}

/// The first `limit` of a part, by their time, among the `considered` next ones that wait to be looked
/// at: most of those need not be garbage.
pub async fn list(
    connection: &mut AnyConnection,
    part: Part,
    limit: i64,
    considered: i64,
) -> Result<Vec<Waiting>, MetadataError> {
    let mut query = sqlx::query(part.sql()).bind(limit);
    if part.queued().is_some() {
        query = query.bind(considered);
    }
    let rows = query.fetch_all(connection).await?;
    rows.iter().map(Waiting::from_row).collect()
}

/// Whether more than `considered` of a part wait to be looked at.
pub async fn has_more(
    connection: &mut AnyConnection,
    part: Part,
    considered: i64,
) -> Result<bool, MetadataError> {
    let Some(kind) = part.queued() else { return Ok(false) };
    let sql = "SELECT target_id FROM gc_queue WHERE kind = $1 ORDER BY review_at LIMIT 1 OFFSET $2";
    let next = sqlx::query(sql).bind(kind).bind(considered).fetch_optional(connection).await?;
    Ok(next.is_some())
}
