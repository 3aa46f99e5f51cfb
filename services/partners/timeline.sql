-- name: timeline_listed
-- A page of an organisation's timeline, newest first, after an entry, with who entered or confirmed each and how many
-- files it has. A kind is found by how its code begins.
SELECT t.id, t.happened_at, t.kind, t.what, t.detail, t.letter_id, t.referral_id, t.written_by, t.place, p.name AS author,
       q.name AS confirmed_by,
       (SELECT count(*) FROM timeline_files AS f WHERE f.entry_id = t.id AND f.removed_at IS NULL) AS files
FROM timeline AS t LEFT JOIN people AS p ON p.id = t.written_by LEFT JOIN people AS q ON q.id = t.confirmed_by
WHERE t.organisation_id = :organisation_id AND t.removed_at IS NULL AND t.kind LIKE ANY(:kinds::text[])
  AND (:after::uuid IS NULL
       OR (t.happened_at, t.id) < (SELECT b.happened_at, b.id FROM timeline AS b WHERE b.id = :after::uuid))
ORDER BY t.happened_at DESC, t.id DESC LIMIT :most;

-- name: timeline_entry^
-- One entry, with its organisation and who entered it.
SELECT t.id, t.organisation_id, t.happened_at, t.kind, t.what, t.detail, t.letter_id, t.written_by, t.ends_at, t.place,
       t.our_people, t.their_contacts, t.removed_at, t.version, t.heard_at, t.changed_at, o.name AS organisation,
       p.name AS author
FROM timeline AS t JOIN organisations AS o ON o.id = t.organisation_id LEFT JOIN people AS p ON p.id = t.written_by
WHERE t.id = :id;

-- name: lock_entry^
-- One entry, locked: two people change it one after the other.
SELECT id, organisation_id, happened_at, kind, what, detail, written_by, ends_at, place, our_people, their_contacts,
       removed_at, version
FROM timeline WHERE id = :id FOR UPDATE;

-- name: hold_organisation^
-- An organisation for which something is entered. Until that is done, nobody merges or closes it.
SELECT id, name, closed_on, merged_into FROM organisations WHERE id = :id FOR SHARE;

-- name: enter_note!
-- Enter what a person wrote.
INSERT INTO timeline (id, organisation_id, happened_at, kind, what, detail, heard_at, written_by, ends_at, place,
                      our_people, their_contacts, referral_id, changed_at)
VALUES (:id, :organisation_id, :happened_at, :kind, :what, :detail, :now, :written_by, :ends_at, :place,
        :our_people, :their_contacts, :referral_id, :now);

-- name: change_note!
-- Put what a person wrote in place of what was there.
UPDATE timeline SET happened_at = :happened_at, what = :what, detail = :detail, ends_at = :ends_at, place = :place,
    our_people = :our_people, their_contacts = :their_contacts, version = version + 1, changed_at = :now
WHERE id = :id;

-- name: mark_removed!
-- Remove what a person wrote, or put it back without a moment.
UPDATE timeline SET removed_at = :removed_at, version = version + 1, changed_at = :now WHERE id = :id;

-- name: took_part
-- The names of these people of ours and of these contacts.
SELECT id, name, '' AS role, true AS ours FROM people WHERE id = ANY(:people::uuid[])
UNION ALL SELECT id, name, role, false FROM contacts WHERE id = ANY(:contacts::uuid[]) ORDER BY ours DESC, name, id;

-- name: may_take_part
-- Whoever of ours may sign in, and the contacts of an organisation; also those who took part already.
(SELECT id, name, '' AS role, true AS ours FROM people
 WHERE erased_at IS NULL AND barred_at IS NULL OR id = ANY(:people::uuid[]) ORDER BY name, id LIMIT :most)
UNION ALL
(SELECT id, name, role, false FROM contacts
 WHERE organisation_id = :organisation_id AND (withdrawn_on IS NULL OR id = ANY(:contacts::uuid[]))
 ORDER BY name, id LIMIT :most);

-- name: files_beside
-- The files beside an entry, and those that were removed and can be put back.
SELECT f.id, f.name, f.media_type, f.size, f.digest, f.received_at, t.removed_at
FROM timeline_files AS t JOIN files AS f ON f.id = t.file_id
WHERE t.entry_id = :entry_id ORDER BY f.received_at, f.id;

-- name: put_beside!
-- Put a file beside an entry.
INSERT INTO timeline_files (file_id, entry_id) VALUES (:file_id, :entry_id);

-- name: mark_file_removed!
-- Take a file from beside an entry, or put it back without a moment.
UPDATE timeline_files SET removed_at = :removed_at WHERE file_id = :file_id;

-- name: meetings_between
-- Meetings of all organisations that begin within a time.
SELECT t.id, t.happened_at, t.what, t.organisation_id, o.name AS organisation
FROM timeline AS t JOIN organisations AS o ON o.id = t.organisation_id
WHERE t.kind = 'meeting' AND t.removed_at IS NULL AND t.happened_at >= :since AND t.happened_at < :until
ORDER BY t.happened_at, t.id LIMIT :most;

-- name: letters_not_arrived
-- Contacts whose last letter did not arrive, while nothing was changed about them and no later letter went well.
WITH failed AS (
    SELECT DISTINCT ON (contact_id) contact_id, happened_at, organisation_id FROM timeline
    WHERE kind = 'letter_failed' AND contact_id IS NOT NULL ORDER BY contact_id, happened_at DESC
)
SELECT c.id, c.role, t.happened_at, t.organisation_id, o.name AS organisation FROM failed AS t
JOIN contacts AS c ON c.id = t.contact_id JOIN organisations AS o ON o.id = t.organisation_id
WHERE c.withdrawn_on IS NULL AND c.changed_at < t.happened_at AND o.closed_on IS NULL AND NOT EXISTS (
    SELECT FROM timeline AS s WHERE s.contact_id = c.id AND s.happened_at > t.happened_at
      AND s.kind IN ('letter_sent', 'letter_acknowledged', 'letter_answered')
)
ORDER BY t.happened_at, c.id LIMIT :most;

-- name: move_timeline!
-- What happened with one organisation happened with the other that it was merged into.
UPDATE timeline SET organisation_id = :surviving WHERE organisation_id = :losing;

-- name: fold_contacts_of_timeline!
-- Where two contacts are one from now on, letters to the losing one were to the surviving one, who took part once.
WITH one AS (
    SELECT losing, surviving FROM unnest(:losing::uuid[], :surviving::uuid[]) AS said (losing, surviving)
)
UPDATE timeline AS t SET
    contact_id = coalesce((SELECT one.surviving FROM one WHERE one.losing = t.contact_id), t.contact_id),
    their_contacts = ARRAY(
        SELECT coalesce(one.surviving, took_part.id)
        FROM unnest(t.their_contacts) WITH ORDINALITY AS took_part (id, number) LEFT JOIN one ON one.losing = took_part.id
        GROUP BY 1 ORDER BY min(took_part.number))
WHERE t.organisation_id = ANY(:organisations::uuid[])
  AND (t.contact_id = ANY(:losing::uuid[]) OR t.their_contacts && :losing::uuid[]);

-- name: homes_of
-- Where people and contacts belong.
SELECT id, organisation_id FROM contacts WHERE id = ANY(:ids::uuid[])
UNION ALL SELECT id, organisation_id FROM people WHERE id = ANY(:ids::uuid[]);

-- name: entries_held
-- What people wrote that somebody took part in or entered, of these organisations, or whose text holds a word.
SELECT t.id, t.organisation_id, t.happened_at, t.kind, t.what, t.detail, t.place, t.ends_at, t.written_by,
       t.our_people, t.their_contacts, o.name AS organisation,
       ARRAY(SELECT f.name FROM timeline_files AS b JOIN files AS f ON f.id = b.file_id
             WHERE b.entry_id = t.id ORDER BY f.name) AS files
FROM timeline AS t JOIN organisations AS o ON o.id = t.organisation_id
WHERE t.written_by IS NOT NULL AND (
    t.written_by = ANY(:ids::uuid[]) OR t.our_people && :ids::uuid[] OR t.their_contacts && :ids::uuid[]
    OR t.organisation_id = ANY(:organisations::uuid[])
    OR EXISTS (SELECT FROM unnest(:words::text[]) AS word
               WHERE strpos(lower(t.what || ' ' || t.detail || ' ' || t.place), lower(word)) > 0)
)
ORDER BY t.happened_at, t.id;

-- name: scrub_entry!
-- An entry without somebody: other words, and without them among those who took part.
UPDATE timeline SET what = :what, detail = :detail, place = :place, version = version + 1, changed_at = :now,
    our_people = ARRAY(SELECT id FROM unnest(our_people) AS id WHERE id <> ALL(:ids::uuid[])),
    their_contacts = ARRAY(SELECT id FROM unnest(their_contacts) AS id WHERE id <> ALL(:ids::uuid[]))
WHERE id = :id;

-- name: notes_until
-- What people wrote of a time before a moment.
SELECT id FROM timeline WHERE written_by IS NOT NULL AND kind IN ('note', 'call', 'meeting') AND happened_at < :before
ORDER BY happened_at LIMIT :most FOR UPDATE SKIP LOCKED;

-- name: notes_removed_until
-- What people wrote and removed before a moment.
SELECT id FROM timeline WHERE removed_at < :before ORDER BY removed_at LIMIT :most FOR UPDATE SKIP LOCKED;

-- name: forget_removed_files$
-- Let go of files that were removed before a moment. How many there were.
WITH old AS (
    SELECT file_id FROM timeline_files WHERE removed_at < :before ORDER BY removed_at LIMIT :most FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM files WHERE id IN (SELECT file_id FROM old) RETURNING 1
)
SELECT count(*) FROM gone;

-- name: forget_entries$
-- Let go of entries with the files beside them. How many there were.
WITH gone AS (
    DELETE FROM files AS f USING timeline_files AS b WHERE b.file_id = f.id AND b.entry_id = ANY(:ids::uuid[])
), forgotten AS (
    DELETE FROM timeline WHERE id = ANY(:ids::uuid[]) RETURNING 1
)
SELECT count(*) FROM forgotten;
