-- Who is signed in at the pages. Signing out deletes the row, and with it what every copy of the cookie could do.
CREATE TABLE web_session (
  -- SHA-256 of the id that the cookie carries, which is 256 random bits: no salt is needed.
  digest        bytea PRIMARY KEY,
  person        text NOT NULL REFERENCES app_user (name) ON DELETE CASCADE,
  began_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- However much it is used.
  ends_at       timestamptz NOT NULL
);

CREATE INDEX web_session_person ON web_session (person);
CREATE INDEX web_session_ends ON web_session (ends_at);

-- Passwords that are given anew inside of a session are counted apart: who guesses at the sign-in page locks nobody out of a gate.
ALTER TABLE app_user
  ADD COLUMN confirm_failures integer NOT NULL DEFAULT 0,
  ADD COLUMN confirm_locked_until timestamptz;
