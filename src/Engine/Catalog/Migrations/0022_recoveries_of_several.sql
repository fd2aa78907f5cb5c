-- Recoveries of several sources in one run: the parts of a recovery set, or several virtual clusters.

-- The source that a step is about; null where it is about all of them, or where the recovery has one source only.
ALTER TABLE recovery_step ADD COLUMN part text;

CREATE TABLE recovery_part (
  run_id        bigint NOT NULL REFERENCES recovery (run_id) ON DELETE CASCADE,
  source        text NOT NULL,
  -- Kept while the run is open.
  restore_point text COLLATE "C" NOT NULL,
  PRIMARY KEY (run_id, source)
);
CREATE INDEX recovery_part_by_source ON recovery_part (source);
CREATE INDEX recovery_part_by_point ON recovery_part (restore_point);
