-- name: organisations_owned
-- What others keep of the next organisations, in the order of their ids.
SELECT id, version, name, kinds, areas, closed_on, successor_id, handed_over, merged_into FROM organisations
WHERE :after::uuid IS NULL OR id > :after::uuid ORDER BY id LIMIT :most;

-- name: contacts_owned
-- What others keep of the next contacts, in the order of their ids: no name and no address of one who was withdrawn.
SELECT id, version, organisation_id, role, channel, listed_on, withdrawn_on,
       CASE WHEN withdrawn_on IS NULL THEN name END AS name,
       CASE WHEN withdrawn_on IS NULL THEN email END AS email,
       CASE WHEN withdrawn_on IS NULL THEN postal_address END AS postal_address,
       CASE WHEN withdrawn_on IS NULL THEN postcode END AS postcode,
       CASE WHEN withdrawn_on IS NULL THEN source END AS source
FROM contacts WHERE :after::uuid IS NULL OR id > :after::uuid ORDER BY id LIMIT :most;

-- name: people_owned
-- What others keep of the next people, in the order of their ids.
SELECT id, version, roles, barred_at IS NOT NULL AS barred FROM people
WHERE :after::uuid IS NULL OR id > :after::uuid ORDER BY id LIMIT :most;

-- name: colleagues_owned
-- What grants keeps of the next people besides, in the order of their ids: nothing of one who was erased.
SELECT id, version, CASE WHEN erased_at IS NULL THEN name END AS name, CASE WHEN erased_at IS NULL THEN email END AS email
FROM people WHERE :after::uuid IS NULL OR id > :after::uuid ORDER BY id LIMIT :most;

-- name: tokens_owned
-- What others keep of the next tokens, in the order of their ids.
SELECT id, version, person_id, digest, role, writes, expires_at, revoked_at IS NOT NULL AS revoked FROM issued_tokens
WHERE :after::uuid IS NULL OR id > :after::uuid ORDER BY id LIMIT :most;
