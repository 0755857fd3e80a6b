-- Since when the bytes of a manifest are known not to be those of its digest; NULL if they are sound.
ALTER TABLE manifests ADD COLUMN damaged_at INTEGER;

CREATE INDEX manifests_damaged ON manifests (id) WHERE damaged_at IS NOT NULL;
