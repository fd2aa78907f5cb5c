-- When each tier's WAL was last looked through for holes, and what was found: [{"timeline", "from", "to"}], empty where there is none.
ALTER TABLE wal_tier ADD COLUMN looked_at timestamptz;
ALTER TABLE wal_tier ADD COLUMN holes jsonb NOT NULL DEFAULT '[]';
