-- name: lock_entries
-- These entries and whatever was merged into them, for whoever merges: a note about one of them waits until it is
-- known where it belongs.
SELECT id FROM organisations WHERE id = ANY(:ids::uuid[]) OR merged_into = ANY(:ids::uuid[])
ORDER BY id FOR UPDATE;

-- name: chain_of
-- An entry, the one that took over from it, the one that took over from that, and so on; each once, also in a ring.
WITH RECURSIVE chain AS (
    SELECT o.id, o.name, o.closed_on, o.handed_over, o.successor_id, ARRAY[o.id] AS way
    FROM organisations AS o WHERE o.id = :id
    UNION ALL
    SELECT n.id, n.name, n.closed_on, n.handed_over, n.successor_id, c.way || n.id
    FROM chain AS c JOIN organisations AS s ON s.id = c.successor_id
    JOIN organisations AS n ON n.id = coalesce(s.merged_into, s.id)
    WHERE n.id <> ALL(c.way)
)
SELECT id, name, closed_on, handed_over FROM chain ORDER BY cardinality(way);

-- name: entries_leading_to
-- Entries that were merged into this one before, or whose successor it is.
SELECT id, identifier, name, kinds, areas, closeness, opened_on, closed_on, successor_id, postal_address, postcode,
       telephone, website, handed_over, merged_into, version
FROM organisations WHERE merged_into = :id OR successor_id = :id ORDER BY id;

-- name: entries_merged_into
-- What else this body was called in the register.
SELECT name, identifier FROM organisations WHERE merged_into = :id ORDER BY listed_as, id;

-- name: contacts_in_both
-- Contacts of the same role and name at two entries: as each of the two has them.
SELECT l.id AS losing_id, s.id AS surviving_id, s.role, s.name, l.withdrawn_on AS losing_withdrawn_on,
       l.listed_on AS losing_listed_on, s.withdrawn_on AS surviving_withdrawn_on,
       coalesce(l.email, array_to_string(l.postal_address, ', ')) AS losing_address,
       coalesce(s.email, array_to_string(s.postal_address, ', ')) AS surviving_address
FROM contacts AS l JOIN contacts AS s ON s.organisation_id = :surviving AND s.role = l.role AND s.name = l.name
WHERE l.organisation_id = :losing ORDER BY s.role, s.name;

-- name: contacts_at$
-- How many contacts an entry has.
SELECT count(*) FROM contacts WHERE organisation_id = :organisation_id;

-- name: move_contacts
-- Contacts go to the surviving entry, but those of a role and name that it has already.
UPDATE contacts AS c SET organisation_id = :surviving, version = c.version + 1, changed_at = :now
WHERE c.organisation_id = :losing
  AND NOT EXISTS (SELECT FROM contacts AS s
                  WHERE s.organisation_id = :surviving AND s.role = c.role AND s.name = c.name)
RETURNING c.id, c.organisation_id, c.role, c.name, c.channel, c.email, c.postal_address, c.postcode, c.source,
          c.listed_on, c.withdrawn_on, c.version;

-- name: entries_on_timeline$
-- How much is on the timeline of an entry.
SELECT count(*) FROM timeline WHERE organisation_id = :organisation_id;

-- name: agreements_with$
-- How many agreements there were with an entry.
SELECT count(*) FROM agreements WHERE organisation_id = :organisation_id;

-- name: referrals_to$
-- How many were sent on to an entry.
SELECT count(*) FROM referrals WHERE organisation_id = :organisation_id;

-- name: services_at$
-- How many services an entry offers or has offered.
SELECT count(*) FROM offered_services WHERE organisation_id = :organisation_id;

-- name: tags_at$
-- How many tags an entry has.
SELECT count(*) FROM organisation_tags WHERE organisation_id = :organisation_id;

-- name: people_at$
-- How many who were ever admitted belong to an entry.
SELECT count(*) FROM people WHERE organisation_id = :organisation_id;

-- name: move_people
-- Those who sign in belong to the surviving entry.
UPDATE people SET organisation_id = :surviving, version = version + 1, changed_at = :now
WHERE organisation_id = :losing RETURNING *;
