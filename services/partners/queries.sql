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
    INSERT INTO timeline (
        id, organisation_id, happened_at, kind, what, detail, letter_id, contact_id, confirmed_by, heard_at
    )
    SELECT :id, known.id, :happened_at, :kind, :what, :detail, :letter_id, :contact_id, :confirmed_by, :now FROM known
    ON CONFLICT (id) DO NOTHING
)
SELECT id FROM known;

-- name: organisation_identified$
-- The organisation with this identifier, or the one that it was merged into. The lock waits for whoever is just
-- merging it.
SELECT coalesce(merged_into, id) FROM organisations WHERE identifier = :identifier FOR KEY SHARE;

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

-- name: last_report$
-- When the heads of all chains were last reported.
SELECT max(reported_at) FROM head_reports;
