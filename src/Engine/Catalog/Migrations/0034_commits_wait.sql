-- Where commits of a server wait for what the receiver confirms: since when. Null while they do not, or nobody makes them wait.
ALTER TABLE wal_receiver ADD COLUMN commits_wait_since timestamptz;

ALTER TABLE promise_broken DROP CONSTRAINT promise_broken_promise_check;
-- commits: those of a source's server wait for its copy.
ALTER TABLE promise_broken ADD CONSTRAINT promise_broken_promise_check CHECK (promise IN ('rpo', 'rotation', 'watcher', 'commits'));
