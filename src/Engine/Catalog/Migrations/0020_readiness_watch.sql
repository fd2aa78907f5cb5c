-- Who looks at the readiness of plans: one process at a time, on the database's clock.
CREATE TABLE readiness_watch (
  name          text PRIMARY KEY,
  fence         bigint NOT NULL DEFAULT 0,
  lease_owner   text,
  lease_until   timestamptz
);
