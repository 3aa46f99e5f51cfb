-- name: lock_letters_to_print
-- Letters that go by post and wait, in the order in which they are printed; those that somebody else holds wait longer, and
-- so do those of which a restored database does not know whether they went.
SELECT l.id FROM letters l JOIN campaigns m ON m.id = l.campaign_id
JOIN bodies b ON b.campaign_id = l.campaign_id AND b.organisation_id = l.organisation_id
WHERE l.state = 'ready' AND l.channel = 'post' AND m.state IN ('sending', 'sent')
  AND (:campaign_id::uuid IS NULL OR l.campaign_id = :campaign_id)
  AND NOT EXISTS (SELECT FROM begun_sends s WHERE s.message_id = l.message_id AND s.attempt > l.begun)
ORDER BY m.number, l.number, l.id LIMIT :most FOR UPDATE OF l, b SKIP LOCKED;

-- name: lock_chasers_to_print
-- Chasers that go by post and wait, with their letters, in the order in which they are printed.
SELECT k.id AS chaser_id, l.id FROM chasers k JOIN letters l ON l.id = k.letter_id JOIN campaigns m ON m.id = l.campaign_id
JOIN bodies b ON b.campaign_id = l.campaign_id AND b.organisation_id = l.organisation_id
WHERE k.state = 'ready' AND k.channel = 'post' AND m.state NOT IN ('paused', 'stopped')
  AND (:campaign_id::uuid IS NULL OR l.campaign_id = :campaign_id)
  AND NOT EXISTS (SELECT FROM begun_sends s WHERE s.message_id = k.message_id AND s.attempt > k.begun)
ORDER BY m.number, l.number, l.id LIMIT :most FOR UPDATE OF k, l, b SKIP LOCKED;

-- name: facts_of_letters
-- What decides whether each of these letters may be posted, and where it goes by now.
SELECT l.id, l.contact_id, m.state = 'stopped' AS campaign_stopped, o.closed_on, t.name AS successor,
       l.scrubbed_at IS NULL AND c.name IS NOT NULL AND (c.withdrawn_on IS NULL OR c.withdrawn_on > :today) AS listed,
       c.postal_address, c.postcode, c.source,
       EXISTS (SELECT FROM letters b WHERE b.campaign_id = l.campaign_id AND b.organisation_id = l.organisation_id
                 AND b.answer NOT IN ('silent', 'auto_replied', 'acknowledged')) AS body_answered,
       EXISTS (SELECT FROM answers a WHERE a.letter_id = l.id AND a.way = 'page') AS answered_on_its_page
FROM letters l
JOIN campaigns m ON m.id = l.campaign_id
LEFT JOIN contacts c ON c.id = l.contact_id
LEFT JOIN organisations o ON o.id = l.organisation_id
LEFT JOIN organisations t ON t.id = o.successor_id
WHERE l.id = ANY (:ids::uuid[]);

-- name: set_letters_aside!
-- These letters do not go, each for its reason, with a line in the history of each.
WITH given AS (
    SELECT * FROM jsonb_to_recordset(:letters::jsonb) AS g (id uuid, reason text, failure text, cure text)
), aside AS (
    UPDATE letters l SET
        state = 'blocked', reason = given.reason, failure = given.failure, cure = given.cure, next_try = NULL,
        changed_at = :now, version = l.version + 1
    FROM given WHERE l.id = given.id AND l.state = 'ready' RETURNING l.id, l.failure
)
INSERT INTO letter_history (letter_id, at, what, who, person_id) SELECT id, :now, 'Not printed: ' || failure, :who, :person_id::uuid FROM aside;

-- name: withhold_chasers!
-- These chasers do not go, each for its reason, with a line in the history of each letter.
WITH given AS (
    SELECT * FROM jsonb_to_recordset(:chasers::jsonb) AS g (id uuid, reason text, failure text)
), held AS (
    UPDATE chasers k SET
        state = 'withheld', reason = given.reason, failure = given.failure, next_try = NULL, changed_at = :now
    FROM given WHERE k.id = given.id AND k.state = 'ready' RETURNING k.letter_id, k.failure
), touched AS (
    UPDATE letters l SET changed_at = :now, version = l.version + 1 FROM held WHERE l.id = held.letter_id
)
INSERT INTO letter_history (letter_id, at, what, who, person_id) SELECT letter_id, :now, 'Not chased: ' || failure, :who, :person_id::uuid FROM held;

-- name: enter_batch$
-- A batch whose file is to be made. Its number.
INSERT INTO post_batches (id, campaign_id, duplex, state, made_on, made_at, made_by)
VALUES (:id, :campaign_id, :duplex, 'making', :today, :now, :by) RETURNING number;

-- name: fill_batch!
-- What is in a batch, in order: printed from now on, with a line in the history of each letter.
WITH given AS (
    SELECT * FROM jsonb_to_recordset(:items::jsonb) AS g (number integer, letter_id uuid, chaser_id uuid, says jsonb)
), items AS (
    INSERT INTO post_items (batch_id, number, letter_id, chaser_id, says, state)
    SELECT :batch_id, number, letter_id, chaser_id, says, 'printed' FROM given
), letters_printed AS (
    UPDATE letters l SET
        state = CASE WHEN given.chaser_id IS NULL THEN 'printed' ELSE l.state END,
        dated = CASE WHEN given.chaser_id IS NULL THEN :today ELSE l.dated END,
        frozen = CASE WHEN given.chaser_id IS NULL THEN l.frozen || given.says ELSE l.frozen END,
        next_try = NULL, changed_at = :now, version = l.version + 1
    FROM given WHERE l.id = given.letter_id
), chasers_printed AS (
    UPDATE chasers k SET state = 'printed', next_try = NULL, changed_at = :now FROM given WHERE k.id = given.chaser_id
)
INSERT INTO letter_history (letter_id, at, what, who, person_id)
SELECT letter_id, :now, CASE WHEN chaser_id IS NULL THEN 'To be printed: ' ELSE 'Chaser to be printed: ' END
    || 'no. ' || number || ' of post batch ' || :batch_number::integer, :who, :person_id::uuid
FROM given;

-- name: waiting_to_be_printed
-- How much waits to be printed in each campaign, and whether it is paused.
SELECT m.id, m.name, m.state, coalesce(l.count, 0) AS letters, coalesce(k.count, 0) AS chasers
FROM campaigns m
LEFT JOIN (
    SELECT campaign_id, count(*) AS count FROM letters WHERE state = 'ready' AND channel = 'post' GROUP BY campaign_id
) l ON l.campaign_id = m.id
LEFT JOIN (
    SELECT l.campaign_id, count(*) AS count FROM chasers k JOIN letters l ON l.id = k.letter_id
    WHERE k.state = 'ready' AND k.channel = 'post' GROUP BY l.campaign_id
) k ON k.campaign_id = m.id
WHERE (l.count > 0 OR k.count > 0) AND m.state IN ('sending', 'sent', 'paused')
  AND (:campaign_id::uuid IS NULL OR m.id = :campaign_id)
ORDER BY m.number;

-- name: batches
-- The newest batches, those that are to be posted first; of one campaign, those that it has something in.
SELECT b.*, m.name AS campaign, i.letters, i.printed, i.posted, i.spoiled, i.withheld
FROM post_batches b LEFT JOIN campaigns m ON m.id = b.campaign_id
JOIN LATERAL (
    SELECT count(*) AS letters, count(*) FILTER (WHERE i.state = 'printed') AS printed,
           count(*) FILTER (WHERE i.state = 'posted') AS posted, count(*) FILTER (WHERE i.state = 'spoiled') AS spoiled,
           count(*) FILTER (WHERE i.state = 'withheld') AS withheld,
           bool_or(l.campaign_id = :campaign_id) AS has
    FROM post_items i JOIN letters l ON l.id = i.letter_id WHERE i.batch_id = b.id
) i ON true
WHERE :campaign_id::uuid IS NULL OR i.has
ORDER BY b.state IN ('making', 'made') DESC, b.number DESC LIMIT :most;

-- name: batches_to_be_posted
-- Files that were made and of which nobody has said that they were posted.
SELECT b.id, b.number, m.name AS campaign FROM post_batches b LEFT JOIN campaigns m ON m.id = b.campaign_id
WHERE b.state = 'made' ORDER BY b.number;

-- name: batch^
-- One batch with what has come of it.
SELECT b.*, m.name AS campaign, i.letters, i.printed, i.posted, i.spoiled, i.withheld
FROM post_batches b LEFT JOIN campaigns m ON m.id = b.campaign_id
JOIN LATERAL (
    SELECT count(*) AS letters, count(*) FILTER (WHERE i.state = 'printed') AS printed,
           count(*) FILTER (WHERE i.state = 'posted') AS posted, count(*) FILTER (WHERE i.state = 'spoiled') AS spoiled,
           count(*) FILTER (WHERE i.state = 'withheld') AS withheld
    FROM post_items i WHERE i.batch_id = b.id
) i ON true
WHERE b.id = :id;

-- name: paused_in
-- Campaigns of which a batch has sheets to be posted although they are paused, with the numbers of these.
SELECT m.id, m.name, array_agg(i.number ORDER BY i.number) AS numbers
FROM post_items i JOIN letters l ON l.id = i.letter_id JOIN campaigns m ON m.id = l.campaign_id
WHERE i.batch_id = :batch_id AND i.state = 'printed' AND m.state = 'paused'
GROUP BY m.id, m.name, m.number ORDER BY m.number;

-- name: lock_batch^
-- One batch, for whoever moves it.
SELECT * FROM post_batches WHERE id = :id FOR UPDATE;

-- name: items_of
-- What is in a batch, in order, from a place on.
SELECT i.number, i.letter_id, i.chaser_id, i.state, i.why, i.first_page, i.pages, i.says, l.body_name, l.reference,
       k.number AS chaser_number
FROM post_items i JOIN letters l ON l.id = i.letter_id LEFT JOIN chasers k ON k.id = i.chaser_id
WHERE i.batch_id = :batch_id AND i.number > :after AND (:state = '' OR i.state = :state)
ORDER BY i.number LIMIT :most;

-- name: claim_batch^
-- The oldest batch without a file that nobody is making.
UPDATE post_batches SET claimed_at = :now, done = 0 WHERE id = (
    SELECT id FROM post_batches WHERE state = 'making' AND (claimed_at IS NULL OR claimed_at < :before)
    ORDER BY number LIMIT 1 FOR UPDATE SKIP LOCKED
) RETURNING *, (SELECT name FROM campaigns WHERE id = campaign_id) AS campaign;

-- name: items_to_print
-- The next letters of a batch with all that is printed of them.
SELECT i.number AS place, i.says, i.chaser_id, w.body AS chaser_body, l.*, m.name AS campaign,
       coalesce(l.own_subject, m.subject) AS subject, coalesce(l.own_body, m.body) AS body
FROM post_items i
JOIN letters l ON l.id = i.letter_id
JOIN campaigns m ON m.id = l.campaign_id
LEFT JOIN chasers k ON k.id = i.chaser_id
LEFT JOIN chaser_words w ON w.campaign_id = l.campaign_id AND w.version = k.words
WHERE i.batch_id = :batch_id AND i.number > :after AND i.state = 'printed'
ORDER BY i.number LIMIT :most;

-- name: advance_batch$
-- So many letters of a batch are set. Nothing when somebody else makes it, or nobody any more.
UPDATE post_batches SET done = :done, claimed_at = :now
WHERE id = :id AND state = 'making' AND claimed_at = :claimed_at RETURNING claimed_at;

-- name: complete_batch$
-- The file of a batch is there. Nothing when somebody else has made it, or nobody wants it any more.
UPDATE post_batches SET state = 'made', file_id = :file_id, pages = :pages, claimed_at = NULL
WHERE id = :id AND state = 'making' AND claimed_at = :claimed_at RETURNING number;

-- name: place_items!
-- Where in the file each letter of a batch is.
UPDATE post_items i SET first_page = p.first_page, pages = p.pages
FROM jsonb_to_recordset(:places::jsonb) AS p (number integer, first_page integer, pages integer)
WHERE i.batch_id = :batch_id AND i.number = p.number;

-- name: take_batch!
-- Somebody has taken the file.
UPDATE post_batches SET taken = taken + 1, taken_at = :now WHERE id = :id;

-- name: settle_exceptions!
-- What of a batch was not posted: spoiled, then it waits to be printed again; or taken out, then it does not go. With a
-- line in the history of each letter.
WITH given AS (
    SELECT * FROM jsonb_to_recordset(:exceptions::jsonb)
        AS g (number integer, state text, why text, reason text, cure text)
), items AS (
    UPDATE post_items i SET state = given.state, why = given.why FROM given
    WHERE i.batch_id = :batch_id AND i.number = given.number AND i.state = 'printed'
    RETURNING i.letter_id, i.chaser_id, given.*
), letters_settled AS (
    UPDATE letters l SET
        state = CASE WHEN items.chaser_id IS NOT NULL THEN l.state WHEN items.state = 'spoiled' THEN 'ready' ELSE 'blocked' END,
        next_try = CASE WHEN items.chaser_id IS NULL AND items.state = 'spoiled' AND m.state <> 'paused' THEN :now::timestamptz END,
        reason = CASE WHEN items.chaser_id IS NOT NULL THEN l.reason WHEN items.state = 'withheld' THEN items.reason END,
        failure = CASE WHEN items.chaser_id IS NOT NULL THEN l.failure WHEN items.state = 'withheld' THEN items.why END,
        cure = CASE WHEN items.chaser_id IS NOT NULL THEN l.cure WHEN items.state = 'withheld' THEN items.cure END,
        changed_at = :now, version = l.version + 1
    FROM items, campaigns m
    WHERE l.id = items.letter_id AND m.id = l.campaign_id AND (items.chaser_id IS NOT NULL OR l.state = 'printed')
), chasers_settled AS (
    UPDATE chasers k SET
        state = CASE items.state WHEN 'spoiled' THEN 'ready' ELSE 'withheld' END,
        next_try = CASE items.state WHEN 'spoiled' THEN :now::timestamptz END,
        reason = CASE items.state WHEN 'withheld' THEN items.reason END,
        failure = CASE items.state WHEN 'withheld' THEN items.why END, changed_at = :now
    FROM items WHERE k.id = items.chaser_id AND k.state = 'printed'
)
INSERT INTO letter_history (letter_id, at, what, who, person_id)
SELECT letter_id, :now,
       CASE state WHEN 'spoiled' THEN 'Not posted, to be printed again: ' ELSE 'Not posted: ' END || why, :who, :person_id::uuid
FROM items;

-- name: post_batch
-- All that is left in a batch was posted, with a line in the history of each letter. Gives the letters that are sent by
-- it, and of chasers nothing.
WITH items AS (
    UPDATE post_items SET state = 'posted' WHERE batch_id = :batch_id AND state = 'printed'
    RETURNING letter_id, chaser_id
), chasers_posted AS (
    UPDATE chasers k SET state = 'sent', sent_at = :sent_at, changed_at = :now FROM items
    WHERE k.id = items.chaser_id AND k.state = 'printed'
), touched AS (
    UPDATE letters l SET changed_at = :now, version = l.version + 1 FROM items
    WHERE items.chaser_id IS NOT NULL AND l.id = items.letter_id
), noted AS (
    INSERT INTO letter_history (letter_id, at, what, who, person_id)
    SELECT letter_id, :now, CASE WHEN chaser_id IS NULL THEN 'Posted on ' ELSE 'Chaser posted on ' END || :day::text, :who, :person_id::uuid FROM items
)
UPDATE letters l SET
    state = 'sent', sent_at = :sent_at, lateness = '', changed_at = :now, version = l.version + 1,
    waits_since = CASE WHEN l.answer IN ('silent', 'auto_replied') THEN :waits_since ELSE coalesce(l.waits_since, :waits_since) END
FROM items, campaigns m
WHERE l.id = items.letter_id AND items.chaser_id IS NULL AND l.state = 'printed' AND m.id = l.campaign_id
RETURNING l.id, l.version, l.campaign_id, m.name AS campaign, l.organisation_id, l.contact_id, l.role, l.sent_at, l.ask_pence;

-- name: happened_since$
-- Whether anything stands in the history of a letter of a batch since somebody said what became of the batch.
SELECT EXISTS (
    SELECT FROM post_batches b JOIN post_items i ON i.batch_id = b.id
    JOIN letter_history h ON h.letter_id = i.letter_id AND h.at > b.settled_at
    WHERE b.id = :batch_id AND i.state = 'posted'
);

-- name: repost_batch
-- A batch was posted on another day, with a line in the history of each letter. Gives the letters that were sent by it,
-- and of chasers nothing.
WITH items AS (
    SELECT letter_id, chaser_id FROM post_items WHERE batch_id = :batch_id AND state = 'posted'
), chasers_moved AS (
    UPDATE chasers k SET sent_at = :sent_at, changed_at = :now FROM items WHERE k.id = items.chaser_id
), touched AS (
    UPDATE letters l SET changed_at = :now, version = l.version + 1 FROM items
    WHERE items.chaser_id IS NOT NULL AND l.id = items.letter_id
), noted AS (
    INSERT INTO letter_history (letter_id, at, what, because, who, person_id)
    SELECT letter_id, :now, CASE WHEN chaser_id IS NULL THEN 'Put right: posted on ' ELSE 'Put right: chaser posted on ' END
        || :day::text, :because::text, :who, :person_id::uuid FROM items
)
UPDATE letters l SET
    sent_at = :sent_at, changed_at = :now, version = l.version + 1,
    waits_since = CASE WHEN l.answer IN ('silent', 'auto_replied') THEN :waits_since ELSE l.waits_since END
FROM items, campaigns m
WHERE l.id = items.letter_id AND items.chaser_id IS NULL AND m.id = l.campaign_id
RETURNING l.id, l.version, l.campaign_id, m.name AS campaign, l.organisation_id, l.contact_id, l.role, l.sent_at, l.ask_pence;

-- name: settle_batch!
-- A person has said what became of a batch.
UPDATE post_batches SET
    state = :state, posted_on = :posted_on, settled_at = :now, settled_by = :by, claimed_at = NULL
WHERE id = :id;

-- name: files_with
-- The files in which these letters stand.
UPDATE post_batches b SET file_id = NULL FROM (SELECT id, file_id FROM post_batches) was
WHERE was.id = b.id AND was.file_id IS NOT NULL
  AND EXISTS (SELECT FROM post_items i WHERE i.batch_id = b.id AND i.letter_id = ANY (:letters::uuid[]))
RETURNING was.file_id;

-- name: files_until
-- Files of batches that were settled before a moment, and have had their time.
UPDATE post_batches b SET file_id = NULL FROM (
    SELECT id, file_id FROM post_batches WHERE settled_at < :before AND file_id IS NOT NULL
    ORDER BY settled_at LIMIT :most FOR UPDATE SKIP LOCKED
) was WHERE was.id = b.id RETURNING was.file_id;

-- name: forget_addresses_printed!
-- Keep no longer where these letters were posted.
UPDATE post_items SET says = '{}' WHERE letter_id = ANY (:letters::uuid[]) AND says <> '{}';

-- name: lock_posted_chaser^
-- A chaser that was posted, with the address that stood on it.
SELECT k.*, i.says FROM chasers k JOIN post_items i ON i.chaser_id = k.id AND i.state = 'posted'
WHERE k.id = :id AND k.channel = 'post' AND k.state = 'sent' FOR UPDATE OF k;

-- name: chaser_returned!
-- A chaser came back by post.
UPDATE chasers SET delivery = 'returned', changed_at = :now WHERE id = :id;

-- name: posted_to
-- Which of these letters have anything in the post by now or had; the batches that they were in, the newest first.
SELECT i.batch_id, b.number AS batch_number, i.number, i.state, b.posted_on, i.chaser_id
FROM post_items i JOIN post_batches b ON b.id = i.batch_id WHERE i.letter_id = :letter_id ORDER BY b.number DESC, i.number;
