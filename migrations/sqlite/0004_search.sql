-- What manifests are found by, beside their repository.

CREATE INDEX manifests_by_digest ON manifests (digest);
CREATE INDEX manifests_by_artifact_type ON manifests (artifact_type, id)
    WHERE artifact_type IS NOT NULL;

-- Long values are no names of anything, and are left out.
CREATE TABLE manifest_annotations (
    manifest_id  INTEGER NOT NULL REFERENCES manifests (id) ON DELETE CASCADE,
    name         TEXT NOT NULL,
    value        TEXT NOT NULL,
    PRIMARY KEY (manifest_id, name)
) WITHOUT ROWID;

CREATE INDEX manifest_annotations_by_value ON manifest_annotations (name, value, manifest_id);

INSERT INTO manifest_annotations (manifest_id, name, value)
SELECT m.id, a.key, a.value FROM manifests m, json_each(m.annotations) a
WHERE m.annotations IS NOT NULL AND length(a.key) + length(a.value) <= 512;
