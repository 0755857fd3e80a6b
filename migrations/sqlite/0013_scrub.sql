-- What looking through the store found, and how far it came.

-- Since when the bytes are known to be damaged or missing; NULL if they are not.
ALTER TABLE blobs ADD COLUMN damaged_at INTEGER;
-- When the bytes were last pushed; NULL if only once, when the row was made.
ALTER TABLE blobs ADD COLUMN stored_at INTEGER;

CREATE INDEX blobs_damaged ON blobs (id) WHERE damaged_at IS NOT NULL;
CREATE INDEX blobs_by_location ON blobs (location) WHERE location IS NOT NULL;

-- The last look, finished or not; an older one goes when a new one begins.
CREATE TABLE scrubs (
    id           INTEGER PRIMARY KEY,
    -- What it goes through now, and the id or key after which it goes on.
    phase        TEXT NOT NULL CHECK (phase IN ('blobs', 'manifests', 'store')),
    place        TEXT NOT NULL,
    -- What it has read.
    blobs        INTEGER NOT NULL DEFAULT 0,
    manifests    INTEGER NOT NULL DEFAULT 0,
    bytes        INTEGER NOT NULL DEFAULT 0,
    started_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    finished_at  INTEGER,
    -- Who is at it now, and until when that holds.
    lease        TEXT,
    lease_until  INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE scrub_findings (
    scrub_id  INTEGER NOT NULL REFERENCES scrubs (id) ON DELETE CASCADE,
    kind      TEXT NOT NULL,
    -- A digest, a key in the store, or REPOSITORY@DIGEST.
    name      TEXT NOT NULL,
    size      INTEGER NOT NULL,
    -- What became of it.
    outcome   TEXT NOT NULL,
    found_at  INTEGER NOT NULL,
    PRIMARY KEY (scrub_id, kind, name)
) WITHOUT ROWID;
