-- name: record_announcements!
-- Events to be published, in the transaction of what they announce. The relay is woken at commit, once for all of them.
WITH recorded AS (
    INSERT INTO outbox (id, type, subject, body, expected, recorded_at, next_try)
    SELECT new.id, new.type, new.subject, new.body, new.expected, :now, :now
    FROM unnest(:ids::uuid[], :types::text[], :subjects::text[], :bodies::bytea[], :expected::boolean[])
         AS new (id, type, subject, body, expected)
)
SELECT pg_notify(:channel, '');

-- name: present_epoch$
-- The owner's epoch: goes up after a restore.
SELECT value FROM epoch;

-- name: raise_epoch!
-- This database was restored: what it says from now on beats what copies have heard of the lost time.
UPDATE epoch SET value = value + 1;

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

-- name: little_memory$
-- From here to the end of the transaction, what does not fit into so little goes to the server's disk.
SELECT set_config('work_mem', '64kB', true);

-- name: has_room$
-- Some megabytes on the server's disk, which are gone again at once. Fails where there is no room for them.
SELECT count(*) FROM generate_series(1, 200000);

-- name: next_due$
-- When the earliest postponed row is due.
SELECT min(next_try) FROM outbox WHERE published_at IS NULL;

-- name: announced_count$
-- How much was ever announced and is still kept.
SELECT count(*) FROM outbox;

-- name: announced_ids
-- The events of these types that are still kept.
SELECT id FROM outbox WHERE type = ANY(:types::text[]);

-- name: story_of$
-- The story that an announced event is a part of; empty where it has none.
SELECT coalesce(convert_from(body, 'UTF8')::jsonb ->> 'correlationid', '') FROM outbox WHERE id = :id;

-- name: announced_in
-- The events of a story, as far as they are still kept, and one event in any case. What is in them stays there.
SELECT said.* FROM (
    SELECT id, type, subject, recorded_at, published_at, attempts, last_failure,
           convert_from(body, 'UTF8')::jsonb ->> 'correlationid' AS correlationid,
           coalesce(convert_from(body, 'UTF8')::jsonb ->> 'causationid', '') AS causationid
    FROM outbox
) AS said
WHERE said.correlationid = :correlationid OR said.id = :id
ORDER BY said.recorded_at, said.id LIMIT :most;

-- name: fates_of
-- What became of messages here; of those that are parked, why and when they are tried again.
SELECT i.id, i.type, i.outcome, i.handled_at, p.reason, p.failure, p.attempts, p.next_try
FROM inbox AS i LEFT JOIN parked AS p ON p.id = i.id WHERE i.id = ANY(:ids::uuid[]);

-- name: published_page
-- Published events that are still whole, after an id.
SELECT id, type FROM outbox
WHERE published_at IS NOT NULL AND scrubbed_at IS NULL AND id > :after ORDER BY id LIMIT :most;

-- name: publish_again!
-- These are due once more.
UPDATE outbox SET published_at = NULL, next_try = :now WHERE id = ANY(:ids::uuid[]);

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

-- name: never_heard
-- Which of these messages never came.
SELECT given.id FROM unnest(:ids::uuid[]) AS given (id) WHERE NOT EXISTS (SELECT FROM inbox WHERE inbox.id = given.id);

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

-- name: parked_chosen
-- One parked message, or all that were parked for a reason up to a moment: in the order of ids, as long as it takes.
SELECT id FROM parked
WHERE (:id::uuid IS NULL OR id = :id::uuid) AND (:reason::text IS NULL OR reason = :reason::text)
  AND parked_at <= :until ORDER BY id FOR UPDATE;

-- name: note_settled!
-- What became of a request about parked messages.
INSERT INTO parked_settled (ask_id, number, done_at) VALUES (:ask_id, :number, :now) ON CONFLICT (ask_id) DO NOTHING;

-- name: settled_lately
-- Requests that were settled last, the newest first.
SELECT ask_id, number, done_at FROM parked_settled ORDER BY done_at DESC, ask_id LIMIT :most;

-- name: purge_settled!
-- Settled so long ago that everybody has heard.
DELETE FROM parked_settled WHERE done_at < :before;

-- name: lock_last_report^
-- The last report, and whether a request was settled since; nothing while another replica makes the next one.
SELECT number, told_at, worth,
       EXISTS (SELECT FROM parked_settled AS s WHERE s.done_at > reports.told_at) AS owes
FROM reports FOR UPDATE SKIP LOCKED;

-- name: note_report!
-- This is the last report now.
UPDATE reports SET number = :number, told_at = :now, worth = :worth;

-- name: revision$
-- Which revision the tables are at.
SELECT version_num FROM alembic_version;

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
-- When the newest sign of life was sent, of each service that was ever heard; of this one, when it began to listen.
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

-- name: table_sizes
-- About how many rows each table has.
SELECT relname AS name, n_live_tup AS rows FROM pg_stat_user_tables ORDER BY relname;
