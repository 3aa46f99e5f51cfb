-- name: remember_colleagues!
-- What is known of colleagues moves forward, or stays; of whoever was erased, nothing covers what stood there.
INSERT INTO colleagues AS known (person_id, epoch, version, name)
SELECT person_id, epoch, version, name FROM jsonb_to_recordset(:states) AS new (
    person_id uuid, epoch integer, version bigint, name text
)
ON CONFLICT (person_id) DO UPDATE SET epoch = excluded.epoch, version = excluded.version, name = excluded.name
WHERE (known.epoch, known.version) < (excluded.epoch, excluded.version);

-- name: names_of
-- What these are called; of whoever was erased, that there was somebody.
SELECT person_id, name FROM colleagues WHERE person_id = ANY(:ids::uuid[]);

-- name: forget_colleagues$
-- Keep of these only that there was somebody, so that nothing older brings them back. How many had a name.
WITH forgotten AS (
    UPDATE colleagues SET name = NULL WHERE person_id = ANY(:ids::uuid[]) AND name IS NOT NULL RETURNING 1
)
SELECT count(*) FROM forgotten;

-- name: forget_versions!
-- Let any version replace what the copy holds, before it is rebuilt from snapshots.
UPDATE colleagues SET epoch = 0, version = 0;

-- name: acts_on
-- What colleagues have done with a campaign, the newest first; of a copy, which campaign it was made from, and what that
-- is called while there is it.
SELECT a.at, a.person_id, a.action, f.id AS from_id, f.name AS from_name
FROM audit a LEFT JOIN campaigns f ON a.action = 'campaign_copied' AND f.id = (a.after ->> 'from')::uuid
WHERE a.object = :campaign_id AND a.kind = 'campaign' AND a.action = ANY(:actions::text[])
ORDER BY a.number DESC LIMIT :most;
