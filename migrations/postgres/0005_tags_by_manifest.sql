-- With the name, so that the first tags of a manifest are found without sorting all of them.
DROP INDEX tags_by_manifest;
CREATE INDEX tags_by_manifest ON tags (manifest_id, name);
