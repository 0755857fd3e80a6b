-- What was stored at the hours of the past; of long ago, at the first hour of each day.
CREATE TABLE storage_samples (
    -- Beginning of the hour.
    at            BIGINT PRIMARY KEY,
    -- Bytes of all blobs.
    size          BIGINT NOT NULL,
    blobs         BIGINT NOT NULL,
    manifests     BIGINT NOT NULL,
    tags          BIGINT NOT NULL,
    repositories  BIGINT NOT NULL
);

-- What the next sample counts on from, so that it need not read all blobs.
CREATE TABLE storage_totals (
    id          BIGINT PRIMARY KEY CHECK (id = 1),
    -- When it was last begun from nothing.
    counted_at  BIGINT NOT NULL,
    -- Up to which id blobs are in the sums below; their removal is taken off.
    settled_id  BIGINT NOT NULL,
    blobs       BIGINT NOT NULL,
    size        BIGINT NOT NULL,
    -- The highest id that was seen, and when: after a while no blob comes up to it any more.
    seen_id     BIGINT NOT NULL,
    seen_at     BIGINT NOT NULL
);
