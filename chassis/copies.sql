-- name: people_copied
-- The next people that this service has heard of, in the order of their ids.
SELECT person_id AS id, version, roles, barred FROM standings
WHERE :after::uuid IS NULL OR person_id > :after::uuid ORDER BY person_id LIMIT :most;

-- name: tokens_copied
-- The next tokens that this service has heard of, in the order of their ids.
SELECT token_id AS id, version, person_id, digest, role, writes, expires_at, revoked FROM tokens
WHERE :after::uuid IS NULL OR token_id > :after::uuid ORDER BY token_id LIMIT :most;

-- name: drop_people!
-- Forget people whom nobody has ever admitted.
DELETE FROM standings WHERE person_id = ANY(:ids::uuid[]);

-- name: drop_tokens!
-- Forget tokens that nobody has ever issued.
DELETE FROM tokens WHERE token_id = ANY(:ids::uuid[]);
