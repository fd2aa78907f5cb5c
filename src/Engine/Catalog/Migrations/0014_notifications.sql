-- Notifications: what happened that people must hear of (written with what happened), and its way to each channel.

CREATE TABLE notification (
  id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at            timestamptz NOT NULL DEFAULT clock_timestamp(),
  event         text NOT NULL,
  severity      text NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
  -- What it is about, as pages write it: I-12, R-5.
  subject       text NOT NULL,
  -- What belongs together: a recovery goes with its incident.
  thread        text NOT NULL,
  -- True where it says how something ended: whoever was alerted hears it, whatever its severity.
  closes        boolean NOT NULL DEFAULT false,
  -- The page's path, from the console's root.
  page          text NOT NULL,
  sources       text[] NOT NULL DEFAULT '{}',
  facts         jsonb NOT NULL,
  -- A test goes to this channel alone.
  only_channel  text,
  -- Null until its deliveries are written.
  routed_at     timestamptz
);
CREATE INDEX notification_unrouted ON notification (id) WHERE routed_at IS NULL;
CREATE INDEX notification_by_thread ON notification (thread, id);
CREATE INDEX notification_by_time ON notification (at);

CREATE TABLE notification_delivery (
  id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  notification  bigint NOT NULL REFERENCES notification (id) ON DELETE CASCADE,
  channel       text NOT NULL,
  -- The same in every try, so that a receiver can drop a repeat.
  message_id    uuid NOT NULL DEFAULT gen_random_uuid(),
  -- 'sending': a try was begun. Whoever finds it so after a crash tries again when next_at has come.
  state         text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sending', 'delivered', 'failed')),
  attempt       integer NOT NULL DEFAULT 0,
  next_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
  give_up_at    timestamptz NOT NULL,
  tried_at      timestamptz,
  ended_at      timestamptz,
  -- Why the last try failed; of a delivered one, what its receiver did not take.
  error         text,
  -- Who asked to send it again.
  resent_by     text,
  UNIQUE (notification, channel)
);
CREATE INDEX notification_delivery_due ON notification_delivery (channel, next_at) WHERE state IN ('waiting', 'sending');
CREATE INDEX notification_delivery_by_state ON notification_delivery (state, id DESC);

-- Who sends: one process at a time, on the database's clock.
CREATE TABLE notification_sender (
  name          text PRIMARY KEY,
  fence         bigint NOT NULL DEFAULT 0,
  lease_owner   text,
  lease_until   timestamptz
);

-- Tokens of programs that use the API. Only a digest of each is kept.
CREATE TABLE api_token (
  name          text PRIMARY KEY CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
  -- SHA-256 of the token, which is 256 random bits: no salt is needed.
  digest        bytea NOT NULL UNIQUE,
  role          text NOT NULL CHECK (role IN ('Viewer', 'Operator', 'Approver', 'Admin')),
  created_by    text NOT NULL,
  created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  last_used_at  timestamptz,
  revoked_by    text,
  revoked_at    timestamptz
);
