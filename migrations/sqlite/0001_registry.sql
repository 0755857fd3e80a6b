-- Repositories and what they hold. Times are microseconds since 1970, UTC; flags are 0 or 1.
-- SQLite's types here are INTEGER, TEXT and BLOB only, as the shared driver reads no others.

CREATE TABLE repositories (
    id              INTEGER PRIMARY KEY,
    name            TEXT NOT NULL UNIQUE,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    -- Kept with each change, so that showing a repository counts nothing.
    manifest_count  INTEGER NOT NULL DEFAULT 0,
    tag_count       INTEGER NOT NULL DEFAULT 0,
    delete_enabled  INTEGER NOT NULL DEFAULT 1,
    write_enabled   INTEGER NOT NULL DEFAULT 1,
    read_enabled    INTEGER NOT NULL DEFAULT 1,
    list_enabled    INTEGER NOT NULL DEFAULT 1
);

-- One row a digest, whatever repositories link it.
CREATE TABLE blobs (
    id          INTEGER PRIMARY KEY,
    digest      TEXT NOT NULL UNIQUE,
    size        INTEGER NOT NULL,
    -- Where the bytes are, if not at the place that follows from the digest.
    location    TEXT,
    state       TEXT NOT NULL DEFAULT 'present' CHECK (state IN ('present', 'deleting')),
    created_at  INTEGER NOT NULL
);

-- What makes a blob visible in a repository. A deleted link stays while a deleted manifest, which
-- may yet be restored, refers to it.
CREATE TABLE repository_blobs (
    repository_id  INTEGER NOT NULL REFERENCES repositories (id),
    blob_id        INTEGER NOT NULL REFERENCES blobs (id),
    linked_at      INTEGER NOT NULL,
    deleted_at     INTEGER,
    PRIMARY KEY (repository_id, blob_id)
) WITHOUT ROWID;

CREATE INDEX repository_blobs_by_blob ON repository_blobs (blob_id);

CREATE TABLE manifests (
    id                 INTEGER PRIMARY KEY,
    repository_id      INTEGER NOT NULL REFERENCES repositories (id),
    digest             TEXT NOT NULL,
    media_type         TEXT NOT NULL,
    artifact_type      TEXT,
    config_media_type  TEXT,
    subject_digest     TEXT,
    -- Bytes of the manifest, and of all it is made of.
    size               INTEGER NOT NULL,
    content_size       INTEGER NOT NULL,
    architecture       TEXT,
    os                 TEXT,
    -- A JSON object, for the list of referrers.
    annotations        TEXT,
    created_at         INTEGER NOT NULL,
    updated_at         INTEGER NOT NULL,
    deleted_at         INTEGER,
    delete_enabled     INTEGER NOT NULL DEFAULT 1,
    write_enabled      INTEGER NOT NULL DEFAULT 1,
    read_enabled       INTEGER NOT NULL DEFAULT 1,
    list_enabled       INTEGER NOT NULL DEFAULT 1,
    -- The exact bytes, last, so that the other columns are read without them.
    content            BLOB NOT NULL,
    UNIQUE (repository_id, digest)
);

CREATE INDEX manifests_by_time ON manifests (repository_id, updated_at, digest)
    WHERE deleted_at IS NULL;
CREATE INDEX manifests_by_subject ON manifests (repository_id, subject_digest, digest)
    WHERE subject_digest IS NOT NULL;

-- What a manifest is made of. The second key keeps every blob of a manifest linked: a link cannot
-- go while a manifest needs it.
CREATE TABLE manifest_references (
    manifest_id    INTEGER NOT NULL REFERENCES manifests (id) ON DELETE CASCADE,
    position       INTEGER NOT NULL,
    role           TEXT NOT NULL CHECK (role IN ('config', 'layer', 'manifest')),
    repository_id  INTEGER NOT NULL,
    digest         TEXT NOT NULL,
    media_type     TEXT NOT NULL,
    size           INTEGER NOT NULL,
    -- NULL for manifests, and for layers that may be absent.
    blob_id        INTEGER,
    PRIMARY KEY (manifest_id, position),
    FOREIGN KEY (repository_id, blob_id) REFERENCES repository_blobs (repository_id, blob_id)
) WITHOUT ROWID;

CREATE INDEX manifest_references_by_digest ON manifest_references (repository_id, digest);
CREATE INDEX manifest_references_by_blob ON manifest_references (repository_id, blob_id);

CREATE TABLE tags (
    repository_id   INTEGER NOT NULL REFERENCES repositories (id),
    name            TEXT NOT NULL,
    manifest_id     INTEGER NOT NULL REFERENCES manifests (id),
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    delete_enabled  INTEGER NOT NULL DEFAULT 1,
    write_enabled   INTEGER NOT NULL DEFAULT 1,
    read_enabled    INTEGER NOT NULL DEFAULT 1,
    list_enabled    INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (repository_id, name)
) WITHOUT ROWID;

CREATE INDEX tags_by_manifest ON tags (manifest_id);
CREATE INDEX tags_by_time ON tags (repository_id, updated_at, name);

-- Every move of a tag. No digest: the tag was deleted.
CREATE TABLE tag_history (
    id             INTEGER PRIMARY KEY,
    repository_id  INTEGER NOT NULL REFERENCES repositories (id),
    name           TEXT NOT NULL,
    digest         TEXT,
    actor          TEXT NOT NULL,
    created_at     INTEGER NOT NULL
);

CREATE INDEX tag_history_by_tag ON tag_history (repository_id, name, id);

-- Upload sessions. The repository need not exist before the first blob is complete.
CREATE TABLE uploads (
    id           TEXT PRIMARY KEY,
    repository   TEXT NOT NULL,
    actor        TEXT NOT NULL,
    algorithm    TEXT NOT NULL,
    -- Bytes received, and the state of the hash over them.
    received     INTEGER NOT NULL,
    hash_state   BLOB NOT NULL,
    -- Who is writing to the session now, and until when that holds.
    lease        TEXT,
    lease_until  INTEGER NOT NULL DEFAULT 0,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX uploads_by_expiry ON uploads (expires_at);
