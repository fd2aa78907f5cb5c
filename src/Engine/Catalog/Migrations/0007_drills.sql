-- Drills to a moment: recoveries that ran, what they found, and the heartbeats that they are checked by.

CREATE TABLE point_in_time_drill (
  id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  run_id         bigint NOT NULL UNIQUE REFERENCES run (id),
  source         text NOT NULL,
  -- The base backup that it began with; no reference, since a rebuilt catalog may not know it.
  restore_point  text NOT NULL,
  tier           text NOT NULL,
  -- The moment that was asked for.
  moment         timestamptz NOT NULL,
  outcome        text NOT NULL CHECK (outcome IN ('passed', 'failed', 'not_provable')),
  reason         text NOT NULL,
  -- What stood in the copy: the newest heartbeat, the last commit, and the first that was not replayed.
  heartbeat_at   timestamptz,
  last_commit_at timestamptz,
  next_commit_at timestamptz,
  phases         jsonb NOT NULL,
  seconds        double precision,
  drilled_at     timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX point_in_time_drill_of_source ON point_in_time_drill (source, id DESC);

ALTER TABLE run DROP CONSTRAINT run_kind_check;
ALTER TABLE run ADD CONSTRAINT run_kind_check
  CHECK (kind IN ('backup', 'validation', 'restore', 'retention', 'verification', 'repair', 'rotation', 'shredding', 'point-in-time-drill'));
CREATE UNIQUE INDEX run_one_drill_at_a_time ON run (source) WHERE kind = 'point-in-time-drill' AND state IN ('queued', 'running');

-- Whether a source's heartbeat is being written.
CREATE TABLE heartbeat (
  source         text PRIMARY KEY,
  -- Null while it is.
  message        text,
  since          timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Times in which no heartbeat was written for longer than its interval allows, on the source's clock: a copy of such a moment can
-- have none that is newer than the beginning.
CREATE TABLE heartbeat_lapse (
  source         text NOT NULL,
  from_at        timestamptz NOT NULL,
  to_at          timestamptz NOT NULL,
  PRIMARY KEY (source, from_at)
);
