-- What was stored at the hours of the past; of long ago, at the first hour of each day.
CREATE TABLE storage_samples (
    -- Beginning of the hour.
    at            INTEGER PRIMARY KEY,
    -- Bytes of all blobs.
    size          INTEGER NOT NULL,
    blobs         INTEGER NOT NULL,
    manifests     INTEGER NOT NULL,
    tags          INTEGER NOT NULL,
    repositories  INTEGER NOT NULL
);

-- What the next sample counts on from, so that it need not read all blobs.
CREATE TABLE storage_totals (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    -- When it was last begun from nothing.
    counted_at  INTEGER NOT NULL,
    -- Up to which id blobs are in the sums below; their removal is taken off.
    settled_id  INTEGER NOT NULL,
    blobs       INTEGER NOT NULL,
    size        INTEGER NOT NULL,
    -- The highest id that was seen, and when: after a while no blob comes up to it any more.
    seen_id     INTEGER NOT NULL,
    seen_at     INTEGER NOT NULL
);
