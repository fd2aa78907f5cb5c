-- A check of a part says which part, and how much of the whole was read back over all checks that the tier remembers.
ALTER TABLE tier_check
  ADD COLUMN slice         text,
  ADD COLUMN objects_there bigint,
  ADD COLUMN objects_read  bigint,
  ADD COLUMN oldest_read   timestamptz;
