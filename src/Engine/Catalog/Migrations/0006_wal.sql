-- Continuous WAL: who receives it for each source, how far each tier is, and what is lost.

CREATE TABLE wal_receiver (
  source            text PRIMARY KEY,
  -- The lease on the database's clock. Every write of the holder says "WHERE fence = mine".
  fence             bigint NOT NULL DEFAULT 0,
  lease_owner       text,
  lease_until       timestamptz,
  -- Text: a system identifier may be larger than a bigint.
  system_identifier text,
  timeline          bigint,
  server_lsn        pg_lsn,
  confirmed_lsn     pg_lsn,
  measured_at       timestamptz,
  state             text NOT NULL DEFAULT 'starting' CHECK (state IN ('starting', 'streaming', 'failed', 'stopped')),
  state_since       timestamptz NOT NULL DEFAULT clock_timestamp(),
  message           text,
  notices           jsonb NOT NULL DEFAULT '[]'
);

-- What each tier holds; the objects in the tiers are the truth.
CREATE TABLE wal_tier (
  source            text NOT NULL,
  tier              text NOT NULL,
  state             text NOT NULL CHECK (state IN ('down', 'catching_up', 'streaming')),
  system_identifier text,
  timeline          bigint,
  durable_lsn       pg_lsn,
  durable_at        timestamptz,
  lag_bytes         bigint,
  lag_seconds       double precision,
  read_back_lsn     pg_lsn,
  read_back_at      timestamptz,
  message           text,
  seen_at           timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (source, tier)
);

-- WAL that is stored nowhere and cannot be had any more. A base backup that begins behind it closes it.
CREATE TABLE wal_gap (
  id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  source            text NOT NULL,
  system_identifier text NOT NULL,
  timeline          bigint NOT NULL,
  from_lsn          pg_lsn NOT NULL,
  to_lsn            pg_lsn NOT NULL,
  reason            text NOT NULL,
  found_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- When a base backup was asked for; a gap without is asked for again.
  requested_at      timestamptz,
  closed_at         timestamptz,
  closed_by         text,
  UNIQUE (source, system_identifier, timeline, from_lsn)
);
CREATE INDEX wal_gap_open ON wal_gap (source) WHERE closed_at IS NULL;
