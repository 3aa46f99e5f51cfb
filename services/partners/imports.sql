-- name: claim_import$
-- Whether this transaction may read or apply a file: only one may at a time.
SELECT pg_try_advisory_xact_lock(7204202);

-- name: enter_import!
-- Begin with a file.
INSERT INTO imports (id, state, file_id, file_name, format, names, speaks_of, kinds, areas, closeness, source,
                     begun_at, moved_at)
VALUES (:id, :state, :file_id, :file_name, :format, :names, :speaks_of, :kinds, :areas, :closeness, :source,
        :now, :now);

-- name: import_by_id^
-- One file and where it stands.
SELECT id, state, file_id, file_name, format, names, speaks_of, kinds, areas, closeness, person_id, session_id,
       source, done, total, lines, shown, changed_since, attempts, begun_at, moved_at
FROM imports WHERE id = :id;

-- name: next_import^
-- The file that has waited longest for being read or applied.
SELECT id, state, file_id, file_name, format, names, speaks_of, kinds, areas, closeness, person_id, session_id,
       source, done, total, lines, shown, changed_since, attempts, begun_at, moved_at
FROM imports WHERE state IN ('reading', 'applying') ORDER BY moved_at, id LIMIT 1;

-- name: imports_listed
-- The newest files, and whether something in them is refused.
SELECT id, state, file_name, format, lines, begun_at, EXISTS (
    SELECT FROM import_fates AS f WHERE f.import_id = imports.id AND f.fate = 'refused'
) AS refused
FROM imports ORDER BY begun_at DESC, id DESC LIMIT :most;

-- name: choose_import$
-- Say what a file is and let it be read. Nothing comes back when it was said already.
UPDATE imports SET state = 'reading', format = :format, names = :names, speaks_of = :speaks_of, kinds = :kinds,
                   areas = :areas, closeness = :closeness, person_id = :person_id, session_id = :session_id,
                   source = :source, done = 0, total = NULL, attempts = 0, changed_since = false, moved_at = :now
WHERE id = :id AND state IN ('chosen', 'ready') RETURNING id;

-- name: move_import^
-- Let a file go on from one state to another. Nothing comes back when it was in none of these.
UPDATE imports SET state = :state, changed_since = :changed_since, done = 0, attempts = 0, moved_at = :now
WHERE id = :id AND state = ANY(:before::text[]) RETURNING id, file_id;

-- name: order_import$
-- Let what was shown be applied. Nothing comes back when there is nothing to apply, or it was not shown.
UPDATE imports AS i SET state = 'applying', person_id = :person_id, session_id = :session_id, source = :source,
       done = 0, attempts = 0, moved_at = :now, changed_since = false,
       total = (SELECT count(*) FROM import_fates AS f WHERE f.import_id = i.id AND f.what <> 'line')
WHERE i.id = :id AND i.state = 'ready' AND i.shown = :shown
  AND NOT EXISTS (SELECT FROM import_fates AS f WHERE f.import_id = i.id AND f.fate = 'refused')
RETURNING i.id;

-- name: show_import$
-- A file was read and compared. Nothing comes back when nobody wants it any more.
UPDATE imports SET state = 'ready', lines = :lines, shown = :shown, moved_at = :now
WHERE id = :id AND state = 'reading' RETURNING id;

-- name: begin_attempt$
-- Count that somebody begins with a file; how often it was begun.
UPDATE imports SET attempts = attempts + 1, done = 0, total = coalesce(:total, total) WHERE id = :id RETURNING attempts;

-- name: note_progress$
-- How far it is. Nothing comes back when nobody wants it any more.
UPDATE imports SET done = :done WHERE id = :id AND state = :state RETURNING id;

-- name: drop_import!
-- Let go of a file's lines and of all that was found out about them.
DELETE FROM imports WHERE id = :id;

-- name: drop_old_imports
-- Let go of files that have had their time; which files they were.
DELETE FROM imports WHERE begun_at < :before AND state NOT IN ('reading', 'applying') RETURNING file_id;

-- name: drop_imports_with
-- Let go of the files that have an address which is to be forgotten; which files they were.
DELETE FROM imports WHERE id IN (SELECT l.import_id FROM import_lines AS l WHERE l.email_digest = :digest)
RETURNING file_id;

-- name: drop_lines!
-- Forget the lines of a file, before it is read again.
DELETE FROM import_lines WHERE import_id = :import_id;

-- name: drop_organisations!
-- Forget which organisations a file has, before they are told apart again.
DELETE FROM import_organisations WHERE import_id = :import_id;

-- name: drop_fates!
-- Forget what becomes of a file's lines.
DELETE FROM import_fates WHERE import_id = :import_id;

-- name: tell_organisations_apart!
-- Find the first line of each organisation of a file; the register knows the ids of those that it has.
INSERT INTO import_organisations (import_id, line, identifier, id)
SELECT DISTINCT ON (l.identifier) l.import_id, l.line, l.identifier, coalesce(o.id, l.organisation_id)
FROM import_lines AS l LEFT JOIN organisations AS o ON o.identifier = l.identifier
WHERE l.import_id = :import_id
ORDER BY l.identifier, l.line;

-- name: count_lines!
-- Let the planner know how many lines there are. It still thinks of the file before.
ANALYZE import_lines;

-- name: count_organisations!
-- Let the planner know how many organisations there are.
ANALYZE import_organisations;

-- name: join_whole_files!
-- What follows looks at a whole file beside itself and the register: no line leads to a search of its own, also where
-- nobody may count the lines (above: only owners may) or the planner has reckoned with a smaller file.
SET LOCAL enable_nestloop = off;

-- name: join_as_planned!
-- What follows looks at a few lines at a time.
SET LOCAL enable_nestloop = on;

-- name: pass_over_merged
-- Leave out what another register still names and what was merged here; each with its survivor.
WITH RECURSIVE followed AS (
    SELECT o.line, o.identifier, r.merged_into AS here, 1 AS steps
    FROM import_organisations AS o JOIN organisations AS r ON r.id = o.id
    WHERE o.import_id = :import_id AND r.merged_into IS NOT NULL
    UNION ALL
    SELECT f.line, f.identifier, r.merged_into, f.steps + 1
    FROM followed AS f JOIN organisations AS r ON r.id = f.here WHERE r.merged_into IS NOT NULL AND f.steps < 20
), gone AS (
    DELETE FROM import_organisations AS o USING followed AS f
    WHERE o.import_id = :import_id AND o.line = f.line
)
SELECT DISTINCT ON (f.line) f.line, f.identifier, r.identifier AS survivor, l.name
FROM followed AS f JOIN organisations AS r ON r.id = f.here
JOIN import_lines AS l ON l.import_id = :import_id AND l.line = f.line
ORDER BY f.line, f.steps DESC;

-- name: find_successors!
-- Note who succeeds each organisation of a file: whom the file names, or, where it is silent, who does already.
UPDATE import_organisations AS o
SET successor_id = CASE WHEN l.successor IS NOT NULL THEN coalesce(f.id, r.id)
                        WHEN k.id IS NOT NULL AND NOT 'successor' = ANY(:speaks_of::text[]) THEN k.successor_id END
FROM import_lines AS l
LEFT JOIN organisations AS k ON k.identifier = l.identifier
LEFT JOIN organisations AS r ON r.identifier = l.successor
LEFT JOIN import_organisations AS f ON f.import_id = l.import_id AND f.identifier = l.successor
WHERE o.import_id = :import_id AND l.import_id = o.import_id AND l.line = o.line
  AND (l.successor IS NOT NULL OR k.successor_id IS NOT NULL);

-- name: lines_that_disagree
-- Lines that contradict the first one of their organisation, and in which columns.
SELECT l.line, first.line AS first, array_remove(ARRAY[
    CASE WHEN l.name <> first.name THEN 'name' END,
    CASE WHEN l.kinds IS DISTINCT FROM first.kinds THEN 'kinds' END,
    CASE WHEN l.areas IS DISTINCT FROM first.areas THEN 'areas' END,
    CASE WHEN l.closeness IS DISTINCT FROM first.closeness THEN 'closeness' END,
    CASE WHEN l.opened_on IS DISTINCT FROM first.opened_on THEN 'opened_on' END,
    CASE WHEN l.closed_on IS DISTINCT FROM first.closed_on THEN 'closed_on' END,
    CASE WHEN l.successor IS DISTINCT FROM first.successor THEN 'successor' END,
    CASE WHEN l.postal_address IS DISTINCT FROM first.postal_address THEN 'postal_address' END,
    CASE WHEN l.postcode IS DISTINCT FROM first.postcode THEN 'postcode' END,
    CASE WHEN l.telephone IS DISTINCT FROM first.telephone THEN 'telephone' END,
    CASE WHEN l.website IS DISTINCT FROM first.website THEN 'website' END], NULL) AS columns
FROM import_organisations AS o
JOIN import_lines AS first ON first.import_id = o.import_id AND first.line = o.line
JOIN import_lines AS l ON l.import_id = o.import_id AND l.identifier = o.identifier AND l.line > o.line
WHERE o.import_id = :import_id
  AND (l.name, l.kinds, l.areas, l.closeness, l.opened_on, l.closed_on, l.successor, l.postal_address, l.postcode,
       l.telephone, l.website) IS DISTINCT FROM
      (first.name, first.kinds, first.areas, first.closeness, first.opened_on, first.closed_on, first.successor,
       first.postal_address, first.postcode, first.telephone, first.website)
ORDER BY l.line LIMIT :most;

-- name: lines_that_repeat
-- Lines that name a contact again, and which line named it first.
SELECT line, first FROM (
    SELECT line, min(line) OVER (PARTITION BY identifier, contact_role, contact_name) AS first
    FROM import_lines
    WHERE import_id = :import_id AND contact_name IS NOT NULL AND contact_role IS NOT NULL
) AS named
WHERE line > first ORDER BY line LIMIT :most;

-- name: lines_of_nothing_new!
-- Write down of lines that have no contact and whose organisation stands on an earlier one, that it does.
INSERT INTO import_fates (import_id, line, fate, what, name, reason, changes)
SELECT l.import_id, l.line, 'passed_over', 'line', l.name,
       'It says the same as line ' || o.line || '.', '{}'
FROM import_organisations AS o
JOIN import_lines AS l ON l.import_id = o.import_id AND l.identifier = o.identifier AND l.line > o.line
WHERE o.import_id = :import_id AND l.contact_name IS NULL
  AND NOT EXISTS (SELECT FROM import_fates AS f
                  WHERE f.import_id = l.import_id AND f.line = l.line AND f.fate = 'refused');

-- name: unknown_successors
-- Organisations of a file that are succeeded by one that neither the file nor the register has.
SELECT o.line, l.successor FROM import_organisations AS o
JOIN import_lines AS l ON l.import_id = o.import_id AND l.line = o.line
WHERE o.import_id = :import_id AND l.successor IS NOT NULL AND o.successor_id IS NULL
ORDER BY o.line LIMIT :most;

-- name: rings_of_successors
-- Organisations of a file from which one comes back by way of successors, or to no end.
WITH RECURSIVE links AS MATERIALIZED (
    SELECT o.id, o.successor_id FROM import_organisations AS o
    WHERE o.import_id = :import_id AND o.successor_id IS NOT NULL
    UNION ALL
    SELECT r.id, r.successor_id FROM organisations AS r
    WHERE r.successor_id IS NOT NULL
      AND NOT EXISTS (SELECT FROM import_organisations AS o WHERE o.import_id = :import_id AND o.id = r.id)
), walk AS (
    SELECT o.line, o.id AS start, o.successor_id AS here, 1 AS steps FROM import_organisations AS o
    WHERE o.import_id = :import_id AND o.successor_id IS NOT NULL
    UNION ALL
    SELECT w.line, w.start, l.successor_id, w.steps + 1 FROM walk AS w JOIN links AS l ON l.id = w.here
    WHERE w.here <> w.start AND w.steps < :longest
)
SELECT DISTINCT line FROM walk WHERE here = start OR steps = :longest ORDER BY line LIMIT :most;

-- name: lines_of_merged
-- Lines that name a body, as itself or as a successor, which was merged into another one here; and its survivor.
WITH RECURSIVE named AS (
    SELECT o.line, 'identifier' AS column_name, o.identifier, o.id AS body FROM import_organisations AS o
    WHERE o.import_id = :import_id
    UNION ALL
    SELECT o.line, 'successor', l.successor, o.successor_id FROM import_organisations AS o
    JOIN import_lines AS l ON l.import_id = o.import_id AND l.line = o.line
    WHERE o.import_id = :import_id AND l.successor IS NOT NULL
), followed AS (
    SELECT n.line, n.column_name, n.identifier, r.merged_into AS here, 1 AS steps
    FROM named AS n JOIN organisations AS r ON r.id = n.body WHERE r.merged_into IS NOT NULL
    UNION ALL
    SELECT f.line, f.column_name, f.identifier, r.merged_into, f.steps + 1
    FROM followed AS f JOIN organisations AS r ON r.id = f.here WHERE r.merged_into IS NOT NULL AND f.steps < 20
)
SELECT DISTINCT ON (f.line, f.column_name) f.line, f.column_name, f.identifier, r.identifier AS survivor
FROM followed AS f JOIN organisations AS r ON r.id = f.here
ORDER BY f.line, f.column_name, f.steps DESC LIMIT :most;

-- name: lines_of_the_erased
-- Lines with the address of somebody who has asked to be forgotten, unless they say it of who has it here already.
SELECT l.line FROM import_lines AS l JOIN erased_addresses AS e ON e.digest = l.email_digest
WHERE l.import_id = :import_id AND NOT EXISTS (
    SELECT FROM contacts AS c JOIN organisations AS o ON o.id = c.organisation_id
    WHERE o.identifier = l.identifier AND c.role = l.contact_role AND c.name = l.contact_name
      AND lower(c.email) = lower(l.contact_email) AND c.erased_at IS NULL
)
ORDER BY l.line LIMIT :most;

-- name: staged_organisations_after
-- The next organisations of a file, as their lines say they are, with who then succeeds each.
SELECT o.line, o.id, o.successor_id, l.identifier, l.name, l.kinds, l.areas, l.closeness, l.opened_on, l.closed_on,
       l.postal_address, l.postcode, l.telephone, l.website, l.successor, s.identifier AS known_successor
FROM import_organisations AS o JOIN import_lines AS l ON l.import_id = o.import_id AND l.line = o.line
LEFT JOIN organisations AS k ON k.id = o.id
LEFT JOIN organisations AS s ON s.id = k.successor_id
WHERE o.import_id = :import_id AND o.line > :after ORDER BY o.line LIMIT :most;

-- name: staged_contacts_after
-- The next contacts of a file, as their lines say they are.
SELECT l.line, coalesce(c.id, l.contact_id) AS id, o.id AS organisation_id, l.name AS organisation,
       l.contact_role AS role, l.contact_name AS name, l.contact_channel AS channel, l.contact_email AS email,
       l.contact_address AS postal_address, l.contact_postcode AS postcode, l.contact_source AS source,
       l.contact_listed_on AS listed_on, l.contact_withdrawn_on AS withdrawn_on
FROM import_lines AS l JOIN import_organisations AS o ON o.import_id = l.import_id AND o.identifier = l.identifier
LEFT JOIN contacts AS c ON c.organisation_id = o.id AND c.role = l.contact_role AND c.name = l.contact_name
WHERE l.import_id = :import_id AND l.line > :after AND l.contact_name IS NOT NULL ORDER BY l.line LIMIT :most;

-- name: organisations_amended_after
-- The next organisations of a file that were written at a moment, or of which a contact was.
SELECT o.line, o.id FROM import_organisations AS o JOIN organisations AS r ON r.id = o.id
WHERE o.import_id = :import_id AND o.line > :after
  AND (r.changed_at = :now
       OR EXISTS (SELECT FROM contacts AS c WHERE c.organisation_id = o.id AND c.changed_at = :now))
ORDER BY o.line LIMIT :most;

-- name: organisations_unmentioned$
-- How many organisations of the register a file does not name, of those whose identifiers begin so.
SELECT count(*) FROM organisations AS o
WHERE starts_with(o.identifier, :prefix) AND o.merged_into IS NULL
  AND NOT EXISTS (SELECT FROM import_organisations AS s WHERE s.import_id = :import_id AND s.id = o.id);

-- name: contacts_unmentioned$
-- How many contacts a file does not name although it names their organisation.
SELECT count(*) FROM contacts AS c JOIN import_organisations AS o ON o.id = c.organisation_id
WHERE o.import_id = :import_id AND NOT EXISTS (
    SELECT FROM import_lines AS l
    WHERE l.import_id = o.import_id AND l.identifier = o.identifier AND l.contact_role = c.role
      AND l.contact_name = c.name
);

-- name: unmentioned_organisations
-- A page of the organisations that a file does not name, by name, after the given one.
SELECT o.id, o.identifier, o.name, o.closed_on FROM organisations AS o
WHERE starts_with(o.identifier, :prefix) AND o.merged_into IS NULL
  AND NOT EXISTS (SELECT FROM import_organisations AS s WHERE s.import_id = :import_id AND s.id = o.id)
  AND (:after::uuid IS NULL
       OR (o.listed_as, o.id) > (SELECT p.listed_as, p.id FROM organisations AS p WHERE p.id = :after::uuid))
ORDER BY o.listed_as, o.id LIMIT :most;

-- name: unmentioned_contacts
-- A page of the contacts that a file does not name although it names their organisation, after the given one.
SELECT c.id, c.name, c.role, c.withdrawn_on, o.id AS organisation_id, r.name AS organisation
FROM contacts AS c JOIN import_organisations AS o ON o.id = c.organisation_id
JOIN organisations AS r ON r.id = c.organisation_id
WHERE o.import_id = :import_id AND (:after::uuid IS NULL OR c.id > :after::uuid) AND NOT EXISTS (
    SELECT FROM import_lines AS l
    WHERE l.import_id = o.import_id AND l.identifier = o.identifier AND l.contact_role = c.role
      AND l.contact_name = c.name
)
ORDER BY c.id LIMIT :most;

-- name: fates_counted
-- How many things of a file have each fate; a line may be refused for several reasons.
SELECT what, fate, CASE fate WHEN 'refused' THEN count(DISTINCT line) ELSE count(*) END AS count
FROM import_fates WHERE import_id = :import_id GROUP BY what, fate;

-- name: faults_of
-- The first faults of a file.
SELECT line, column_name, reason, cure FROM import_fates
WHERE import_id = :import_id AND fate = 'refused' ORDER BY line, number LIMIT :most;

-- name: notices_of
-- What is to be looked at in a file although nothing is wrong.
SELECT name, reason FROM import_fates WHERE import_id = :import_id AND fate = 'notice' ORDER BY number;

-- name: fates_after
-- A page of what becomes of the lines of a file, after the given one; of some fates.
SELECT line, number, fate, what, thing_id, name, column_name, reason, cure, changes FROM import_fates
WHERE import_id = :import_id AND fate = ANY(:fates::text[]) AND (line, number) > (:line, :number)
ORDER BY line, number LIMIT :most;
