-- name: organisations_copied
-- The next organisations that were heard of, in the order of their ids.
SELECT id, version, name, kinds, areas, closed_on, successor_id, handed_over, merged_into FROM organisations
WHERE :after::uuid IS NULL OR id > :after::uuid ORDER BY id LIMIT :most;

-- name: contacts_copied
-- The next contacts of the address book, in the order of their ids.
SELECT id, version, organisation_id, role, channel, listed_on, withdrawn_on, name, email, postal_address, postcode,
       source
FROM contacts WHERE :after::uuid IS NULL OR id > :after::uuid ORDER BY id LIMIT :most;

-- name: counts_copied
-- The next counts that were heard of, in the order of their subjects.
SELECT (area || '/' || profession) COLLATE "C" AS id, version, count, counted_on FROM registration_counts
WHERE :after::text IS NULL OR (area || '/' || profession) COLLATE "C" > :after::text ORDER BY 1 LIMIT :most;

-- name: colleagues_copied
-- The next colleagues that were heard of, in the order of their ids.
SELECT person_id AS id, version, name FROM colleagues
WHERE :after::uuid IS NULL OR person_id > :after::uuid ORDER BY person_id LIMIT :most;

-- name: drop_organisations!
-- Forget organisations that were never in the register.
DELETE FROM organisations WHERE id = ANY(:ids::uuid[]);

-- name: drop_contacts!
-- Forget contacts that were never in the register.
DELETE FROM contacts WHERE id = ANY(:ids::uuid[]);

-- name: drop_counts!
-- Forget counts that were never made.
DELETE FROM registration_counts WHERE area || '/' || profession = ANY(:ids::text[]);

-- name: drop_colleagues!
-- Forget colleagues whom nobody has ever admitted.
DELETE FROM colleagues WHERE person_id = ANY(:ids::uuid[]);
