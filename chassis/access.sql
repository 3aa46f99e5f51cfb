-- name: standings
-- How everybody stands who was ever admitted.
SELECT person_id, epoch, version, roles, barred FROM standings;

-- name: lock_standing^
-- How one person stands, held until the end of what they do.
SELECT epoch, version, roles, barred FROM standings WHERE person_id = :person_id FOR NO KEY UPDATE;

-- name: token_revoked$
-- Whether a token is good for nothing any more.
SELECT revoked FROM tokens WHERE token_id = :token_id;

-- name: remember_standings!
-- Versions move forward, or stay. One that comes again as a snapshot mends what was damaged: so nothing need be
-- forgotten before the copy is rebuilt, and nobody who was signed out comes in meanwhile.
INSERT INTO standings AS known (person_id, epoch, version, roles, barred)
SELECT person_id, epoch, version, roles, barred FROM jsonb_to_recordset(:states) AS new (
    person_id uuid, epoch integer, version bigint, roles text[], barred boolean
)
ON CONFLICT (person_id) DO UPDATE SET
    epoch = excluded.epoch, version = excluded.version, roles = excluded.roles, barred = excluded.barred
WHERE (known.epoch, known.version) <= (excluded.epoch, excluded.version);

-- name: tokens_in_use
-- The tokens that may be good for something.
SELECT token_id, person_id, digest, role, writes, expires_at FROM tokens WHERE NOT revoked AND expires_at > :now;

-- name: remember_tokens!
-- The same for the tokens of programs.
INSERT INTO tokens AS known (token_id, epoch, version, person_id, digest, role, writes, expires_at, revoked)
SELECT token_id, epoch, version, person_id, digest, role, writes, expires_at, revoked
FROM jsonb_to_recordset(:states) AS new (
    token_id uuid, epoch integer, version bigint, person_id uuid, digest text, role text, writes boolean,
    expires_at timestamptz, revoked boolean
)
ON CONFLICT (token_id) DO UPDATE SET
    epoch = excluded.epoch, version = excluded.version, person_id = excluded.person_id, digest = excluded.digest,
    role = excluded.role, writes = excluded.writes, expires_at = excluded.expires_at, revoked = excluded.revoked
WHERE (known.epoch, known.version) <= (excluded.epoch, excluded.version);
