-- name: counts_owned
-- What others keep of the next counts, in the order of their subjects.
SELECT (area || '/' || profession) COLLATE "C" AS id, version, count, counted_on FROM registration_counts
WHERE :after::text IS NULL OR (area || '/' || profession) COLLATE "C" > :after::text ORDER BY 1 LIMIT :most;

-- name: organisations_copied
-- The next organisations that were heard of, in the order of their ids.
SELECT id, version, name, closed_on, merged_into FROM organisations
WHERE :after::uuid IS NULL OR id > :after::uuid ORDER BY id LIMIT :most;

-- name: drop_organisations!
-- Forget organisations that were never in the register.
DELETE FROM organisations WHERE id = ANY(:ids::uuid[]);

-- name: colleagues_copied
-- The next colleagues that were heard of, in the order of their ids, as they are kept.
SELECT person_id, version, sealed FROM colleagues
WHERE :after::uuid IS NULL OR person_id > :after::uuid ORDER BY person_id LIMIT :most;

-- name: drop_colleagues!
-- Forget colleagues whom nobody has ever admitted.
DELETE FROM colleagues WHERE person_id = ANY(:ids::uuid[]);
