-- name: take_in$
-- Keep what is known of a mail, once for each; its id, or nothing when it was taken in before.
INSERT INTO incoming (
    id, digest, received_at, kind, state, reason, sender, sender_name, verified, subject, words, folded, returns_on,
    moved_to, failed, why, hard
) VALUES (
    :id, :digest, :now, :kind, 'held', '', :sender, :sender_name, :verified, :subject, :words, :folded, :returns_on,
    :moved_to, :failed, :why, :hard
) ON CONFLICT (digest) DO NOTHING RETURNING id;

-- name: keep_raw!
-- Where the mail is kept as it came.
UPDATE incoming SET file_id = :file_id WHERE id = :id;

-- name: meant
-- Those of these letters that there are, and the one of this reference, with whom they went to.
SELECT l.id, l.state, l.reference, lower(c.email) AS email FROM letters l LEFT JOIN contacts c ON c.id = l.contact_id
WHERE l.id = ANY(:ids::uuid[]) OR l.reference = :reference ORDER BY l.id;

-- name: match!
-- A mail is about this letter and no other. Settled at once when nothing is left to be done.
UPDATE incoming SET state = 'matched', letter_id = :letter_id, reason = :reason, settled_at = :settled_at,
    version = version + 1
WHERE id = :id;

-- name: led_to!
-- An answer was recorded because of this mail.
UPDATE incoming SET answer_id = :answer_id WHERE id = :id;

-- name: unmatch!
-- It is about another letter: it is held again.
UPDATE incoming SET state = 'held', letter_id = NULL, answer_id = NULL, settled_at = NULL, reason = :reason,
    version = version + 1
WHERE id = :id;

-- name: another_like_it$
-- Another mail of the same kind that is about the same letter, the first one.
SELECT id FROM incoming WHERE letter_id = :letter_id AND kind = :kind AND id <> :id ORDER BY id LIMIT 1;

-- name: not_bounced!
-- What came back was another letter.
UPDATE letters SET delivery = '', changed_at = :now, version = version + 1 WHERE id = :id AND delivery = 'bounced';

-- name: hold!
-- A mail waits for a person, because of this.
UPDATE incoming SET reason = :reason WHERE id = :id;

-- name: came_before$
-- Whether an earlier mail of the same kind came for the same letter.
SELECT EXISTS (SELECT FROM incoming WHERE letter_id = :letter_id AND kind = :kind AND id <> :id);

-- name: set_delivery^
-- What is known of a letter's arrival.
UPDATE letters l SET delivery = :delivery, changed_at = :now, version = l.version + 1
FROM campaigns m WHERE l.id = :id AND m.id = l.campaign_id RETURNING l.*, m.name AS campaign;

-- name: lock_incoming^
-- One mail, which nobody else changes until this transaction ends.
SELECT * FROM incoming WHERE id = :id FOR UPDATE;

-- name: incoming_by_id^
-- One mail with its letter, if it has one.
SELECT i.*, l.reference, l.body_name, l.organisation_id FROM incoming i LEFT JOIN letters l ON l.id = i.letter_id
WHERE i.id = :id;

-- name: settle!
-- A person has seen to it.
UPDATE incoming SET settled_at = :now, version = version + 1 WHERE id = :id;

-- name: set_aside!
-- It is about no letter.
UPDATE incoming SET state = 'aside', settled_at = :now, version = version + 1 WHERE id = :id;

-- name: open_incoming
-- What waits for a person, oldest first, from a place on: what is held, or what is our turn.
SELECT i.id, i.received_at, i.kind, i.state, i.reason, i.sender, i.sender_name, i.verified, i.subject, i.returns_on,
       i.why, i.moved_to, i.letter_id, l.body_name, l.reference
FROM incoming i LEFT JOIN letters l ON l.id = i.letter_id
WHERE i.settled_at IS NULL AND i.state = :state
    AND (:after::uuid IS NULL OR (i.received_at, i.id) > (SELECT a.received_at, a.id FROM incoming a WHERE a.id = :after))
ORDER BY i.received_at, i.id LIMIT :most;

-- name: all_incoming
-- Everything that came, newest first, from a place on.
SELECT i.id, i.received_at, i.kind, i.state, i.reason, i.sender, i.sender_name, i.verified, i.subject, i.returns_on,
       i.why, i.moved_to, i.letter_id, l.body_name, l.reference
FROM incoming i LEFT JOIN letters l ON l.id = i.letter_id
WHERE :after::uuid IS NULL OR (i.received_at, i.id) < (SELECT a.received_at, a.id FROM incoming a WHERE a.id = :after)
ORDER BY i.received_at DESC, i.id DESC LIMIT :most;

-- name: count_open^
-- How much waits for a person: held, and our turn; and the oldest of each.
SELECT count(*) FILTER (WHERE state = 'held') AS held, count(*) FILTER (WHERE state = 'matched') AS turn,
       (array_agg(id ORDER BY received_at, id) FILTER (WHERE state = 'held'))[1] AS oldest_held,
       (array_agg(id ORDER BY received_at, id) FILTER (WHERE state = 'matched'))[1] AS oldest_turn
FROM incoming WHERE settled_at IS NULL;

-- name: incoming_of
-- What came for a letter, newest first.
SELECT id, received_at, kind, sender, sender_name, verified, subject, words, returns_on, why, moved_to, settled_at
FROM incoming WHERE letter_id = :letter_id ORDER BY received_at DESC, id DESC LIMIT :most;

-- name: suggested
-- Letters that a held mail may be about, the likeliest first: by the reference in it, by the address that it is from,
-- by a body that it names, by the domain that it is from where few bodies share that.
WITH shared AS (
    SELECT count(DISTINCT organisation_id) AS bodies FROM contacts WHERE split_part(lower(email), '@', 2) = :domain
), likely AS (
    SELECT id, 1 AS rank FROM letters WHERE reference = ANY(:references::text[])
    UNION ALL
    SELECT l.id, 2 FROM contacts c JOIN letters l ON l.contact_id = c.id WHERE lower(c.email) = ANY(:addresses::text[])
    UNION ALL
    SELECT l.id, 3 FROM organisations o JOIN letters l ON l.organisation_id = o.id
    WHERE length(o.name) > 5 AND position(lower(o.name) IN :text) > 0
    UNION ALL
    SELECT l.id, 4 FROM shared s CROSS JOIN contacts c JOIN letters l ON l.contact_id = c.id
    WHERE s.bodies BETWEEN 1 AND 3 AND split_part(lower(c.email), '@', 2) = :domain
), best AS (
    SELECT id, min(rank) AS rank FROM likely GROUP BY id
)
SELECT b.rank, l.id, l.reference, l.body_name, l.role, l.frozen #>> '{values,contact_name}' AS contact_name, l.sent_at,
       m.name AS campaign
FROM best b JOIN letters l ON l.id = b.id JOIN campaigns m ON m.id = l.campaign_id
WHERE l.state IN ('sent', 'unknown', 'failed') ORDER BY b.rank, l.sent_at DESC NULLS LAST, l.id LIMIT :most;

-- name: letters_found
-- Letters that left, by the beginning of their reference or by a word of their body's name, newest first.
SELECT 5 AS rank, l.id, l.reference, l.body_name, l.role, l.frozen #>> '{values,contact_name}' AS contact_name, l.sent_at,
       m.name AS campaign
FROM letters l JOIN campaigns m ON m.id = l.campaign_id
WHERE l.state IN ('sent', 'unknown', 'failed')
    AND (lower(l.reference) LIKE :pattern || '%' OR lower(l.body_name) LIKE '%' || :pattern || '%')
ORDER BY l.sent_at DESC NULLS LAST, l.id LIMIT :most;

-- name: reached$
-- How far a mailbox was read, as long as its numbers mean the same; nothing where it is new.
SELECT uid FROM mailboxes WHERE id = :id AND uid_validity = :uid_validity;

-- name: reach!
-- A mailbox was read up to here. It never goes back, but for when its numbers mean something else.
INSERT INTO mailboxes (id, uid_validity, uid) VALUES (:id, :uid_validity, :uid)
ON CONFLICT (id) DO UPDATE SET uid_validity = excluded.uid_validity, uid = CASE
    WHEN mailboxes.uid_validity = excluded.uid_validity THEN greatest(mailboxes.uid, excluded.uid) ELSE excluded.uid
END;

-- name: incoming_held
-- What came for these letters or from these addresses.
SELECT id, received_at, kind, sender, sender_name, subject, words, folded, file_id FROM incoming
WHERE (letter_id = ANY(:letter_ids::uuid[]) OR sender = ANY(:emails::text[])) AND scrubbed_at IS NULL
ORDER BY received_at, id;

-- name: raw_until
-- Mails that have been kept as they came for as long as they may be.
SELECT id FROM incoming WHERE received_at < :before AND file_id IS NOT NULL
ORDER BY received_at, id LIMIT :most FOR UPDATE SKIP LOCKED;

-- name: unmatched_until
-- What came, is about no letter and has had its time.
SELECT id FROM incoming WHERE received_at < :before AND letter_id IS NULL AND scrubbed_at IS NULL
ORDER BY received_at, id LIMIT :most FOR UPDATE SKIP LOCKED;

-- name: drop_raw
-- Keep these no longer as they came; the files that are to go.
WITH old AS (SELECT id, file_id FROM incoming WHERE id = ANY(:ids::uuid[]) AND file_id IS NOT NULL),
gone AS (UPDATE incoming i SET file_id = NULL FROM old WHERE i.id = old.id)
SELECT file_id FROM old;

-- name: scrub_incoming$
-- Keep no longer who wrote and what: that something of its kind came stays. How many.
WITH scrubbed AS (
    UPDATE incoming SET
        sender = '', sender_name = '', subject = '', words = '', folded = '', moved_to = '{}', failed = '{}',
        state = CASE WHEN state = 'held' THEN 'aside' ELSE state END, settled_at = coalesce(settled_at, :now),
        scrubbed_at = :now, version = version + 1
    WHERE id = ANY(:ids::uuid[]) AND scrubbed_at IS NULL RETURNING 1
)
SELECT count(*) FROM scrubbed;

-- name: mails_about
-- The mails that came for these letters, and those from these addresses.
SELECT id FROM incoming
WHERE (letter_id = ANY(:letter_ids::uuid[]) OR sender = ANY(:emails::text[])) AND scrubbed_at IS NULL ORDER BY id;
