-- What a run is about: the parts of a recovery of several sources, else the one source that the run itself names. A run of several
-- is called by a name that is no source's; whoever asks which runs touch a source, or a point, asks here.
-- Two branches, not a coalesce over a join: so the indexes of both tables serve a search by source as well as one by run.
CREATE VIEW run_source AS
SELECT run_id, source, restore_point FROM recovery_part
UNION ALL
SELECT r.id, r.source, r.restore_point COLLATE "C" FROM run r WHERE NOT EXISTS (SELECT FROM recovery_part p WHERE p.run_id = r.id);
