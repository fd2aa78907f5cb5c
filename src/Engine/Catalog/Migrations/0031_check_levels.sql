-- A quick check and a deep one of a tier read different things at different times: one that is open takes no place from the other.
DROP INDEX run_one_of_a_tier_at_a_time;
CREATE UNIQUE INDEX run_one_of_a_tier_at_a_time ON run (kind, source, (CASE WHEN kind = 'verification' THEN coalesce(request->>'level', '') ELSE '' END))
  WHERE kind IN ('retention', 'verification', 'repair') AND state IN ('queued', 'running');

-- Every tier in which keys of the workspace were ever seen. One that is away now has them still.
ALTER TABLE workspace_key ADD COLUMN seen_in jsonb NOT NULL DEFAULT '[]';
UPDATE workspace_key SET seen_in = tiers WHERE shredded_at IS NULL;
