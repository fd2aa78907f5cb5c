-- Keys of workspaces: their rotation, and the end of them.

ALTER TABLE run DROP CONSTRAINT run_kind_check;
ALTER TABLE run ADD CONSTRAINT run_kind_check
  CHECK (kind IN ('backup', 'validation', 'restore', 'retention', 'verification', 'repair', 'rotation', 'shredding'));
-- Work on a workspace names it as its source.
CREATE UNIQUE INDEX run_one_of_a_workspace_at_a_time ON run (source)
  WHERE kind IN ('rotation', 'shredding') AND state IN ('queued', 'running');

-- What was last seen of each workspace's keys; the key slots in the tiers are the truth.
CREATE TABLE workspace_key (
  workspace     text PRIMARY KEY,
  epoch         bigint NOT NULL,
  -- When the newest key slots were made.
  rotated_at    timestamptz NOT NULL,
  tiers         jsonb NOT NULL,
  seen_at       timestamptz NOT NULL,
  shredded_at   timestamptz
);
