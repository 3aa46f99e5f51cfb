-- name: lock_counts!
-- Wait until nobody else enters or deletes registrations: counts are made of all of them.
SELECT pg_advisory_xact_lock(7204201);

-- name: register^
-- Enter or change these registrations, each of another person; those that are the same already stay untouched.
WITH given AS (
    SELECT * FROM unnest(
        :ids::uuid[], :persons::bytea[], :professions::text[], :areas::text[], :countries::text[],
        :exam_stages::text[], :lawful_bases::text[], :dates::date[]
    ) AS given (id, person, profession, area, country, exam_stage, lawful_basis, registered_on)
), written AS (
    INSERT INTO registrations AS known (
        id, person, profession, area, country, exam_stage, lawful_basis, registered_on, recorded_at, changed_at
    )
    SELECT id, person, profession, area, country, exam_stage, lawful_basis, registered_on, :now, :now FROM given
    ON CONFLICT (person) DO UPDATE SET
        profession = excluded.profession, area = excluded.area, country = excluded.country,
        exam_stage = excluded.exam_stage, lawful_basis = excluded.lawful_basis,
        registered_on = excluded.registered_on, version = known.version + 1, changed_at = excluded.changed_at
    WHERE (known.profession, known.area, known.country, known.exam_stage, known.lawful_basis, known.registered_on)
        IS DISTINCT FROM (excluded.profession, excluded.area, excluded.country, excluded.exam_stage,
            excluded.lawful_basis, excluded.registered_on)
    RETURNING known.version
)
SELECT count(*) FILTER (WHERE version = 1) AS new, count(*) FILTER (WHERE version > 1) AS changed FROM written;

-- name: registrations_of
-- What is registered of these people, so that it can be compared.
SELECT person, profession, area, country, exam_stage, lawful_basis, registered_on FROM registrations
WHERE person = ANY(:persons::bytea[]);

-- name: recount
-- Bring the counts up to date with the registrations; answers those that are different now.
INSERT INTO registration_counts AS told (area, profession, count, counted_on, version)
SELECT area, profession, coalesce(present.count, 0), :today, 1
FROM (SELECT area, profession, count(*) AS count FROM registrations GROUP BY area, profession) AS present
FULL JOIN registration_counts AS before USING (area, profession)
WHERE coalesce(present.count, 0) IS DISTINCT FROM before.count
ORDER BY area, profession
ON CONFLICT (area, profession) DO UPDATE SET
    count = excluded.count, counted_on = excluded.counted_on, version = told.version + 1
RETURNING area, profession, count, counted_on, version;

-- name: counts
-- How many are registered, by area and profession; areas that nobody is left in do not appear.
SELECT area, profession, count, counted_on, version FROM registration_counts
WHERE count > 0 ORDER BY area, profession;

-- name: counts_after
-- A page of all counts, also of those that fell to nothing, in the order of their subjects.
SELECT area, profession, count, counted_on, version, (area || '/' || profession) COLLATE "C" AS subject
FROM registration_counts
WHERE (area || '/' || profession) COLLATE "C" > :after
ORDER BY subject LIMIT :most;

-- name: totals^
-- How many people are registered, and in how many areas.
SELECT coalesce(sum(count), 0)::bigint AS registrations, count(DISTINCT area) AS areas
FROM registration_counts WHERE count > 0;

-- name: remember_organisations!
-- Move the copies of organisations forward, never back.
INSERT INTO organisations AS known (id, name, closed_on, merged_into, epoch, version)
SELECT organisation_id, name, closed_on, merged_into, epoch, version
FROM jsonb_to_recordset(:states) AS new (
    organisation_id uuid, name text, closed_on date, merged_into uuid, epoch integer, version bigint
)
ON CONFLICT (id) DO UPDATE SET
    name = excluded.name, closed_on = excluded.closed_on, merged_into = excluded.merged_into, epoch = excluded.epoch,
    version = excluded.version
WHERE (known.epoch, known.version) < (excluded.epoch, excluded.version);

-- name: forget_organisations!
-- Let any version replace what the copy holds, before it is rebuilt from snapshots.
UPDATE organisations SET epoch = 0, version = 0;

-- name: remember_languages!
-- In which languages letters are written; nothing when something newer was heard.
UPDATE letter_languages SET epoch = :epoch, version = :version, languages = :languages::text[]
WHERE (epoch, version) < (:epoch, :version);

-- name: letter_languages$
-- The languages in which staff have written some letter to one person.
SELECT languages FROM letter_languages;
