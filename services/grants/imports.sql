-- name: claim_import$
-- Whether this transaction may import: only one may at a time. Who else has the counts locked is soon done: it is waited
-- for, by lock_counts.
SELECT pg_try_advisory_xact_lock(7204204);

-- name: enter_import!
-- Begin to read a file.
INSERT INTO registration_imports (id, state, file_id, file_name, person_id, session_id, source, begun_at, moved_at)
VALUES (:id, 'reading', :file_id, :file_name, :person_id, :session_id, :source, :now, :now);

-- name: import_by_id^
-- One file and where it stands.
SELECT id, state, file_id, file_name, person_id, session_id, source, done, total, lines, shown, changed_since, moved_at
FROM registration_imports WHERE id = :id;

-- name: next_import^
-- The file that has waited longest for being read or taken in.
SELECT id, state, file_id, file_name, person_id, session_id, source, done, total, lines, shown, changed_since, moved_at
FROM registration_imports WHERE state IN ('reading', 'applying') ORDER BY moved_at, id LIMIT 1;

-- name: imports_listed
-- The newest files, and whether something in them is refused.
SELECT id, state, file_name, lines, begun_at, EXISTS (
    SELECT FROM registration_import_fates WHERE import_id = registration_imports.id AND fate = 'refused'
) AS refused
FROM registration_imports ORDER BY begun_at DESC, id DESC LIMIT :most;

-- name: order_import$
-- Let what was shown be done. Nothing comes back when there is nothing to do, or it was not shown.
UPDATE registration_imports SET state = 'applying', person_id = :person_id, session_id = :session_id, source = :source,
    done = 0, attempts = 0, changed_since = false, moved_at = :now
WHERE id = :id AND state = 'ready' AND shown = :shown AND NOT EXISTS (
    SELECT FROM registration_import_fates WHERE import_id = :id AND fate = 'refused'
)
RETURNING id;

-- name: show_import$
-- A file was read and compared. Nothing comes back when nobody wants it any more.
UPDATE registration_imports SET state = 'ready', lines = :lines, shown = :shown, moved_at = :now
WHERE id = :id AND state = 'reading' RETURNING id;

-- name: move_import^
-- Let a file go on from one state to another. Nothing comes back when it was in none of these.
UPDATE registration_imports SET state = :state, changed_since = :changed_since, done = 0, attempts = 0, moved_at = :now
WHERE id = :id AND state = ANY(:before::text[]) RETURNING id, file_id;

-- name: begin_attempt$
-- Count that somebody begins with a file; how often it was begun.
UPDATE registration_imports SET attempts = attempts + 1, done = 0, total = :total WHERE id = :id RETURNING attempts;

-- name: note_progress$
-- How far it is. Nothing comes back when nobody wants it any more.
UPDATE registration_imports SET done = :done WHERE id = :id AND state = :state RETURNING id;

-- name: enter_fates!
-- Write down what becomes of lines.
INSERT INTO registration_import_fates (import_id, line, fate, column_name, reason, cure, changes)
SELECT :import_id, said.line, fate, column_name, reason, cure,
       ARRAY(SELECT jsonb_array_elements_text(changes::jsonb))
FROM unnest(
    :lines::integer[], :fates::text[], :columns::text[], :reasons::text[], :cures::text[], :changes::text[]
) AS said (line, fate, column_name, reason, cure, changes);

-- name: drop_fates!
-- Forget what becomes of a file's lines.
DELETE FROM registration_import_fates WHERE import_id = :import_id;

-- name: fates_counted
-- How many lines of a file have each fate; one may be refused for several reasons.
SELECT fate, count(DISTINCT line) AS count FROM registration_import_fates WHERE import_id = :import_id GROUP BY fate;

-- name: fates_after
-- The next lines of a file with these fates, each with what becomes of it.
SELECT line, number, fate, column_name, reason, cure, changes FROM registration_import_fates
WHERE import_id = :import_id AND fate = ANY(:fates::text[]) AND (line, number) > (:line::integer, :number::bigint)
ORDER BY line, number LIMIT :most;

-- name: drop_old_imports
-- Let go of files that have had their time; which files they were.
DELETE FROM registration_imports WHERE begun_at < :before AND state NOT IN ('reading', 'applying') RETURNING file_id;

-- name: drop_waiting_imports
-- Let go of the files that are not taken in; which files they were.
DELETE FROM registration_imports WHERE state IN ('reading', 'ready', 'applying') RETURNING file_id;
