-- A tier that answers again is brought up by a run of its own, without waiting for the next backup.
CREATE UNIQUE INDEX run_one_replication_of_a_tier_at_a_time ON run (source) WHERE kind = 'replication' AND state IN ('queued', 'running');
