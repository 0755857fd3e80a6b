-- How often content was pulled, and when last. Each server counts in memory and adds to these rows now
-- and then. They are apart from what they count, so that pushes never wait for the counting.

CREATE TABLE repository_pulls (
    repository_id   BIGINT PRIMARY KEY REFERENCES repositories (id) ON DELETE CASCADE,
    pulls           BIGINT NOT NULL,
    last_pulled_at  BIGINT NOT NULL
);

-- By a name, whatever it named. A row outlives its tag for as long as the tag can be restored.
CREATE TABLE tag_pulls (
    repository_id   BIGINT NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    name            TEXT COLLATE "C" NOT NULL,
    pulls           BIGINT NOT NULL,
    last_pulled_at  BIGINT NOT NULL,
    PRIMARY KEY (repository_id, name)
);

-- By whatever reference. No foreign key: adding a row would hold the manifest's.
CREATE TABLE manifest_pulls (
    manifest_id     BIGINT PRIMARY KEY,
    pulls           BIGINT NOT NULL,
    last_pulled_at  BIGINT NOT NULL
);

-- For the list of repositories with the last pull first.
CREATE INDEX repository_pulls_by_time ON repository_pulls (last_pulled_at);
