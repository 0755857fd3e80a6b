-- What lists go by, so that no page of any of them reads past what it does not show.

-- Neither hidden nor deleted repositories stand between those of the catalog.
CREATE INDEX repositories_listed ON repositories (name)
    WHERE list_enabled = 1 AND deleted_at IS NULL;
-- The same for manifests by digest; those by time have manifests_by_time.
CREATE INDEX manifests_listed ON manifests (repository_id, digest)
    WHERE list_enabled = 1 AND deleted_at IS NULL;
-- The tags of one manifest by time; those by name have tags_by_manifest.
CREATE INDEX tags_by_manifest_and_time ON tags (manifest_id, updated_at, name);
-- Referrers of one type among those of all, and whether a signature is among them.
CREATE INDEX manifests_by_subject_and_type
    ON manifests (repository_id, subject_digest, artifact_type, digest)
    WHERE subject_digest IS NOT NULL AND deleted_at IS NULL;
-- One digest in many repositories, in the order of a search.
DROP INDEX manifests_by_digest;
CREATE INDEX manifests_by_digest ON manifests (digest, id);
-- Users are not looked for among all service principals.
CREATE INDEX identities_by_kind ON identities (kind, name);
