-- When people were last told that a broken glass waits for its review.
ALTER TABLE approval_gate ADD COLUMN review_told_at timestamptz;
