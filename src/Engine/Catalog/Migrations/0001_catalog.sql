-- The console's catalog. Owned by the owner role; the application role may not change its shape.
-- Everything here but runs, users and audit can be rebuilt from the repositories in the tiers.

CREATE TABLE source (
  name          text PRIMARY KEY,
  kind          text NOT NULL CHECK (kind IN ('postgres', 'redis', 'vcluster', 'volume')),
  class         text NOT NULL,
  workspace     text NOT NULL,
  definition    jsonb NOT NULL,
  declared_at   timestamptz NOT NULL DEFAULT now(),
  -- Set when the configuration no longer names the source. Its restore points stay.
  withdrawn_at  timestamptz
);

CREATE TABLE restore_point (
  id            text COLLATE "C" PRIMARY KEY CHECK (id ~ '^[0-9a-f]{32}$'),
  source        text NOT NULL,
  kind          text NOT NULL,
  class         text NOT NULL,
  workspace     text NOT NULL,
  -- When the content was true (the snapshot), and when the manifest was stored.
  created_at    timestamptz NOT NULL,
  completed_at  timestamptz NOT NULL,
  bytes         bigint NOT NULL,
  stored_bytes  bigint NOT NULL,
  artifacts     jsonb NOT NULL,
  facts         jsonb,
  properties    jsonb NOT NULL DEFAULT '{}',
  run_id        bigint
);
CREATE INDEX restore_point_by_source ON restore_point (source, created_at DESC);

-- Which tier holds a point, and when its bytes were last read back there.
CREATE TABLE restore_point_tier (
  restore_point text COLLATE "C" NOT NULL REFERENCES restore_point (id) ON DELETE CASCADE,
  tier          text NOT NULL,
  state         text NOT NULL CHECK (state IN ('stored', 'verified', 'damaged', 'behind')),
  stored_at     timestamptz NOT NULL,
  verified_at   timestamptz,
  detail        text,
  PRIMARY KEY (restore_point, tier)
);

-- One row per validation that ended; the attestation in the repository is the truth.
CREATE TABLE validation (
  id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  restore_point   text COLLATE "C" NOT NULL REFERENCES restore_point (id) ON DELETE CASCADE,
  run_id          bigint,
  attestation     text UNIQUE,
  tier            text NOT NULL,
  passed          boolean NOT NULL,
  -- Neither passed nor failed: a step could not be proven on this machine.
  not_provable    boolean GENERATED ALWAYS AS (NOT passed AND NOT steps @> '[{"status": "failed"}]') STORED,
  steps           jsonb NOT NULL,
  comparison      jsonb,
  restore_seconds double precision,
  isolation       jsonb,
  validated_at    timestamptz NOT NULL
);
CREATE INDEX validation_by_point ON validation (restore_point, validated_at DESC);

CREATE TABLE run (
  id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind          text NOT NULL CHECK (kind IN ('backup', 'validation', 'restore')),
  source        text NOT NULL,
  restore_point text,
  request       jsonb NOT NULL,
  request_hash  text NOT NULL,
  state         text NOT NULL DEFAULT 'queued'
                CHECK (state IN ('queued', 'running', 'completed', 'failed', 'cancelled', 'needs_decision')),
  -- Every write by a holder of the lease says "WHERE fence = mine": a frozen process that wakes up is refused.
  fence         bigint NOT NULL DEFAULT 0,
  lease_owner   text,
  lease_until   timestamptz,
  attempt       integer NOT NULL DEFAULT 0,
  cancel_by     text,
  cancel_at     timestamptz,
  requested_by  text NOT NULL,
  parent        bigint REFERENCES run (id),
  created_at    timestamptz NOT NULL DEFAULT now(),
  started_at    timestamptz,
  ended_at      timestamptz,
  progress      jsonb,
  result        jsonb,
  error         jsonb,
  event_seq     bigint NOT NULL DEFAULT 0,
  -- When it was last given to the job queue; the reconciler waits a while before it does so again.
  handed_over_at timestamptz
);
CREATE INDEX run_open ON run (state) WHERE state IN ('queued', 'running');
CREATE INDEX run_by_source ON run (source, id DESC);
CREATE INDEX run_completed_backups ON run (source, id DESC) WHERE kind = 'backup' AND state = 'completed';
-- A second backup of a source waits for the first; two would only compete for the same server.
CREATE UNIQUE INDEX run_one_backup_at_a_time ON run (source) WHERE kind = 'backup' AND state IN ('queued', 'running');

CREATE TABLE run_step (
  run_id        bigint NOT NULL REFERENCES run (id) ON DELETE CASCADE,
  name          text NOT NULL,
  position      integer NOT NULL,
  state         text NOT NULL CHECK (state IN ('intended', 'done', 'failed')),
  attempt       integer NOT NULL DEFAULT 1,
  intent        jsonb,
  intent_at     timestamptz NOT NULL DEFAULT now(),
  result        jsonb,
  ended_at      timestamptz,
  PRIMARY KEY (run_id, name)
);

CREATE TABLE run_event (
  run_id        bigint NOT NULL REFERENCES run (id) ON DELETE CASCADE,
  seq           bigint NOT NULL,
  at            timestamptz NOT NULL DEFAULT clock_timestamp(),
  level         text NOT NULL CHECK (level IN ('information', 'warning', 'error')),
  phase         text NOT NULL,
  text          text NOT NULL,
  PRIMARY KEY (run_id, seq)
);

CREATE TABLE app_user (
  name            text PRIMARY KEY CHECK (name ~ '^[a-z0-9][a-z0-9._@-]{0,63}$'),
  password_hash   text NOT NULL,
  role            text NOT NULL CHECK (role IN ('Viewer', 'Operator', 'Approver', 'Admin')),
  failed_attempts integer NOT NULL DEFAULT 0,
  locked_until    timestamptz,
  disabled        boolean NOT NULL DEFAULT false,
  created_by      text NOT NULL,
  created_at      timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE audit_event (
  seq           bigint PRIMARY KEY,
  at            timestamptz NOT NULL,
  actor         text NOT NULL,
  action        text NOT NULL,
  subject       text NOT NULL,
  -- Text, not jsonb: the hash is over these very bytes.
  details       text NOT NULL,
  previous_hash bytea NOT NULL,
  hash          bytea NOT NULL
);

-- Nobody rewrites history by accident: the application role lacks the right, this stops the owner too.
CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'audit events are append-only';
END $$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_event
  FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
