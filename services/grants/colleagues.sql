-- name: remember_colleagues!
-- What is known of colleagues moves forward, or stays; of whoever was erased, nothing covers what stood there.
INSERT INTO colleagues AS known (person_id, epoch, version, sealed, email_digest)
SELECT person_id, epoch, version, decode(sealed, 'hex'), decode(email_digest, 'hex')
FROM jsonb_to_recordset(:states) AS new (
    person_id uuid, epoch integer, version bigint, sealed text, email_digest text
)
ON CONFLICT (person_id) DO UPDATE SET
    epoch = excluded.epoch, version = excluded.version, sealed = excluded.sealed, email_digest = excluded.email_digest
WHERE (known.epoch, known.version) < (excluded.epoch, excluded.version);

-- name: colleagues
-- These, as far as anything is kept of them.
SELECT person_id, sealed FROM colleagues WHERE person_id = ANY(:ids::uuid[]) AND sealed IS NOT NULL;

-- name: colleagues_with
-- Those who have a role and are not barred.
SELECT c.person_id, c.sealed FROM colleagues AS c JOIN standings AS s ON s.person_id = c.person_id
WHERE :role::text = ANY(s.roles) AND NOT s.barred AND c.sealed IS NOT NULL;

-- name: forget_colleagues$
-- Keep of these only that there was somebody, so that nothing older brings them back. How many had a name.
WITH forgotten AS (
    UPDATE colleagues SET sealed = NULL, email_digest = NULL
    WHERE person_id = ANY(:ids::uuid[]) AND sealed IS NOT NULL RETURNING 1
)
SELECT count(*) FROM forgotten;

-- name: forget_versions!
-- Let any version replace what the copy holds, before it is rebuilt from snapshots.
UPDATE colleagues SET epoch = 0, version = 0;
