-- Recovery sets: restore points of all sources of a workspace, taken together, with the measured time between them.

CREATE TABLE recovery_set (
  run_id        bigint PRIMARY KEY REFERENCES run (id),
  workspace     text NOT NULL,
  -- From the oldest to the newest part's content; null where fewer than two parts were captured.
  skew_seconds  double precision,
  -- How long the application was held still; null where no hook is configured.
  held_seconds  double precision,
  -- False where the hold ran out, or its end failed, before every part was captured.
  held_to_end   boolean,
  is_complete   boolean NOT NULL,
  taken_at      timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX recovery_set_of_workspace ON recovery_set (workspace, run_id DESC);

CREATE TABLE recovery_set_part (
  run_id        bigint NOT NULL REFERENCES recovery_set (run_id),
  source        text NOT NULL,
  backup_run    bigint REFERENCES run (id),
  restore_point text,
  -- The instant that the part's content is of; null where nothing was captured.
  snapshot_at   timestamptz,
  fault         text,
  PRIMARY KEY (run_id, source)
);

-- A set waits in a worker for its parts, which need workers themselves: one at a time.
CREATE UNIQUE INDEX run_one_set_at_a_time ON run ((kind)) WHERE kind = 'recovery-set' AND state IN ('queued', 'running', 'waiting');
