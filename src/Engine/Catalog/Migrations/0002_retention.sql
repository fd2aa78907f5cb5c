-- Retention, holds, and the work on tiers.

-- Set when the last tier gave the point up. The row stays for a while: its validations are the measured restore times.
ALTER TABLE restore_point ADD COLUMN expired_at timestamptz;
CREATE INDEX restore_point_living ON restore_point (source, created_at DESC) WHERE expired_at IS NULL;

-- A person's word that a point must stay. The attestation of the same id in each tier that holds the point is what prune
-- obeys; this row is what pages show and what places the attestations where a tier was away.
CREATE TABLE hold (
  id            uuid PRIMARY KEY,
  restore_point text COLLATE "C" NOT NULL REFERENCES restore_point (id) ON DELETE CASCADE,
  reason        text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
  placed_by     text NOT NULL,
  placed_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  until         timestamptz,
  released_by   text,
  released_at   timestamptz,
  release_id    uuid,
  release_reason text
);
CREATE INDEX hold_by_point ON hold (restore_point);

ALTER TABLE run DROP CONSTRAINT run_kind_check;
ALTER TABLE run ADD CONSTRAINT run_kind_check CHECK (kind IN ('backup', 'validation', 'restore', 'retention', 'verification', 'repair'));
-- Work on a tier names it as its source; two of a kind in one tier would only compete for its store.
CREATE UNIQUE INDEX run_one_of_a_tier_at_a_time ON run (kind, source)
  WHERE kind IN ('retention', 'verification', 'repair') AND state IN ('queued', 'running');

-- What each kind of look at a tier's stored bytes found last, by workspace.
CREATE TABLE tier_check (
  tier          text NOT NULL,
  workspace     text NOT NULL,
  level         text NOT NULL CHECK (level IN ('L1', 'L2', 'L3')),
  checked_at    timestamptz NOT NULL,
  objects       bigint NOT NULL,
  bytes         bigint NOT NULL,
  damaged       jsonb NOT NULL DEFAULT '[]',
  detail        text,
  PRIMARY KEY (tier, workspace, level)
);

-- One row a day and tier: growth is the difference.
CREATE TABLE tier_usage (
  tier          text NOT NULL,
  day           date NOT NULL,
  bytes         bigint NOT NULL,
  objects       bigint NOT NULL,
  looked_at     timestamptz NOT NULL,
  PRIMARY KEY (tier, day)
);
