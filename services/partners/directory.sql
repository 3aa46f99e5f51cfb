-- name: write_services!
-- Enter services, or bring those that are there up to date. Lists come as lines of one text.
INSERT INTO offered_services
    (id, organisation_id, name, listed_as, description, searched, needs, areas, languages, free, cost, telephone,
     email, website, postal_address, postcode, opening_hours, public_channels, active, checked_on, checked_by,
     retired_at, version, changed_at)
SELECT said.id, said.organisation_id, said.name, said.listed_as, said.description, said.searched,
       string_to_array(said.needs, E'\n'), string_to_array(said.areas, E'\n'), string_to_array(said.languages, E'\n'),
       said.free, said.cost, said.telephone, said.email, said.website, string_to_array(said.postal_address, E'\n'),
       said.postcode, said.opening_hours, string_to_array(said.public_channels, E'\n'), said.active, said.checked_on,
       said.checked_by, said.retired_at, said.version, :now
FROM unnest(:ids::uuid[], :organisations::uuid[], :names::text[], :listed_as::text[], :descriptions::text[],
            :searched::text[], :needs::text[], :areas::text[], :languages::text[], :free::boolean[], :costs::text[],
            :telephones::text[], :emails::text[], :websites::text[], :postal_addresses::text[], :postcodes::text[],
            :opening_hours::text[], :public_channels::text[], :active::boolean[], :checked_on::date[],
            :checked_by::uuid[], :retired_at::timestamptz[], :versions::integer[])
     AS said (id, organisation_id, name, listed_as, description, searched, needs, areas, languages, free, cost,
              telephone, email, website, postal_address, postcode, opening_hours, public_channels, active, checked_on,
              checked_by, retired_at, version)
ON CONFLICT (id) DO UPDATE SET
    name = excluded.name, listed_as = excluded.listed_as, description = excluded.description,
    searched = excluded.searched, needs = excluded.needs, areas = excluded.areas, languages = excluded.languages,
    free = excluded.free, cost = excluded.cost, telephone = excluded.telephone, email = excluded.email,
    website = excluded.website, postal_address = excluded.postal_address, postcode = excluded.postcode,
    opening_hours = excluded.opening_hours, public_channels = excluded.public_channels, active = excluded.active,
    checked_on = excluded.checked_on, checked_by = excluded.checked_by, retired_at = excluded.retired_at,
    version = excluded.version, changed_at = excluded.changed_at;

-- name: lock_service^
-- One service, locked: whoever changes it waits for whoever does.
SELECT * FROM offered_services WHERE id = :id FOR UPDATE;

-- name: service_by_id^
-- One service, with the names of the body that offers it and of whoever checked it.
SELECT s.*, o.name AS organisation, p.name AS checker, s.checked_on <= :today::date - interval '12 months' AS stale
FROM offered_services AS s JOIN organisations AS o ON o.id = s.organisation_id
LEFT JOIN people AS p ON p.id = s.checked_by
WHERE s.id = :id;

-- name: services_by_id
-- Some services with the names of the bodies that offer them, in the order of their names.
SELECT s.*, o.name AS organisation
FROM offered_services AS s JOIN organisations AS o ON o.id = s.organisation_id
WHERE s.id = ANY(:ids::uuid[]) ORDER BY s.listed_as, s.id;

-- name: services_listed
-- A page of the directory by name, after the given service, each with the name of the body that offers it.
SELECT s.*, o.name AS organisation, s.checked_on <= :today::date - interval '12 months' AS stale
FROM offered_services AS s JOIN organisations AS o ON o.id = s.organisation_id
WHERE s.searched || ' ' || o.listed_as LIKE ALL(:patterns::text[])
  AND (:need::text = '' OR :need::text = ANY(s.needs))
  AND (:area::text = '' OR :area::text = ANY(s.areas))
  AND (:language::text = '' OR :language::text = ANY(s.languages))
  AND (:cost::text = '' OR (:cost::text = 'free') = s.free)
  AND (s.retired_at IS NOT NULL) = :retired::boolean
  AND (:after::uuid IS NULL
       OR (s.listed_as, s.id) > (SELECT p.listed_as, p.id FROM offered_services AS p WHERE p.id = :after::uuid))
ORDER BY s.listed_as, s.id LIMIT :most;

-- name: services_found$
-- How many services a search finds on all of its pages.
SELECT count(*) FROM offered_services AS s JOIN organisations AS o ON o.id = s.organisation_id
WHERE s.searched || ' ' || o.listed_as LIKE ALL(:patterns::text[])
  AND (:need::text = '' OR :need::text = ANY(s.needs))
  AND (:area::text = '' OR :area::text = ANY(s.areas))
  AND (:language::text = '' OR :language::text = ANY(s.languages))
  AND (:cost::text = '' OR (:cost::text = 'free') = s.free)
  AND (s.retired_at IS NOT NULL) = :retired::boolean;

-- name: services_of
-- The services of one body that are not retired, with how many there are in all.
SELECT s.*, s.checked_on <= :today::date - interval '12 months' AS stale, count(*) OVER () AS total
FROM offered_services AS s
WHERE s.organisation_id = :organisation_id AND s.retired_at IS NULL ORDER BY s.listed_as, s.id LIMIT :most;

-- name: services_unchecked
-- Services that nobody has checked for a year, the longest first, of bodies that are open.
SELECT s.id, s.name, s.checked_on, (s.checked_on + interval '12 months')::date AS due_on, s.organisation_id,
       o.name AS organisation
FROM offered_services AS s JOIN organisations AS o ON o.id = s.organisation_id
WHERE s.retired_at IS NULL AND s.checked_on <= :today::date - interval '12 months'
  AND o.merged_into IS NULL AND (o.closed_on IS NULL OR o.closed_on > :today)
ORDER BY s.checked_on, s.id LIMIT :most;

-- name: organisations_identified
-- The ids of the organisations with these identifiers, or of those that they were merged into.
SELECT coalesce(merged_into, id) AS id, identifier FROM organisations WHERE identifier = ANY(:identifiers::text[])
ORDER BY id FOR KEY SHARE;

-- name: services_called
-- What these bodies already offer, by name.
SELECT organisation_id, name FROM offered_services WHERE organisation_id = ANY(:organisations::uuid[]);

-- name: move_services!
-- Give everything that one body offers to the one that it is merged into.
UPDATE offered_services SET organisation_id = :surviving, version = version + 1, changed_at = :now
WHERE organisation_id = :losing;

-- name: hand_over_services!
-- Give what a closed body still offered to the one that took over from it.
UPDATE offered_services SET organisation_id = :successor, version = version + 1, changed_at = :now
WHERE organisation_id = :closed AND retired_at IS NULL;

-- name: end_services!
-- Retire what a closed body still offered.
UPDATE offered_services SET retired_at = :now, version = version + 1, changed_at = :now
WHERE organisation_id = :closed AND retired_at IS NULL;

-- name: open_services_of$
-- How many services of a body are not retired.
SELECT count(*) FROM offered_services WHERE organisation_id = :organisation_id AND retired_at IS NULL;

-- name: published_services
-- A page of what everybody may read: active services of bodies that are open, by name.
SELECT s.*, o.name AS organisation, o.identifier, o.kinds, o.areas AS organisation_areas
FROM offered_services AS s JOIN organisations AS o ON o.id = s.organisation_id
WHERE s.active AND s.retired_at IS NULL AND o.merged_into IS NULL AND (o.closed_on IS NULL OR o.closed_on > :today)
  AND s.searched || ' ' || o.listed_as LIKE ALL(:patterns::text[])
  AND (:need::text = '' OR :need::text = ANY(s.needs))
  AND (:organisation_id::uuid IS NULL OR s.organisation_id = :organisation_id::uuid)
  AND (:modified_after::timestamptz IS NULL OR s.changed_at >= :modified_after::timestamptz)
ORDER BY s.listed_as, s.id LIMIT :most OFFSET :skipped;

-- name: published_services_found$
-- How many services everybody may read, on all pages.
SELECT count(*) FROM offered_services AS s JOIN organisations AS o ON o.id = s.organisation_id
WHERE s.active AND s.retired_at IS NULL AND o.merged_into IS NULL AND (o.closed_on IS NULL OR o.closed_on > :today)
  AND s.searched || ' ' || o.listed_as LIKE ALL(:patterns::text[])
  AND (:need::text = '' OR :need::text = ANY(s.needs))
  AND (:organisation_id::uuid IS NULL OR s.organisation_id = :organisation_id::uuid)
  AND (:modified_after::timestamptz IS NULL OR s.changed_at >= :modified_after::timestamptz);

-- name: published_service^
-- One service that everybody may read.
SELECT s.*, o.name AS organisation, o.identifier, o.kinds, o.areas AS organisation_areas
FROM offered_services AS s JOIN organisations AS o ON o.id = s.organisation_id
WHERE s.id = :id
  AND s.active AND s.retired_at IS NULL AND o.merged_into IS NULL AND (o.closed_on IS NULL OR o.closed_on > :today);

-- name: published_organisations
-- A page of the bodies of which everybody may read because of what they offer, by name.
SELECT o.id AS organisation_id, o.name AS organisation, o.identifier, o.kinds, o.areas AS organisation_areas
FROM organisations AS o
WHERE o.merged_into IS NULL AND (o.closed_on IS NULL OR o.closed_on > :today)
  AND o.listed_as LIKE ALL(:patterns::text[])
  AND EXISTS (SELECT FROM offered_services AS s
              WHERE s.organisation_id = o.id AND s.active AND s.retired_at IS NULL
                AND (:need::text = '' OR :need::text = ANY(s.needs)))
ORDER BY o.listed_as, o.id LIMIT :most OFFSET :skipped;

-- name: published_organisations_found$
-- How many such bodies there are, on all pages.
SELECT count(*) FROM organisations AS o
WHERE o.merged_into IS NULL AND (o.closed_on IS NULL OR o.closed_on > :today)
  AND o.listed_as LIKE ALL(:patterns::text[])
  AND EXISTS (SELECT FROM offered_services AS s
              WHERE s.organisation_id = o.id AND s.active AND s.retired_at IS NULL
                AND (:need::text = '' OR :need::text = ANY(s.needs)));
