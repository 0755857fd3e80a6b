-- How far work is that runs in the background, for whoever looks, at whatever server.

CREATE TABLE gc_rounds (
    id           TEXT PRIMARY KEY,
    started_at   INTEGER NOT NULL,
    -- Renewed while it runs: a round whose server died says no more.
    updated_at   INTEGER NOT NULL,
    finished_at  INTEGER,
    has_failed   INTEGER NOT NULL DEFAULT 0,
    -- What it has looked at, and what there was to look at at least.
    reviewed     INTEGER NOT NULL,
    due          INTEGER NOT NULL,
    -- What it has removed.
    manifests    INTEGER NOT NULL,
    links        INTEGER NOT NULL,
    blobs        INTEGER NOT NULL,
    bytes        INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX gc_rounds_by_time ON gc_rounds (started_at);

-- What there was to read when a scrub began.
ALTER TABLE scrubs ADD COLUMN total_blobs INTEGER;
ALTER TABLE scrubs ADD COLUMN total_manifests INTEGER;
ALTER TABLE scrubs ADD COLUMN total_bytes INTEGER;

-- Bytes of a session with those that its request has received so far, and with all that it will.
ALTER TABLE uploads ADD COLUMN arrived INTEGER;
ALTER TABLE uploads ADD COLUMN expected INTEGER;
