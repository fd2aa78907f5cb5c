-- What was seen of the sources and tiers, what follows from it, and who looks.

-- Who looks (the lease on the database's clock) and when the last look was complete. Silence is told by its age.
CREATE TABLE health_watch (
  name             text PRIMARY KEY,
  fence            bigint NOT NULL DEFAULT 0,
  lease_owner      text,
  lease_until      timestamptz,
  looked_at        timestamptz,
  round_seconds    double precision,
  interval_seconds double precision,
  subjects         integer NOT NULL DEFAULT 0,
  missing          integer NOT NULL DEFAULT 0,
  isolated         boolean NOT NULL DEFAULT false,
  error            text,
  error_at         timestamptz
);

-- One row a round and subject, with what each probe said. Kept for a day, then by minute, then by hour.
CREATE TABLE health_sample (
  subject          text NOT NULL,
  at               timestamptz NOT NULL,
  maintained       boolean NOT NULL DEFAULT false,
  answers          jsonb NOT NULL,
  PRIMARY KEY (subject, at)
);
CREATE INDEX health_sample_by_time ON health_sample (at);

CREATE TABLE health_summary (
  resolution       text NOT NULL CHECK (resolution IN ('minute', 'hour')),
  bucket           timestamptz NOT NULL,
  subject          text NOT NULL,
  probe            text NOT NULL,
  answered         integer NOT NULL,
  missed           integer NOT NULL,
  corrupt          integer NOT NULL,
  unknown          integer NOT NULL,
  latency_sum      double precision NOT NULL,
  latency_max      double precision NOT NULL,
  PRIMARY KEY (resolution, subject, probe, bucket)
);
CREATE INDEX health_summary_by_time ON health_summary (resolution, bucket);

-- Where a counter that may only stand still stood when it was last judged to be well.
CREATE TABLE health_baseline (
  subject          text NOT NULL,
  probe            text NOT NULL,
  value            double precision NOT NULL,
  since            timestamptz NOT NULL,
  PRIMARY KEY (subject, probe)
);

CREATE TABLE incident (
  id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind              text NOT NULL CHECK (kind IN ('DATABASE_CORRUPTION', 'DATABASE_OUTAGE', 'MASSIVE_VCLUSTER_FAILURE',
                      'PARTIAL_VCLUSTER_FAILURE', 'STORAGE_FAILURE', 'NETWORK_PARTITION', 'UNKNOWN')),
  -- Sorted, so that the same set is the same value.
  sources           text[] NOT NULL,
  tiers             text[] NOT NULL DEFAULT '{}',
  state             text NOT NULL DEFAULT 'suspected' CHECK (state IN ('suspected', 'confirmed', 'resolved')),
  first_evidence_at timestamptz NOT NULL,
  suspected_at      timestamptz NOT NULL,
  confirmed_at      timestamptz,
  resolved_at       timestamptz,
  resolution        text,
  evidence          jsonb NOT NULL,
  acknowledged_by   text,
  acknowledged_at   timestamptz,
  note              text
);
CREATE UNIQUE INDEX incident_one_open ON incident (kind, sources, tiers) WHERE state <> 'resolved';
CREATE INDEX incident_by_state ON incident (state, id DESC);

CREATE TABLE incident_event (
  id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  incident         bigint NOT NULL REFERENCES incident (id) ON DELETE CASCADE,
  at               timestamptz NOT NULL,
  what             text NOT NULL CHECK (what IN ('suspected', 'confirmed', 'changed', 'healthy', 'superseded', 'acknowledged', 'closed')),
  actor            text NOT NULL,
  text             text
);
CREATE INDEX incident_event_by_incident ON incident_event (incident, id);

-- Times in which a source may be away without an incident. It is probed all the same.
CREATE TABLE maintenance_window (
  id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- Null: everything.
  source           text,
  starts_at        timestamptz NOT NULL,
  ends_at          timestamptz NOT NULL,
  reason           text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
  created_by       text NOT NULL,
  created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
  ended_by         text,
  ended_at         timestamptz,
  CHECK (ends_at > starts_at)
);
CREATE INDEX maintenance_window_by_end ON maintenance_window (ends_at DESC);
