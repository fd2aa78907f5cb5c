-- Promises that are not kept now, so that people hear once when that begins and once when it ends.
CREATE TABLE promise_broken (
  -- rpo: more of a source would be lost than its class allows; rotation: a workspace's keys are older than its classes allow.
  promise       text NOT NULL CHECK (promise IN ('rpo', 'rotation')),
  -- The source or the workspace.
  subject       text NOT NULL,
  since         timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (promise, subject)
);
