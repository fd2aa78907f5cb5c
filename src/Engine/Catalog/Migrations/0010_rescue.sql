-- Rescues of single tables: what a person decided when the difference was shown. The run waits for it while it keeps the copy.

CREATE TABLE table_rescue_decision (
  run_id     bigint PRIMARY KEY REFERENCES run (id),
  decision   text NOT NULL CHECK (decision IN ('copy_all', 'copy_missing', 'discard')),
  decided_by text NOT NULL,
  decided_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
