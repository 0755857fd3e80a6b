-- How far work is that runs in the background, for whoever looks, at whatever server.

CREATE TABLE gc_rounds (
    id           TEXT COLLATE "C" PRIMARY KEY,
    started_at   BIGINT NOT NULL,
    -- Renewed while it runs: a round whose server died says no more.
    updated_at   BIGINT NOT NULL,
    finished_at  BIGINT,
    has_failed   BIGINT NOT NULL DEFAULT 0,
    -- What it has looked at, and what there was to look at at least.
    reviewed     BIGINT NOT NULL,
    due          BIGINT NOT NULL,
    -- What it has removed.
    manifests    BIGINT NOT NULL,
    links        BIGINT NOT NULL,
    blobs        BIGINT NOT NULL,
    bytes        BIGINT NOT NULL
);

CREATE INDEX gc_rounds_by_time ON gc_rounds (started_at);

-- What there was to read when a scrub began.
ALTER TABLE scrubs ADD COLUMN total_blobs BIGINT;
ALTER TABLE scrubs ADD COLUMN total_manifests BIGINT;
ALTER TABLE scrubs ADD COLUMN total_bytes BIGINT;

-- Bytes of a session with those that its request has received so far, and with all that it will.
ALTER TABLE uploads ADD COLUMN arrived BIGINT;
ALTER TABLE uploads ADD COLUMN expected BIGINT;
