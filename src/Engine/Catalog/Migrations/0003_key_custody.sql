-- An admin's word that a repository key is kept elsewhere too: without it no restore point can be read once this machine is gone.
-- The digest (Argon2id with a salt of its own) tells whether the key is still the one that was meant.
CREATE TABLE key_custody (
  id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  key_file      text NOT NULL,
  key_digest    text NOT NULL,
  kept_at       text NOT NULL CHECK (length(kept_at) BETWEEN 1 AND 200),
  confirmed_by  text NOT NULL,
  confirmed_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX key_custody_by_file ON key_custody (key_file, id DESC);
