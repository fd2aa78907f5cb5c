-- A gate stands before every run that writes over what lives, not only before recoveries.
ALTER TABLE approval_gate DROP CONSTRAINT approval_gate_run_id_fkey;
ALTER TABLE approval_gate ADD CONSTRAINT approval_gate_run_id_fkey FOREIGN KEY (run_id) REFERENCES run (id) ON DELETE CASCADE;
-- 0: the configuration asks for nobody's approval; the gate is used as it opens, so that it is seen.
ALTER TABLE approval_gate DROP CONSTRAINT approval_gate_needed_check;
ALTER TABLE approval_gate ADD CONSTRAINT approval_gate_needed_check CHECK (needed >= 0);
