-- name: begin_file!
-- A file of the ledger of which nothing was compared yet.
INSERT INTO ledger_files (name, reached) VALUES (:name, 0) ON CONFLICT (name) DO NOTHING;

-- name: lock_file$
-- How far a file was compared, for whoever compares it further.
SELECT reached FROM ledger_files WHERE name = :name FOR UPDATE;

-- name: reach_file!
-- A file was compared so far.
UPDATE ledger_files SET reached = :reached WHERE name = :name;

-- name: files_reached
-- How far each file was compared.
SELECT name, reached FROM ledger_files;

-- name: forget_files!
-- Files that are no more.
DELETE FROM ledger_files WHERE name <> ALL (:names::text[]);

-- name: enter_begun$
-- Attempts of the ledger of which this database does not know. How many.
WITH entered AS (
    INSERT INTO begun_sends (message_id, attempt, kind, id, begun_at)
    SELECT s.message_id, s.attempt, s.kind, s.id, s.begun
    FROM jsonb_to_recordset(:lines::jsonb) AS s (message_id text, attempt integer, kind text, id uuid, begun timestamptz)
    WHERE NOT EXISTS (SELECT FROM letters l WHERE s.kind = 'letter' AND l.id = s.id AND l.begun >= s.attempt)
      AND NOT EXISTS (SELECT FROM chasers k WHERE s.kind = 'chaser' AND k.id = s.id AND k.begun >= s.attempt)
      AND NOT EXISTS (SELECT FROM notices n WHERE s.kind = 'notice' AND n.id = s.id AND n.attempts >= s.attempt)
    ON CONFLICT (message_id, attempt) DO NOTHING RETURNING 1
)
SELECT count(*) FROM entered;

-- name: doubt_unsent$
-- Of everything that this database believes unsent it is not known whether it was begun since: there is no ledger to
-- ask. How many.
WITH unsent AS (
    SELECT message_id, begun + 1 AS attempt, 'letter' AS kind, id FROM letters
    WHERE state IN ('draft', 'blocked', 'ready', 'sending')
    UNION ALL
    SELECT message_id, begun + 1, 'chaser', id FROM chasers WHERE state IN ('ready', 'sending')
    UNION ALL
    SELECT '<' || id || '>', attempts + 1, 'notice', id FROM notices WHERE state IN ('ready', 'sending')
), entered AS (
    INSERT INTO begun_sends (message_id, attempt, kind, id, begun_at)
    SELECT message_id, attempt, kind, id, :now FROM unsent ON CONFLICT (message_id, attempt) DO NOTHING RETURNING 1
)
SELECT count(*) FROM entered;

-- name: count_unknown_to_us$
-- Of these attempts, those of which this database does not know.
SELECT count(*) FROM jsonb_to_recordset(:lines::jsonb) AS s (attempt integer, kind text, id uuid)
WHERE NOT EXISTS (SELECT FROM letters l WHERE s.kind = 'letter' AND l.id = s.id AND l.begun >= s.attempt)
  AND NOT EXISTS (SELECT FROM chasers k WHERE s.kind = 'chaser' AND k.id = s.id AND k.begun >= s.attempt)
  AND NOT EXISTS (SELECT FROM notices n WHERE s.kind = 'notice' AND n.id = s.id AND n.attempts >= s.attempt);

-- name: end_begun!
-- How attempts ended: one that was certainly not taken is as if it had never begun.
WITH ended AS (
    SELECT * FROM jsonb_to_recordset(:lines::jsonb) AS s (message_id text, attempt integer, fate text)
), never AS (
    DELETE FROM begun_sends b USING ended e
    WHERE b.message_id = e.message_id AND b.attempt = e.attempt AND e.fate IN ('later', 'refused')
)
UPDATE begun_sends b SET taken = true FROM ended e
WHERE b.message_id = e.message_id AND b.attempt = e.attempt AND e.fate = 'sent';

-- name: not_settled
-- What has ended, as the ledger says, and is still being sent by what this database knows: its sender was lost in between.
SELECT e.id, e.letter_id, e.claimed_at, e.number, s.fate, s.ended
FROM jsonb_to_recordset(:lines::jsonb) AS s (message_id text, attempt integer, fate text, ended timestamptz)
JOIN (
    SELECT id, id AS letter_id, claimed_at, NULL::integer AS number, message_id, begun FROM letters
    WHERE state = 'sending'
    UNION ALL
    SELECT id, letter_id, claimed_at, number, message_id, begun FROM chasers WHERE state = 'sending'
) e ON e.message_id = s.message_id AND e.begun = s.attempt
WHERE s.fate <> 'unknown' ORDER BY e.letter_id;

-- name: any_begun$
-- Whether the ledger knows of anything of which this database does not.
SELECT EXISTS (SELECT FROM begun_sends);

-- name: hold_letters$
-- Letters that this database believes unsent although the ledger says that they were begun. How many.
WITH begun AS (
    SELECT message_id, max(attempt) AS attempt, max(begun_at) AS begun_at FROM begun_sends GROUP BY message_id
), held AS (
    UPDATE letters l SET
        state = 'unknown', begun = b.attempt, claimed_at = b.begun_at, failure = :failure, cure = :cure,
        changed_at = :now, version = l.version + 1
    FROM begun b WHERE l.message_id = b.message_id AND l.begun < b.attempt AND l.state IN ('ready', 'sending')
    RETURNING l.id
), noted AS (
    INSERT INTO letter_history (letter_id, at, what, who)
    SELECT id, :now, 'Perhaps sent: it was begun before a backup was restored', 'the sender' FROM held
)
SELECT count(*) FROM held;

-- name: hold_chasers$
-- Chasers that this database believes unsent although the ledger says that they were begun. How many.
WITH begun AS (
    SELECT message_id, max(attempt) AS attempt, max(begun_at) AS begun_at FROM begun_sends GROUP BY message_id
), held AS (
    UPDATE chasers k SET
        state = 'unknown', begun = b.attempt, claimed_at = b.begun_at, failure = :failure, cure = :cure,
        changed_at = :now
    FROM begun b WHERE k.message_id = b.message_id AND k.begun < b.attempt AND k.state IN ('ready', 'sending')
    RETURNING k.letter_id
), touched AS (
    UPDATE letters l SET changed_at = :now, version = l.version + 1 FROM held WHERE l.id = held.letter_id
), noted AS (
    INSERT INTO letter_history (letter_id, at, what, who)
    SELECT letter_id, :now, 'Perhaps chased: it was begun before a backup was restored', 'the sender' FROM held
)
SELECT count(*) FROM held;

-- name: hold_notices$
-- Messages that this database believes unsent although the ledger says that they were begun. Their words stay until a
-- person has said what becomes of them. How many.
WITH begun AS (
    SELECT id, max(attempt) AS attempt, max(begun_at) AS begun_at FROM begun_sends WHERE kind = 'notice' GROUP BY id
), held AS (
    UPDATE notices n SET state = 'unknown', attempts = b.attempt, claimed_at = b.begun_at
    FROM begun b WHERE n.id = b.id AND n.attempts < b.attempt AND n.state IN ('ready', 'sending') RETURNING 1
)
SELECT count(*) FROM held;

-- name: held_by_kind^
-- How many of each kind are held, how many of them the mail server has taken, and what is not known here at all.
SELECT count(*) FILTER (WHERE l.id IS NOT NULL) AS letters, count(*) FILTER (WHERE k.id IS NOT NULL) AS chasers,
       count(*) FILTER (WHERE n.id IS NOT NULL) AS notices,
       count(*) FILTER (WHERE b.taken AND (l.id IS NOT NULL OR k.id IS NOT NULL OR n.id IS NOT NULL)) AS taken,
       count(*) FILTER (WHERE NOT b.here) AS elsewhere,
       min(b.begun_at) FILTER (WHERE NOT b.here) AS first_elsewhere,
       max(b.begun_at) FILTER (WHERE NOT b.here) AS last_elsewhere
FROM (
    SELECT DISTINCT ON (s.message_id) s.*,
        EXISTS (SELECT FROM letters x WHERE x.id = s.id) OR EXISTS (SELECT FROM notices x WHERE x.id = s.id)
        OR EXISTS (SELECT FROM chasers x WHERE x.message_id = s.message_id) AS here
    FROM begun_sends s ORDER BY s.message_id, s.attempt DESC
) AS b
LEFT JOIN letters l ON l.id = b.id AND l.state = 'unknown' AND l.begun = b.attempt
LEFT JOIN chasers k ON k.message_id = b.message_id AND k.state = 'unknown' AND k.begun = b.attempt
LEFT JOIN notices n ON n.id = b.id AND n.state = 'unknown' AND n.settled_at IS NULL AND n.attempts = b.attempt;

-- name: held
-- What is held, the oldest first: that which the mail server has taken before the rest.
SELECT b.kind, coalesce(k.id, b.id) AS id, b.begun_at, b.taken, l.id AS letter_id, l.reference, l.body_name,
       m.name AS campaign, k.number AS chaser_number, n.kind AS notice_kind, n.not_after
FROM (
    SELECT DISTINCT ON (s.message_id) s.* FROM begun_sends s ORDER BY s.message_id, s.attempt DESC
) AS b
LEFT JOIN chasers k ON b.kind = 'chaser' AND k.message_id = b.message_id
LEFT JOIN letters l ON l.id = coalesce(k.letter_id, b.id)
LEFT JOIN campaigns m ON m.id = l.campaign_id
LEFT JOIN notices n ON n.id = b.id
WHERE (NOT :only_taken OR b.taken) AND (
    b.kind = 'letter' AND l.state = 'unknown' AND l.begun = b.attempt
    OR b.kind = 'chaser' AND k.state = 'unknown' AND k.begun = b.attempt
    OR n.state = 'unknown' AND n.settled_at IS NULL AND n.attempts = b.attempt
)
ORDER BY b.taken DESC, b.begun_at, b.message_id LIMIT :most;

-- name: lock_held_notice^
-- A message that is held, for whoever says what becomes of it.
SELECT * FROM notices WHERE id = :id AND state = 'unknown' AND settled_at IS NULL FOR UPDATE;

-- name: resend_notice!
-- A person decided that it goes again, under the same Message-ID.
UPDATE notices SET state = 'ready', claimed_at = NULL, next_try = :now WHERE id = :id;

-- name: mark_notice_sent!
-- Somebody knows that it arrived. Its words and the address are forgotten.
UPDATE notices SET state = 'sent', settled_at = :now, email = NULL, subject = NULL, body = NULL WHERE id = :id;

-- name: let_go_of_held_notices!
-- Held until they were of no use to anybody any more.
UPDATE notices SET settled_at = :now, email = NULL, subject = NULL, body = NULL
WHERE state = 'unknown' AND settled_at IS NULL AND not_after <= :now;

-- name: forget_begun$
-- Attempts that are older than any backup. How many.
WITH gone AS (DELETE FROM begun_sends WHERE begun_at < :before RETURNING 1) SELECT count(*) FROM gone;
