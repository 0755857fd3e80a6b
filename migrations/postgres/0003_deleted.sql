-- What was deleted and can still be restored. Manifests and blob links have their own deleted_at.

-- A repository that is deleted keeps its row while anything of it can be restored.
ALTER TABLE repositories ADD COLUMN deleted_at BIGINT;

CREATE INDEX repositories_deleted ON repositories (name) WHERE deleted_at IS NOT NULL;

CREATE TABLE deleted_tags (
    repository_id  BIGINT NOT NULL REFERENCES repositories (id),
    deleted_at     BIGINT NOT NULL,
    name           TEXT COLLATE "C" NOT NULL,
    -- What it named.
    digest         TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (repository_id, deleted_at, name)
);

CREATE INDEX deleted_tags_by_time ON deleted_tags (deleted_at);

CREATE INDEX manifests_deleted ON manifests (repository_id, deleted_at, digest)
    WHERE deleted_at IS NOT NULL;
CREATE INDEX manifests_deleted_by_time ON manifests (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX repository_blobs_deleted ON repository_blobs (deleted_at)
    WHERE deleted_at IS NOT NULL;
