-- The replication slots that receivers have made on servers and that nobody has dropped yet: for each of them a server keeps WAL, if need
-- be until its disk is full. A source has several where its slot was renamed, or its server exchanged.
CREATE TABLE wal_slot (
  source text NOT NULL,
  -- Host and port.
  server text NOT NULL,
  slot   text NOT NULL,
  PRIMARY KEY (source, server, slot)
);
