-- For the list of repositories with the newest push first.
CREATE INDEX repositories_by_time ON repositories (updated_at, name);
