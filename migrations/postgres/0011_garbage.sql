-- What may have become garbage, and when to look at it. Whatever may make garbage notes it here in its
-- own transaction, so that nobody has to search for it.
CREATE TABLE gc_queue (
    kind           TEXT COLLATE "C" NOT NULL CHECK (kind IN ('link', 'manifest', 'blob')),
    -- 0 for blobs.
    repository_id  BIGINT NOT NULL,
    -- Of a manifest, or of a blob, also if it is the link that may be garbage.
    target_id      BIGINT NOT NULL,
    review_at      BIGINT NOT NULL,
    PRIMARY KEY (kind, repository_id, target_id)
);

CREATE INDEX gc_queue_by_time ON gc_queue (kind, review_at);

-- Objects of a bucket that no blob names, or none will, and when they are to be removed.
CREATE TABLE gc_objects (
    location   TEXT COLLATE "C" PRIMARY KEY,
    digest     TEXT COLLATE "C" NOT NULL,
    size       BIGINT NOT NULL,
    remove_at  BIGINT NOT NULL
);

CREATE INDEX gc_objects_by_time ON gc_objects (remove_at);

-- Since when a blob is in the state 'deleting'.
ALTER TABLE blobs ADD COLUMN marked_at BIGINT;

-- Where the bytes of a session are being put to become a blob: its digest, and in a bucket the key of
-- its object, if the session's storage_handle does not name it.
ALTER TABLE uploads ADD COLUMN placed_digest TEXT COLLATE "C";
ALTER TABLE uploads ADD COLUMN placed_location TEXT COLLATE "C";

-- What became garbage before anybody noted it. Links and manifests get a day.
INSERT INTO gc_queue (kind, repository_id, target_id, review_at)
SELECT 'blob', 0, b.id, 0 FROM blobs b
WHERE NOT EXISTS (SELECT 1 FROM repository_blobs l WHERE l.blob_id = b.id);

INSERT INTO gc_queue (kind, repository_id, target_id, review_at)
SELECT 'link', l.repository_id, l.blob_id, l.linked_at + 86400000000 FROM repository_blobs l
WHERE l.deleted_at IS NULL AND NOT EXISTS (
    SELECT 1 FROM manifest_references x
    WHERE x.repository_id = l.repository_id AND x.blob_id = l.blob_id);

INSERT INTO gc_queue (kind, repository_id, target_id, review_at)
SELECT 'manifest', m.repository_id, m.id, m.updated_at + 86400000000 FROM manifests m
WHERE m.deleted_at IS NULL AND m.subject_digest IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM manifests s
    WHERE s.repository_id = m.repository_id AND s.digest = m.subject_digest);
