//! Copies of manifests in other repositories. Their blobs are linked, not copied.

use sqlx::AnyConnection;

use super::MetadataError;
use super::rows::parsed;
use crate::oci::Digest;

/// The children of an index, and the manifests that refer to a manifest, as far as they are in its
/// repository.
pub async fn related(
    connection: &mut AnyConnection,
    manifest_id: i64,
) -> Result<Vec<Digest>, MetadataError> {
    let rows = sqlx::query(
        "SELECT c.digest FROM manifest_references x
         JOIN manifests c ON c.repository_id = x.repository_id AND c.digest = x.digest
         WHERE x.manifest_id = $1 AND x.role = 'manifest' AND c.deleted_at IS NULL
         UNION
         SELECT r.digest FROM manifests m
         JOIN manifests r ON r.repository_id = m.repository_id AND r.subject_digest = m.digest
         WHERE m.id = $1 AND r.deleted_at IS NULL",
    )
    .bind(manifest_id)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| parsed(row, "digest")).collect()
}

/// Makes the blobs of a manifest, which is held, visible in another repository. While it is held its
/// blobs are linked to its own, so that none of them is garbage.
pub async fn link_blobs(
    connection: &mut AnyConnection,
    manifest_id: i64,
    repository_id: i64,
    now: i64,
) -> Result<(), MetadataError> {
    sqlx::query(
        "INSERT INTO repository_blobs (repository_id, blob_id, linked_at)
         SELECT DISTINCT CAST($2 AS BIGINT), blob_id, CAST($3 AS BIGINT) FROM manifest_references
         WHERE manifest_id = $1 AND blob_id IS NOT NULL
         ON CONFLICT (repository_id, blob_id) DO UPDATE SET deleted_at = NULL",
    )
    .bind(manifest_id)
    .bind(repository_id)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// Stores a manifest in another repository, which does not have it but has its blobs, and gives the
/// id of the copy.
pub async fn insert(
    connection: &mut AnyConnection,
    manifest_id: i64,
    repository_id: i64,
    now: i64,
) -> Result<i64, MetadataError> {
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO manifests
           (repository_id, digest, media_type, artifact_type, config_media_type, subject_digest,
            size, content_size, architecture, os, annotations, created_at, updated_at, content)
         SELECT CAST($2 AS BIGINT), digest, media_type, artifact_type, config_media_type,
                subject_digest, size, content_size, architecture, os, annotations,
                CAST($3 AS BIGINT), CAST($3 AS BIGINT), content
         FROM manifests WHERE id = $1
         RETURNING id",
    )
    .bind(manifest_id)
    .bind(repository_id)
    .bind(now)
    .fetch_one(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT INTO manifest_references
           (manifest_id, position, role, repository_id, digest, media_type, size, blob_id)
         SELECT CAST($2 AS BIGINT), position, role, CAST($3 AS BIGINT), digest, media_type, size,
                blob_id
         FROM manifest_references WHERE manifest_id = $1",
    )
    .bind(manifest_id)
    .bind(id)
    .bind(repository_id)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT INTO manifest_annotations (manifest_id, name, value)
         SELECT CAST($2 AS BIGINT), name, value FROM manifest_annotations WHERE manifest_id = $1",
    )
    .bind(manifest_id)
    .bind(id)
    .execute(connection)
    .await?;
    Ok(id)
}
