-- Recovery: plans with their versions, recovery runs with their steps, approval gates with their votes.

-- The kinds are those that the code has handlers for; a list here would only repeat them.
ALTER TABLE run DROP CONSTRAINT run_kind_check;
ALTER TABLE run DROP CONSTRAINT run_state_check;
ALTER TABLE run ADD CONSTRAINT run_state_check
  CHECK (state IN ('queued', 'running', 'waiting', 'completed', 'failed', 'cancelled', 'needs_decision'));
-- Set where a person acted while the run was on its way to waiting: it is queued again at once.
ALTER TABLE run ADD COLUMN wake boolean NOT NULL DEFAULT false;
CREATE UNIQUE INDEX run_one_recovery_at_a_time ON run (source) WHERE kind = 'recovery' AND state IN ('queued', 'running', 'waiting');

-- Versions are never changed: a run and an approval name the one that they mean.
CREATE TABLE plan_version (
  plan          text NOT NULL,
  version       integer NOT NULL,
  -- Text, not jsonb: the hash is over these very bytes.
  body          text NOT NULL,
  hash          text NOT NULL,
  author        text NOT NULL,
  note          text NOT NULL DEFAULT '',
  created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (plan, version)
);

CREATE TABLE recovery (
  run_id        bigint PRIMARY KEY REFERENCES run (id) ON DELETE CASCADE,
  plan          text NOT NULL,
  plan_version  integer NOT NULL,
  plan_hash     text NOT NULL,
  source        text NOT NULL,
  disaster      text NOT NULL,
  incident      bigint,
  is_drill      boolean NOT NULL,
  -- Null while it is under way.
  outcome       text CHECK (outcome IN ('completed', 'rolled_back', 'rollback_failed', 'failed_no_rollback', 'verification_failed', 'error', 'cancelled')),
  -- What a person must do before it goes on; null while it goes on by itself.
  waits_for     text CHECK (waits_for IN ('approval', 'resume', 'decision')),
  waits_why     text,
  pause_by      text,
  pause_reason  text,
  -- What a person decided about a step, until the run has acted on it.
  decision      jsonb,
  -- How a cancel ends: 'keep' what was done, or 'roll_back'.
  on_cancel     text CHECK (on_cancel IN ('keep', 'roll_back'))
);
CREATE INDEX recovery_by_plan ON recovery (plan, source, run_id DESC);

CREATE TABLE recovery_step (
  run_id        bigint NOT NULL REFERENCES recovery (run_id) ON DELETE CASCADE,
  position      integer NOT NULL,
  name          text NOT NULL,
  action        text NOT NULL,
  state         text NOT NULL DEFAULT 'pending'
                CHECK (state IN ('pending', 'running', 'acted', 'done', 'failed', 'verification_failed', 'skipped', 'rolling_back', 'rolled_back', 'rollback_failed')),
  attempt       integer NOT NULL DEFAULT 0,
  -- The state before the step, which its way back needs.
  snapshot      jsonb,
  effect        jsonb,
  verification  text,
  error         text,
  -- Why a person skipped it, or marked it done.
  reason        text,
  started_at    timestamptz,
  acted_at      timestamptz,
  ended_at      timestamptz,
  rollback_started_at timestamptz,
  rollback_ended_at   timestamptz,
  PRIMARY KEY (run_id, position)
);

CREATE TABLE approval_gate (
  id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  run_id        bigint NOT NULL REFERENCES recovery (run_id) ON DELETE CASCADE,
  -- Null: the whole plan, before its first step.
  step          integer,
  -- Of exactly what will run: any change gives another hash, and the approval is void.
  subject_hash  text NOT NULL,
  risk          text NOT NULL,
  needed        integer NOT NULL CHECK (needed >= 1),
  requester     text NOT NULL,
  state         text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'granted', 'used', 'declined', 'expired', 'void')),
  opened_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  approve_until timestamptz NOT NULL,
  -- How long after the last approval the run may begin.
  execute_within interval NOT NULL,
  granted_at    timestamptz,
  closed_at     timestamptz,
  closed_why    text,
  escalated_at  timestamptz,
  is_break_glass boolean NOT NULL DEFAULT false,
  reviewed_by   text,
  reviewed_at   timestamptz,
  review        text
);
CREATE UNIQUE INDEX approval_gate_one_at_a_time ON approval_gate (run_id, coalesce(step, 0)) WHERE state IN ('open', 'granted');

CREATE TABLE approval_vote (
  gate          bigint NOT NULL REFERENCES approval_gate (id) ON DELETE CASCADE,
  person        text NOT NULL,
  vote          text NOT NULL CHECK (vote IN ('approve', 'decline')),
  reason        text NOT NULL,
  incident      text NOT NULL DEFAULT '',
  at            timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (gate, person)
);
