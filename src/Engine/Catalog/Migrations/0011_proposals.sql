-- What the engine proposes for a confirmed incident: a plan for each source, or the reason why there is none.
CREATE TABLE recovery_proposal (
  incident      bigint NOT NULL,
  source        text NOT NULL,
  plan          text NOT NULL,
  plan_version  integer NOT NULL,
  restore_point text,
  -- Everything committed up to here comes back.
  keeps_until   timestamptz,
  estimate_seconds double precision,
  -- Why the plan cannot be made; null where it can.
  refusal       text,
  proposed_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (incident, source, plan)
);
