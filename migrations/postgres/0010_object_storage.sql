-- What the store noted of where the bytes of a session are: in a bucket, the multipart upload, its
-- parts, and the object with the bytes that fill no part yet. Text of the store's own; NULL on disk.
ALTER TABLE uploads ADD COLUMN storage_handle TEXT COLLATE "C";
