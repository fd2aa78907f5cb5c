-- Which step a recovery asks a person about. Told by the states of the steps, it could be another that a crash had left half done.
ALTER TABLE recovery ADD COLUMN waits_step integer;
UPDATE recovery c SET waits_step = (
  SELECT s.position FROM recovery_step s WHERE s.run_id = c.run_id AND s.state IN ('failed', 'verification_failed', 'running')
  ORDER BY s.state = 'running', s.position LIMIT 1) WHERE waits_for = 'decision';
