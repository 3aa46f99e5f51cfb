-- name: lock_register!
-- Changes to the register wait for each other; reading and the timeline go on.
LOCK TABLE organisations, contacts IN SHARE ROW EXCLUSIVE MODE;

-- name: organisations_by_id
-- These organisations of the register.
SELECT id, identifier, name, kinds, areas, closeness, opened_on, closed_on, successor_id, postal_address, postcode,
       telephone, website, handed_over, merged_into, version
FROM organisations WHERE id = ANY(:ids::uuid[]);

-- name: contacts_of
-- Every contact of these organisations.
SELECT id, organisation_id, role, name, channel, email, postal_address, postcode, source, listed_on, withdrawn_on,
       version
FROM contacts WHERE organisation_id = ANY(:organisations::uuid[]);

-- name: contacts_by_id
-- These contacts of the register.
SELECT id, organisation_id, role, name, channel, email, postal_address, postcode, source, listed_on, withdrawn_on,
       version
FROM contacts WHERE id = ANY(:ids::uuid[]);

-- name: begin_lines!
-- Room for the lines of one file. It goes with the transaction, so a file of any length takes no memory.
CREATE TEMPORARY TABLE staged_lines (
    line                 integer PRIMARY KEY,
    -- Ids for the organisation and the contact of this line, in case that they are new.
    organisation_id      uuid NOT NULL,
    contact_id           uuid NOT NULL,
    identifier           text NOT NULL,
    name                 text NOT NULL,
    kinds                text[] NOT NULL,
    areas                text[] NOT NULL,
    closeness            text NOT NULL,
    opened_on            date,
    closed_on            date,
    successor            text,
    contact_role         text,
    contact_name         text,
    contact_channel      text,
    contact_email        text,
    contact_address      text[] NOT NULL,
    contact_postcode     text,
    contact_source       text,
    contact_listed_on    date,
    contact_withdrawn_on date,
    UNIQUE (identifier, line)
) ON COMMIT DROP;

-- name: begin_organisations!
-- Room for the organisations of one file: the first line of each, and its id.
CREATE TEMPORARY TABLE staged_organisations (
    line       integer PRIMARY KEY,
    identifier text NOT NULL UNIQUE,
    id         uuid NOT NULL UNIQUE
) ON COMMIT DROP;

-- name: tell_organisations_apart!
-- Find the first line of each organisation of the file; the register knows the ids of those that it has.
INSERT INTO staged_organisations (line, identifier, id)
SELECT DISTINCT ON (l.identifier) l.line, l.identifier, coalesce(o.id, l.organisation_id)
FROM staged_lines AS l LEFT JOIN organisations AS o ON o.identifier = l.identifier
ORDER BY l.identifier, l.line;

-- name: count_lines!
-- Let the planner know how many lines there are.
ANALYZE staged_lines;

-- name: count_organisations!
-- Let the planner know how many organisations there are.
ANALYZE staged_organisations;

-- name: lines_that_disagree
-- Lines that contradict the first one of their organisation, and in which columns.
SELECT l.line, first.line AS first, array_remove(ARRAY[
    CASE WHEN l.name <> first.name THEN 'name' END,
    CASE WHEN l.kinds <> first.kinds THEN 'kinds' END,
    CASE WHEN l.areas <> first.areas THEN 'areas' END,
    CASE WHEN l.closeness <> first.closeness THEN 'closeness' END,
    CASE WHEN l.opened_on IS DISTINCT FROM first.opened_on THEN 'opened_on' END,
    CASE WHEN l.closed_on IS DISTINCT FROM first.closed_on THEN 'closed_on' END,
    CASE WHEN l.successor IS DISTINCT FROM first.successor THEN 'successor' END], NULL) AS columns
FROM staged_organisations AS o
JOIN staged_lines AS first ON first.line = o.line
JOIN staged_lines AS l ON l.identifier = o.identifier AND l.line > o.line
WHERE (l.name, l.kinds, l.areas, l.closeness, l.opened_on, l.closed_on, l.successor) IS DISTINCT FROM
      (first.name, first.kinds, first.areas, first.closeness, first.opened_on, first.closed_on, first.successor)
ORDER BY l.line LIMIT :most;

-- name: lines_that_repeat
-- Lines that name a contact again, and which line named it first.
SELECT line, first FROM (
    SELECT line, min(line) OVER (PARTITION BY identifier, contact_role, contact_name) AS first
    FROM staged_lines WHERE contact_name IS NOT NULL AND contact_role IS NOT NULL
) AS named
WHERE line > first ORDER BY line LIMIT :most;

-- name: unknown_successors
-- Organisations of the file that are succeeded by one that neither the file nor the register has.
SELECT l.line, l.successor FROM staged_organisations AS o JOIN staged_lines AS l ON l.line = o.line
WHERE l.successor IS NOT NULL
  AND NOT EXISTS (SELECT FROM organisations AS r WHERE r.identifier = l.successor)
  AND NOT EXISTS (SELECT FROM staged_organisations AS s WHERE s.identifier = l.successor)
ORDER BY l.line LIMIT :most;

-- name: staged_organisations_after
-- The next organisations of the file, as it says they are; what was merged into another one is left alone.
SELECT o.line, o.id, l.identifier, l.name, l.kinds, l.areas, l.closeness, l.opened_on, l.closed_on,
       s.id AS successor_id, coalesce(k.postal_address, '{}') AS postal_address, k.postcode, k.telephone, k.website,
       coalesce(k.handed_over, '{}') AS handed_over, k.merged_into, 1 AS version
FROM staged_organisations AS o JOIN staged_lines AS l ON l.line = o.line
LEFT JOIN organisations AS k ON k.id = o.id
LEFT JOIN LATERAL (
    SELECT coalesce(r.merged_into, r.id) AS id FROM organisations AS r WHERE r.identifier = l.successor
    UNION SELECT f.id FROM staged_organisations AS f WHERE f.identifier = l.successor
          AND NOT EXISTS (SELECT FROM organisations AS r WHERE r.identifier = f.identifier)
) AS s ON true
WHERE o.line > :after AND k.merged_into IS NULL ORDER BY o.line LIMIT :most;

-- name: staged_contacts_after
-- The next contacts of the file, as it says they are; those of a merged organisation are at the one that it went to,
-- where that one's own line about the same contact comes first.
SELECT l.line, coalesce(c.id, l.contact_id) AS id, coalesce(k.merged_into, o.id) AS organisation_id, l.contact_role AS role,
       l.contact_name AS name, l.contact_channel AS channel, l.contact_email AS email,
       l.contact_address AS postal_address, l.contact_postcode AS postcode, l.contact_source AS source,
       l.contact_listed_on AS listed_on, l.contact_withdrawn_on AS withdrawn_on, 1 AS version
FROM staged_lines AS l JOIN staged_organisations AS o ON o.identifier = l.identifier
LEFT JOIN organisations AS k ON k.id = o.id
LEFT JOIN contacts AS c ON c.organisation_id = coalesce(k.merged_into, o.id) AND c.role = l.contact_role
                       AND c.name = l.contact_name
WHERE l.line > :after AND l.contact_name IS NOT NULL
  AND (k.merged_into IS NULL OR NOT EXISTS (
      SELECT FROM organisations AS r JOIN staged_lines AS other ON other.identifier = r.identifier
      WHERE (r.id = k.merged_into OR r.merged_into = k.merged_into AND other.line < l.line)
        AND other.contact_role = l.contact_role AND other.contact_name = l.contact_name
  ))
ORDER BY l.line LIMIT :most;

-- name: organisations_unmentioned$
-- How many organisations of the register the file does not name.
SELECT count(*) FROM organisations AS o
WHERE o.merged_into IS NULL AND NOT EXISTS (SELECT FROM staged_organisations AS s WHERE s.id = o.id);

-- name: contacts_unmentioned$
-- How many contacts the file does not name although it names their organisation.
SELECT count(*) FROM contacts AS c JOIN staged_organisations AS o ON o.id = c.organisation_id
WHERE NOT EXISTS (
    SELECT FROM staged_lines AS l
    WHERE l.identifier = o.identifier AND l.contact_role = c.role AND l.contact_name = c.name
);

-- name: write_organisations!
-- Enter organisations, or bring those that are there up to date. Lists come as lines of one text.
INSERT INTO organisations AS known
    (id, identifier, name, listed_as, kinds, areas, closeness, opened_on, closed_on, successor_id, postal_address,
     postcode, telephone, website, handed_over, merged_into, version, changed_at)
SELECT said.id, said.identifier, said.name, said.listed_as, string_to_array(said.kinds, E'\n'),
       string_to_array(said.areas, E'\n'), said.closeness, said.opened_on, said.closed_on, said.successor_id,
       string_to_array(said.postal_address, E'\n'), said.postcode, said.telephone, said.website,
       string_to_array(said.handed_over, E'\n'), said.merged_into, said.version, :now
FROM unnest(:ids::uuid[], :identifiers::text[], :names::text[], :listed_as::text[], :kinds::text[], :areas::text[],
            :closeness::text[], :opened_on::date[], :closed_on::date[], :successors::uuid[],
            :postal_addresses::text[], :postcodes::text[], :telephones::text[], :websites::text[],
            :handed_over::text[], :merged_into::uuid[], :versions::integer[])
     AS said (id, identifier, name, listed_as, kinds, areas, closeness, opened_on, closed_on, successor_id,
              postal_address, postcode, telephone, website, handed_over, merged_into, version)
ON CONFLICT (id) DO UPDATE SET
    identifier = excluded.identifier, name = excluded.name, listed_as = excluded.listed_as, kinds = excluded.kinds,
    areas = excluded.areas, closeness = excluded.closeness, opened_on = excluded.opened_on,
    closed_on = excluded.closed_on, successor_id = excluded.successor_id, postal_address = excluded.postal_address,
    postcode = excluded.postcode, telephone = excluded.telephone, website = excluded.website,
    handed_over = excluded.handed_over, merged_into = excluded.merged_into, version = known.version + 1,
    changed_at = excluded.changed_at;

-- name: write_contacts!
-- Enter contacts, or bring those that are there up to date. The lines of an address come as one text.
INSERT INTO contacts AS known
    (id, organisation_id, role, name, channel, email, postal_address, postcode, source, listed_on, withdrawn_on,
     version, changed_at)
SELECT said.id, said.organisation_id, said.role, said.name, said.channel, said.email,
       string_to_array(said.postal_address, E'\n'), said.postcode, said.source, said.listed_on, said.withdrawn_on,
       said.version, :now
FROM unnest(:ids::uuid[], :organisations::uuid[], :roles::text[], :names::text[], :channels::text[], :emails::text[],
            :postal_addresses::text[], :postcodes::text[], :sources::text[], :listed_on::date[],
            :withdrawn_on::date[], :versions::integer[])
     AS said (id, organisation_id, role, name, channel, email, postal_address, postcode, source, listed_on,
              withdrawn_on, version)
ON CONFLICT (id) DO UPDATE SET
    role = excluded.role, name = excluded.name, channel = excluded.channel, email = excluded.email, postal_address = excluded.postal_address,
    postcode = excluded.postcode, source = excluded.source, listed_on = excluded.listed_on,
    withdrawn_on = excluded.withdrawn_on, version = known.version + 1, changed_at = excluded.changed_at;

-- name: organisations_after
-- The next organisations in the order of their ids.
SELECT id, identifier, name, kinds, areas, closeness, opened_on, closed_on, successor_id, postal_address, postcode,
       telephone, website, handed_over, merged_into, version
FROM organisations WHERE :after::uuid IS NULL OR id > :after::uuid ORDER BY id LIMIT :most;

-- name: contacts_after
-- The next contacts in the order of their ids.
SELECT id, organisation_id, role, name, channel, email, postal_address, postcode, source, listed_on, withdrawn_on,
       version
FROM contacts WHERE :after::uuid IS NULL OR id > :after::uuid ORDER BY id LIMIT :most;

-- name: enter_on_timeline$
-- Note what happened with an organisation, once for each event; with a merged one, where it went. Nothing comes back
-- when it is not known. The lock waits for whoever is just merging it.
WITH known AS (
    SELECT coalesce(merged_into, id) AS id FROM organisations WHERE id = :organisation_id FOR KEY SHARE
), entered AS (
    INSERT INTO timeline (id, organisation_id, happened_at, kind, what, detail, letter_id, heard_at)
    SELECT :id, known.id, :happened_at, :kind, :what, :detail, :letter_id, :now FROM known
    ON CONFLICT (id) DO NOTHING
)
SELECT id FROM known;

-- name: organisation_by_id^
-- One organisation with the name of its successor.
SELECT o.id, o.identifier, o.name, o.kinds, o.areas, o.closeness, o.opened_on, o.closed_on, o.successor_id,
       o.postal_address, o.postcode, o.telephone, o.website, o.handed_over, o.merged_into, o.version,
       s.name AS successor_name
FROM organisations AS o LEFT JOIN organisations AS s ON s.id = o.successor_id
WHERE o.id = :id;

-- name: organisations_count$
-- How many organisations the register has.
SELECT count(*) FROM organisations WHERE merged_into IS NULL;

-- name: contacts_count$
-- How many contacts may be written to.
SELECT count(*) FROM contacts WHERE withdrawn_on IS NULL;

-- name: organisations_by_kind
-- How many organisations are of each kind; one of several kinds counts in each.
SELECT kind AS code, count(*) AS count FROM organisations, unnest(kinds) AS kind
WHERE merged_into IS NULL GROUP BY kind;

-- name: organisations_by_closeness
-- How many organisations we work with how closely.
SELECT closeness AS code, count(*) AS count FROM organisations WHERE merged_into IS NULL GROUP BY closeness;

-- name: timeline_of
-- What happened with an organisation, newest first.
SELECT id, happened_at, kind, what, letter_id, written_by FROM timeline
WHERE organisation_id = :organisation_id AND removed_at IS NULL
ORDER BY happened_at DESC, id DESC LIMIT :most;

-- name: timeline_lately
-- What happened last with any organisation, newest first.
SELECT t.happened_at, t.what, o.id AS organisation_id, o.name FROM timeline AS t
JOIN organisations AS o ON o.id = t.organisation_id
WHERE t.happened_at <= :now AND t.removed_at IS NULL
ORDER BY t.happened_at DESC, t.id DESC LIMIT :most;

-- name: timeline_heard_at$
-- When something was last heard from another service.
SELECT max(heard_at) FROM timeline WHERE kind LIKE 'letter%' OR kind = 'contribution_pledged';

-- name: letters_of^
-- How many letters to an organisation were sent, acknowledged and answered.
SELECT count(DISTINCT letter_id) FILTER (WHERE kind = 'letter_sent') AS sent,
       count(DISTINCT letter_id) FILTER (WHERE kind IN ('letter_acknowledged', 'letter_answered')) AS acknowledged,
       count(DISTINCT letter_id) FILTER (WHERE kind = 'letter_answered') AS answered
FROM timeline WHERE organisation_id = :organisation_id;

-- name: enter_head!
-- Note how far a service's chain went in a week. What was heard first stands.
INSERT INTO chain_heads (week, service, number, digest, heard_at)
VALUES (:week, :service, :number, :digest, :now) ON CONFLICT (week, service) DO NOTHING;

-- name: heads_of
-- How far each chain went in a week, as far as it was heard.
SELECT service, number, digest, heard_at FROM chain_heads WHERE week = :week ORDER BY service;

-- name: begin_report$
-- Whether a week is reported by this transaction; nothing comes back when it was by another.
INSERT INTO head_reports (week, reported_at) VALUES (:week, :now) ON CONFLICT (week) DO NOTHING RETURNING true;
