-- Drills of plans, and what follows from them: how ready each plan is for each source.

-- Two at once would measure each other.
CREATE UNIQUE INDEX run_one_plan_drill_at_a_time ON run (kind) WHERE kind = 'drill' AND state IN ('queued', 'running', 'waiting');

CREATE TABLE plan_drill (
  run_id        bigint PRIMARY KEY REFERENCES recovery (run_id) ON DELETE CASCADE,
  -- Of how the living source was declared to be recovered: a drill proves nothing about another configuration.
  configuration_hash text NOT NULL,
  -- The scratch folders of its attempts, each written down before it is made.
  places        text[] NOT NULL DEFAULT '{}',
  -- What was looked for when it had ended, and found; null until then. It counts only when nothing was left.
  cleanup       jsonb,
  cleaned_at    timestamptz
);

-- A row for each change; the newest is how a plan stands.
CREATE TABLE plan_readiness (
  id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  plan          text NOT NULL,
  source        text NOT NULL,
  plan_version  integer NOT NULL,
  state         text NOT NULL CHECK (state IN ('verified', 'needs_verification', 'not_verified')),
  reasons       jsonb NOT NULL,
  -- The drill or recovery that it rests on.
  proof         bigint,
  since         timestamptz NOT NULL DEFAULT clock_timestamp(),
  looked_at     timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX plan_readiness_newest ON plan_readiness (plan, source, id DESC);

-- A report names the events of its run.
CREATE INDEX audit_event_by_subject ON audit_event (subject, seq);
