-- A step that is begun once more goes on replacing what was written since it began first: its loss is counted to the last time.
ALTER TABLE recovery_step ADD COLUMN attempted_at timestamptz;
UPDATE recovery_step SET attempted_at = started_at;
