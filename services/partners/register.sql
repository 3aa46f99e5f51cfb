-- name: begin_amending!
-- Whoever changes one entry waits for an import here, before holding any row that the import will want.
LOCK TABLE organisations, contacts IN ROW EXCLUSIVE MODE;

-- name: lock_organisation^
-- One organisation, locked: whoever changes it or its contacts waits for whoever came first.
SELECT id, identifier, name, kinds, areas, closeness, opened_on, closed_on, successor_id, postal_address, postcode,
       telephone, website, handed_over, merged_into, version
FROM organisations WHERE id = :id FOR UPDATE;

-- name: organisation_known^
-- One organisation.
SELECT id, identifier, name, kinds, areas, closeness, opened_on, closed_on, successor_id, postal_address, postcode,
       telephone, website, handed_over, merged_into, version
FROM organisations WHERE id = :id;

-- name: lock_organisation_of_contact^
-- The organisation of a contact, locked.
SELECT o.id FROM organisations AS o WHERE o.id = (SELECT c.organisation_id FROM contacts AS c WHERE c.id = :contact_id)
FOR UPDATE;

-- name: contact_known^
-- One contact with the name of their organisation; nothing when they were forgotten.
SELECT c.id, c.organisation_id, c.role, c.name, c.channel, c.email, c.postal_address, c.postcode, c.source, c.listed_on,
       c.withdrawn_on, c.version, o.name AS organisation, o.merged_into
FROM contacts AS c JOIN organisations AS o ON o.id = c.organisation_id WHERE c.id = :id AND c.erased_at IS NULL;

-- name: contact_of_key$
-- Who has this name and role at an organisation already.
SELECT id FROM contacts WHERE organisation_id = :organisation_id AND role = :role AND name = :name;

-- name: name_identified$
-- The name of who has an identifier.
SELECT name FROM organisations WHERE identifier = :identifier;

-- name: address_was_erased$
-- Whether an address is of somebody whom we are to forget.
SELECT EXISTS (SELECT FROM erased_addresses WHERE digest = :digest);

-- name: organisations_alike
-- Those that share words of the name, the postcode or the identifier with a new one, the likest first.
SELECT id, identifier, name, kinds, areas, closeness, opened_on, closed_on, successor_id, postal_address, postcode,
       telephone, website, handed_over, merged_into, version
FROM organisations
WHERE identifier = :identifier
   OR merged_into IS NULL AND (name_words && :words::text[] OR postcode = :postcode)
ORDER BY identifier = :identifier DESC,
         (SELECT count(*) FROM unnest(name_words) AS word WHERE word = ANY(:words::text[]))::real
             / (cardinality(name_words) + cardinality(:words::text[])) DESC,
         postcode = :postcode DESC NULLS LAST, id
LIMIT :most;

-- name: words_of
-- What is found by words: organisations, each with what was merged into it and the contacts of whom something remains.
SELECT o.id, o.name, o.identifier, o.postcode, o.kinds, o.areas,
       ARRAY(SELECT m.name || ' ' || m.identifier FROM organisations AS m WHERE m.merged_into = o.id
             ORDER BY m.id) AS merged,
       coalesce(array_agg(c.name ORDER BY c.id) FILTER (WHERE c.id IS NOT NULL), '{}') AS contacts,
       coalesce(array_agg(DISTINCT c.role) FILTER (WHERE c.withdrawn_on IS NULL AND c.id IS NOT NULL), '{}') AS roles
FROM organisations AS o LEFT JOIN contacts AS c ON c.organisation_id = o.id AND c.erased_at IS NULL
WHERE o.id = ANY(:ids::uuid[]) GROUP BY o.id ORDER BY o.id;

-- name: write_words!
-- What organisations are found, sorted and told apart by. The words of a name come as one text.
UPDATE organisations AS o
SET searched = said.searched, listed_as = said.listed_as, name_words = string_to_array(said.name_words, ' ')
FROM unnest(:ids::uuid[], :searched::text[], :listed_as::text[], :name_words::text[])
     AS said (id, searched, listed_as, name_words)
WHERE o.id = said.id AND (o.searched, o.listed_as, o.name_words)
      IS DISTINCT FROM (said.searched, said.listed_as, string_to_array(said.name_words, ' '));

-- name: words_made_of$
-- With which lists and which way of folding all words were written.
SELECT made_of FROM words_written;

-- name: note_words_written!
-- All words were written with these lists.
INSERT INTO words_written (made_of) VALUES (:made_of) ON CONFLICT (one) DO UPDATE SET made_of = excluded.made_of;

-- name: organisations_listed
-- A page of the register by name, after the given organisation, with how many contacts may be written to.
SELECT o.id, o.identifier, o.name, o.kinds, o.areas, o.closeness, o.opened_on, o.closed_on, o.successor_id,
       o.postal_address, o.postcode, o.telephone, o.website, o.handed_over, o.merged_into, o.version,
       (SELECT count(*) FROM contacts AS c WHERE c.organisation_id = o.id AND c.withdrawn_on IS NULL) AS contacts,
       ARRAY(SELECT t.name FROM organisation_tags AS g JOIN tags AS t ON t.id = g.tag_id
             WHERE g.organisation_id = o.id ORDER BY t.key) AS tags
FROM (
    SELECT * FROM organisations AS o
    WHERE o.merged_into IS NULL
      AND (cardinality(:grams::text[]) = 0 OR grams(o.searched) @> :grams::text[])
      AND o.searched LIKE ALL(:patterns::text[])
      AND (:kind::text = '' OR :kind::text = ANY(o.kinds))
      AND (:area::text = '' OR :area::text = ANY(o.areas))
      AND (:closeness::text = '' OR :closeness::text = o.closeness)
      AND (:state::text = '' OR (:state::text = 'closed') = coalesce(o.closed_on <= :today::date, false))
      AND (:contact::text = ''
           OR o.id NOT IN (SELECT c.organisation_id FROM contacts AS c WHERE c.withdrawn_on IS NULL))
      AND (:tag::text = ''
           OR o.id IN (SELECT g.organisation_id FROM organisation_tags AS g JOIN tags AS t ON t.id = g.tag_id
                       WHERE t.key = :tag::text))
      AND (:after::uuid IS NULL
           OR (o.listed_as, o.id) > (SELECT p.listed_as, p.id FROM organisations AS p WHERE p.id = :after::uuid))
    ORDER BY o.listed_as, o.id LIMIT :most
) AS o ORDER BY o.listed_as, o.id;

-- name: count_organisations$
-- How many organisations the register has.
SELECT count(*) FROM organisations WHERE merged_into IS NULL;

-- name: organisations_page
-- How many organisations a search finds, and a page of them as above. Without any, one row that tells the number.
WITH found AS MATERIALIZED (
    SELECT o.id, o.listed_as FROM organisations AS o
    WHERE o.merged_into IS NULL
      AND (cardinality(:grams::text[]) = 0 OR grams(o.searched) @> :grams::text[])
      AND o.searched LIKE ALL(:patterns::text[])
      AND (:kind::text = '' OR :kind::text = ANY(o.kinds))
      AND (:area::text = '' OR :area::text = ANY(o.areas))
      AND (:closeness::text = '' OR :closeness::text = o.closeness)
      AND (:state::text = '' OR (:state::text = 'closed') = coalesce(o.closed_on <= :today::date, false))
      AND (:contact::text = ''
           OR o.id NOT IN (SELECT c.organisation_id FROM contacts AS c WHERE c.withdrawn_on IS NULL))
      AND (:tag::text = ''
           OR o.id IN (SELECT g.organisation_id FROM organisation_tags AS g JOIN tags AS t ON t.id = g.tag_id
                       WHERE t.key = :tag::text))
), page AS (
    SELECT o.id, o.identifier, o.name, o.kinds, o.areas, o.closeness, o.opened_on, o.closed_on, o.successor_id,
           o.postal_address, o.postcode, o.telephone, o.website, o.handed_over, o.merged_into, o.version, o.listed_as,
           (SELECT count(*) FROM contacts AS c WHERE c.organisation_id = o.id AND c.withdrawn_on IS NULL) AS contacts,
           ARRAY(SELECT t.name FROM organisation_tags AS g JOIN tags AS t ON t.id = g.tag_id
                 WHERE g.organisation_id = o.id ORDER BY t.key) AS tags
    FROM (
        SELECT f.id FROM found AS f
        WHERE :after::uuid IS NULL
           OR (f.listed_as, f.id) > (SELECT p.listed_as, p.id FROM organisations AS p WHERE p.id = :after::uuid)
        ORDER BY f.listed_as, f.id LIMIT :most
    ) AS f JOIN organisations AS o ON o.id = f.id
)
SELECT n.total, page.* FROM (SELECT count(*) AS total FROM found) AS n LEFT JOIN page ON true
ORDER BY page.listed_as, page.id;

-- name: letters_by_contact
-- How many letters went to each contact of an organisation and what came of them, and when each last happened.
SELECT contact_id,
       count(DISTINCT letter_id) FILTER (WHERE kind = 'letter_sent') AS sent,
       count(DISTINCT letter_id) FILTER (WHERE kind IN ('letter_acknowledged', 'letter_answered')) AS acknowledged,
       count(DISTINCT letter_id) FILTER (WHERE kind = 'letter_answered') AS answered,
       max(happened_at) FILTER (WHERE kind = 'letter_sent') AS sent_at,
       max(happened_at) FILTER (WHERE kind = 'letter_failed') AS failed_at,
       max(happened_at) FILTER (WHERE kind = 'letter_acknowledged') AS acknowledged_at,
       max(happened_at) FILTER (WHERE kind = 'letter_answered') AS answered_at,
       max(happened_at) FILTER (WHERE kind = 'contact_suspected') AS suspected_at,
       max(happened_at) FILTER (WHERE kind = 'contact_cleared') AS cleared_at
FROM timeline WHERE organisation_id = :organisation_id AND kind = ANY (:kinds::text[]) GROUP BY contact_id
HAVING count(*) FILTER (WHERE kind NOT IN ('contact_suspected', 'contact_cleared')) > 0;

-- name: letters_lately_of
-- The newest letters to an organisation, each with the last that happened to it.
SELECT letter_id, kind, what, happened_at FROM (
    SELECT DISTINCT ON (letter_id) letter_id, kind, what, happened_at FROM timeline
    WHERE organisation_id = :organisation_id AND letter_id IS NOT NULL AND kind LIKE 'letter\_%'
    ORDER BY letter_id, happened_at DESC, id DESC
) AS last ORDER BY happened_at DESC, letter_id LIMIT :most;

-- name: pledges_of
-- What an organisation has pledged, and what of that will not come, newest first.
SELECT what, happened_at, letter_id FROM timeline
WHERE organisation_id = :organisation_id AND kind IN ('contribution_pledged', 'contribution_written_back')
ORDER BY happened_at DESC, id DESC LIMIT :most;

-- name: tags_all
-- Every tag that an organisation has, by name.
SELECT t.id, t.name, t.key FROM tags AS t
WHERE EXISTS (SELECT FROM organisation_tags AS g WHERE g.tag_id = t.id) ORDER BY t.key LIMIT :most;

-- name: tags_of
-- The tags of one organisation, by name.
SELECT t.id, t.name, t.key FROM organisation_tags AS g JOIN tags AS t ON t.id = g.tag_id
WHERE g.organisation_id = :organisation_id ORDER BY t.key;

-- name: make_tag^
-- The tag of this name, made now if there was none.
INSERT INTO tags AS t (id, name, key, made_at) VALUES (:id, :name, :key, :now)
ON CONFLICT (key) DO UPDATE SET key = t.key RETURNING t.id, t.name, t.key;

-- name: tag_by_key^
-- The tag of this name.
SELECT id, name, key FROM tags WHERE key = :key;

-- name: tag_organisations
-- Put a tag on organisations. Those that have it already, or were merged, do not come back.
INSERT INTO organisation_tags (organisation_id, tag_id, tagged_at)
SELECT o.id, :tag_id, :now FROM organisations AS o
WHERE o.id = ANY(:organisations::uuid[]) AND o.merged_into IS NULL ORDER BY o.id FOR KEY SHARE
ON CONFLICT (organisation_id, tag_id) DO NOTHING RETURNING organisation_id;

-- name: untag_organisations
-- Take a tag from organisations. Those that do not have it do not come back.
DELETE FROM organisation_tags WHERE tag_id = :tag_id AND organisation_id = ANY(:organisations::uuid[])
RETURNING organisation_id;

-- name: move_tags!
-- The tags of an organisation that was merged go to the one that stays.
WITH moved AS (
    DELETE FROM organisation_tags WHERE organisation_id = :losing RETURNING tag_id, tagged_at
)
INSERT INTO organisation_tags (organisation_id, tag_id, tagged_at) SELECT :surviving, tag_id, tagged_at FROM moved
ON CONFLICT (organisation_id, tag_id) DO NOTHING;

-- name: forget_taggings_asked!
-- What somebody has asked for and never confirmed.
DELETE FROM taggings WHERE person_id = :person_id AND done_at IS NULL;

-- name: ask_tagging!
-- A tag is to be put on many organisations, or taken from them, once it is confirmed.
INSERT INTO taggings (id, person_id, tag_id, removes, organisations, query, asked_at)
SELECT :id, :person_id, :tag_id, :removes, coalesce(array_agg(o.id ORDER BY o.id), '{}'), :query, :now
FROM organisations AS o WHERE o.id = ANY(:organisations::uuid[]) AND o.merged_into IS NULL;

-- name: tagging^
-- One of somebody's own taggings, with the name of the tag and of the first organisations.
SELECT g.id, g.tag_id, g.removes, g.query, g.done_at, g.undone_at, cardinality(g.organisations) AS count,
       t.name AS tag,
       ARRAY(SELECT o.name FROM organisations AS o WHERE o.id = ANY(g.organisations) ORDER BY o.listed_as, o.id
             LIMIT :most) AS names
FROM taggings AS g JOIN tags AS t ON t.id = g.tag_id WHERE g.id = :id AND g.person_id = :person_id;

-- name: lock_tagging^
-- One of somebody's own taggings, locked.
SELECT id, tag_id, removes, organisations, query, done_at, undone_at FROM taggings
WHERE id = :id AND person_id = :person_id FOR UPDATE;

-- name: finish_tagging!
-- A tagging is done, and these are the organisations that it has changed.
UPDATE taggings SET organisations = :organisations::uuid[], done_at = :now WHERE id = :id;

-- name: note_undone!
-- A tagging is undone.
UPDATE taggings SET undone_at = :now WHERE id = :id;

-- name: views_of
-- The views that somebody may use, by name.
SELECT id, name, query, shared, person_id = :person_id AS own FROM saved_views
WHERE deleted_at IS NULL AND (shared OR person_id = :person_id) ORDER BY lower(name), id LIMIT :most;

-- name: save_view!
-- What was asked of the list, by a name.
INSERT INTO saved_views (id, person_id, name, query, shared, saved_at)
VALUES (:id, :person_id, :name, :query, :shared, :now);

-- name: lock_view^
-- A view that somebody may change: their own, or one for everybody.
SELECT id, name, query, shared, deleted_at FROM saved_views
WHERE id = :id AND (shared OR person_id = :person_id) FOR UPDATE;

-- name: rename_view!
-- A view is called something else from now on.
UPDATE saved_views SET name = :name WHERE id = :id;

-- name: set_view_deleted!
-- A view is no longer there, or is after all.
UPDATE saved_views SET deleted_at = :deleted_at::timestamptz WHERE id = :id;

-- name: forget_views_of!
-- The views of somebody who was forgotten; those for everybody stay, by nobody.
WITH own AS (DELETE FROM saved_views WHERE person_id = :person_id AND NOT shared)
DELETE FROM taggings WHERE person_id = :person_id AND done_at IS NULL;

-- name: views_held
-- What somebody has saved of the list.
SELECT name, query, shared, saved_at FROM saved_views WHERE person_id = :person_id ORDER BY saved_at;

-- name: searches_held
-- What was asked of the list and is kept: every view, and the lists from which tags were put on many by a search.
SELECT id, person_id, name, query FROM saved_views
UNION ALL SELECT id, person_id, '', query FROM taggings WHERE strpos(query, 'q=') > 0 ORDER BY id;

-- name: scrub_search!
-- A view, or the list of a tagging, in other words.
WITH viewed AS (UPDATE saved_views SET name = :name, query = :query WHERE id = :id)
UPDATE taggings SET query = :query WHERE id = :id;

-- name: purge_views$
-- Views that were deleted before a moment. How many.
WITH old AS (
    DELETE FROM saved_views WHERE id IN (
        SELECT id FROM saved_views WHERE deleted_at < :before ORDER BY deleted_at LIMIT :most FOR UPDATE SKIP LOCKED
    ) RETURNING 1
)
SELECT count(*) FROM old;
