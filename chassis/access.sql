-- name: standings
-- The newest version of everybody who was ever admitted.
SELECT person_id, epoch, version FROM standings;

-- name: remember_standings!
-- Versions move forward, or stay.
INSERT INTO standings AS known (person_id, epoch, version)
SELECT person_id, epoch, version FROM jsonb_to_recordset(:states) AS new (person_id uuid, epoch integer, version bigint)
ON CONFLICT (person_id) DO UPDATE SET epoch = excluded.epoch, version = excluded.version
WHERE (known.epoch, known.version) < (excluded.epoch, excluded.version);

-- name: forget_standings!
-- Let any version replace what the copy holds, before it is rebuilt from snapshots.
UPDATE standings SET epoch = 0, version = 0;
