-- name: record_announcements!
-- Events to be published, in the transaction of what they announce.
INSERT INTO outbox (id, type, subject, body, expected, recorded_at, next_try)
SELECT new.id, new.type, new.subject, new.body, new.expected, :now, :now
FROM unnest(:ids::uuid[], :types::text[], :subjects::text[], :bodies::bytea[], :expected::boolean[])
     AS new (id, type, subject, body, expected);

-- name: present_epoch$
-- The owner's epoch: goes up after a restore.
SELECT value FROM epoch;

-- name: claim_outbox
-- Due rows, oldest first, that no other relay holds. The lock is kept until they are marked.
SELECT id, type, subject, body, expected, attempts FROM outbox
WHERE published_at IS NULL AND next_try <= :now
ORDER BY next_try, recorded_at, id LIMIT :most FOR UPDATE SKIP LOCKED;

-- name: mark_published!
-- The broker, or every inbox, has confirmed these.
UPDATE outbox SET published_at = :now, attempts = attempts + 1, last_failure = NULL WHERE id = ANY(:ids::uuid[]);

-- name: postpone!
-- These could not be published; each waits for its own next try, so that none hides another.
UPDATE outbox SET attempts = outbox.attempts + 1, last_failure = late.failure, next_try = late.next_try
FROM unnest(:ids::uuid[], :failures::text[], :tries::timestamptz[]) AS late (id, failure, next_try)
WHERE outbox.id = late.id;

-- name: outbox_state^
-- How much waits and since when; the reason most recently given.
SELECT count(*) AS pending, min(recorded_at) AS oldest,
       (array_agg(last_failure ORDER BY next_try DESC) FILTER (WHERE last_failure IS NOT NULL))[1] AS failure
FROM outbox WHERE published_at IS NULL;

-- name: next_due$
-- When the earliest postponed row is due.
SELECT min(next_try) FROM outbox WHERE published_at IS NULL;

-- name: announced_count$
-- How much was ever announced and is still kept.
SELECT count(*) FROM outbox;

-- name: announced_ids
-- The events of these types that are still kept.
SELECT id FROM outbox WHERE type = ANY(:types::text[]);

-- name: purge_outbox!
-- Published long ago.
DELETE FROM outbox WHERE published_at < :before;

-- name: enter_inbox
-- The ids of this batch that are new, entered in the order of ids so that two replicas cannot deadlock.
INSERT INTO inbox (id, digest, type, outcome, handled_at)
SELECT new.id, new.digest, new.type, :outcome, :now
FROM unnest(:ids::uuid[], :digests::bytea[], :types::text[]) AS new (id, digest, type)
ORDER BY new.id
ON CONFLICT (id) DO NOTHING RETURNING id;

-- name: known_digests
-- What was in the messages that had these ids.
SELECT id, digest FROM inbox WHERE id = ANY(:ids::uuid[]);

-- name: never_seen$
-- How many of these messages never came.
SELECT count(*) FROM unnest(:ids::uuid[]) AS given (id) WHERE NOT EXISTS (SELECT FROM inbox WHERE inbox.id = given.id);

-- name: set_outcome!
-- A later word on a message: ignored, handled after a retry, discarded by a person.
UPDATE inbox SET outcome = :outcome, handled_at = :now WHERE id = ANY(:ids::uuid[]);

-- name: purge_inbox!
-- Handled longer ago than any replay or backup reaches.
DELETE FROM inbox WHERE handled_at < :before AND outcome <> 'parked';

-- name: handled_count$
-- Messages that had their effect.
SELECT count(*) FROM inbox WHERE outcome = 'handled';

-- name: park!
-- Keep a message that could not be handled, with the reason, where a person can see it.
INSERT INTO parked (id, type, subject, body, content_type, reason, failure, attempts, parked_at, next_try)
VALUES (:id, :type, :subject, :body, :content_type, :reason, :failure, :attempts, :now, :next_try)
ON CONFLICT (id) DO NOTHING;

-- name: lock_due_parked^
-- The parked message that is due first and that nobody else is trying.
SELECT * FROM parked WHERE next_try <= :now ORDER BY next_try LIMIT 1 FOR UPDATE SKIP LOCKED;

-- name: postpone_parked!
-- Tried again without success; NULL as next try leaves it to a person.
UPDATE parked SET attempts = :attempts, failure = :failure, reason = :reason, next_try = :next_try WHERE id = :id;

-- name: unpark!
-- It was handled, or a person discarded it.
DELETE FROM parked WHERE id = :id;

-- name: parked_messages
-- What waits, oldest first. The body stays where it is.
SELECT id, type, subject, reason, failure, attempts, parked_at, next_try FROM parked ORDER BY parked_at, id LIMIT :most;

-- name: parked_by_reason
-- How many wait, by reason.
SELECT reason, count(*) AS count FROM parked GROUP BY reason;

-- name: retry_parked
-- Make these due at once; all of them when no id is given.
UPDATE parked SET next_try = :now WHERE cardinality(:ids::uuid[]) = 0 OR id = ANY(:ids::uuid[]) RETURNING id;

-- name: discard_parked
-- A person decided that these need not be handled.
DELETE FROM parked WHERE id = ANY(:ids::uuid[]) RETURNING id;

-- name: sealed_until
-- Published events of these types that still have what was sealed in them, from before a moment.
SELECT id, body FROM outbox
WHERE type = ANY(:types::text[]) AND published_at < :before AND scrubbed_at IS NULL
ORDER BY published_at LIMIT :most FOR UPDATE SKIP LOCKED;

-- name: sealed_of_types
-- All published events of these types that still have what was sealed in them.
SELECT id, body FROM outbox
WHERE type = ANY(:types::text[]) AND published_at IS NOT NULL AND scrubbed_at IS NULL;

-- name: rewrite_announced!
-- What stays of events without their sealed parts.
UPDATE outbox SET body = scrubbed.body, scrubbed_at = :now
FROM unnest(:ids::uuid[], :bodies::bytea[]) AS scrubbed (id, body) WHERE outbox.id = scrubbed.id;

-- name: every_parked
-- All parked messages with what is in them, to be scrubbed; one that was given up by the broker is of no known type.
SELECT id, body FROM parked ORDER BY id;

-- name: rewrite_parked!
-- What stays of a parked message without its sealed parts.
UPDATE parked SET body = :body WHERE id = :id;

-- name: begin_night$
-- Take on a night's work; nothing comes back when another replica has.
INSERT INTO nights (night, began_at) VALUES (:night, :now) ON CONFLICT (night) DO NOTHING RETURNING night;

-- name: note_life!
-- Those services live, or lived at that moment. A sign that comes late changes nothing.
INSERT INTO signs_of_life AS known (service, sent_at)
SELECT service, sent_at FROM unnest(:services::text[], :moments::timestamptz[]) AS new (service, sent_at)
ON CONFLICT (service) DO UPDATE SET sent_at = excluded.sent_at WHERE known.sent_at < excluded.sent_at;

-- name: signs_of_life
-- When the newest sign of life was sent, of each service that was ever heard.
SELECT service, sent_at FROM signs_of_life;

-- name: given_answer^
-- The answer already given to this key.
SELECT digest, status, location, body, media_type FROM idempotency WHERE key = :key;

-- name: keep_answer!
-- The answer given to this key, in the transaction of what it did.
INSERT INTO idempotency (key, digest, status, location, body, media_type, given_at)
VALUES (:key, :digest, :status, :location, :body, :media_type, :now);

-- name: purge_answers!
-- Nobody repeats a request after so long.
DELETE FROM idempotency WHERE given_at < :before;

-- name: lock_key^
-- Two sendings of one form wait for each other.
SELECT pg_advisory_xact_lock(hashtextextended(:key, 0));

-- name: enter_file!
-- A file whose content is still to come.
INSERT INTO files (id, name, media_type, size, digest, received_at)
VALUES (:id, :name, :media_type, 0, '', :now);

-- name: enter_file_part!
-- The next part of a file.
INSERT INTO file_parts (file_id, number, content) VALUES (:file_id, :number, :content);

-- name: complete_file!
-- All of a file is there.
UPDATE files SET size = :size, digest = :digest WHERE id = :id;

-- name: file_by_id^
-- What is known of a file.
SELECT id, name, media_type, size, digest FROM files WHERE id = :id;

-- name: file_part$
-- One part of a file.
SELECT content FROM file_parts WHERE file_id = :file_id AND number = :number;

-- name: drop_files!
-- Let go of files and their parts.
DELETE FROM files WHERE id = ANY(:ids::uuid[]);
