-- name: standings
-- How everybody stands who was ever admitted.
SELECT person_id, epoch, version, roles, barred FROM standings;

-- name: remember_standings!
-- Versions move forward, or stay.
INSERT INTO standings AS known (person_id, epoch, version, roles, barred)
SELECT person_id, epoch, version, roles, barred FROM jsonb_to_recordset(:states) AS new (
    person_id uuid, epoch integer, version bigint, roles text[], barred boolean
)
ON CONFLICT (person_id) DO UPDATE SET
    epoch = excluded.epoch, version = excluded.version, roles = excluded.roles, barred = excluded.barred
WHERE (known.epoch, known.version) < (excluded.epoch, excluded.version);

-- name: forget_standings!
-- Let any version replace what the copy holds, before it is rebuilt from snapshots.
UPDATE standings SET epoch = 0, version = 0;

-- name: tokens_in_use
-- The tokens that may be good for something.
SELECT token_id, person_id, digest, role, writes, expires_at FROM tokens WHERE NOT revoked AND expires_at > :now;

-- name: remember_tokens!
-- Versions move forward, or stay.
INSERT INTO tokens AS known (token_id, epoch, version, person_id, digest, role, writes, expires_at, revoked)
SELECT token_id, epoch, version, person_id, digest, role, writes, expires_at, revoked
FROM jsonb_to_recordset(:states) AS new (
    token_id uuid, epoch integer, version bigint, person_id uuid, digest text, role text, writes boolean,
    expires_at timestamptz, revoked boolean
)
ON CONFLICT (token_id) DO UPDATE SET epoch = excluded.epoch, version = excluded.version, revoked = excluded.revoked
WHERE (known.epoch, known.version) < (excluded.epoch, excluded.version);

-- name: forget_tokens!
-- Let any version replace what the copy holds, before it is rebuilt from snapshots.
UPDATE tokens SET epoch = 0, version = 0;
