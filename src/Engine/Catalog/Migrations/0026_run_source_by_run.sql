-- Everybody asks about runs that are known, mostly the open ones: of each the parts are looked up, not the parts of every run that ever was.
CREATE OR REPLACE VIEW run_source AS
SELECT r.id AS run_id, s.source, s.restore_point FROM run r CROSS JOIN LATERAL (
  SELECT p.source, p.restore_point FROM recovery_part p WHERE p.run_id = r.id
  UNION ALL
  SELECT r.source, r.restore_point COLLATE "C" WHERE NOT EXISTS (SELECT FROM recovery_part p WHERE p.run_id = r.id)) s;
-- What waits for a person is open too.
DROP INDEX run_open;
CREATE INDEX run_open ON run (state) WHERE state IN ('queued', 'running', 'waiting', 'needs_decision');
