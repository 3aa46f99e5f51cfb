-- name: note_late
-- Note that the answer to these letters is late, once for each, unless the body has answered another letter of the
-- campaign: with a line in the history of each.
WITH late AS (
    SELECT l.id FROM letters l
    WHERE l.state = 'sent' AND l.delivery NOT IN ('bounced', 'returned')
      AND l.answer IN ('silent', 'auto_replied', 'acknowledged') AND l.waits_since < :before AND l.lateness = ANY (:lateness_before::text[])
      AND NOT EXISTS (
          SELECT FROM letters b WHERE b.campaign_id = l.campaign_id AND b.organisation_id = l.organisation_id
              AND b.answer NOT IN ('silent', 'auto_replied', 'acknowledged'))
    ORDER BY l.id LIMIT :most FOR UPDATE OF l SKIP LOCKED
), noted AS (
    UPDATE letters l SET lateness = :lateness, changed_at = :now, version = l.version + 1
    FROM late, campaigns m WHERE l.id = late.id AND m.id = l.campaign_id
    RETURNING l.id, l.version, l.campaign_id, m.name AS campaign, l.organisation_id, l.contact_id, l.role, l.waits_since
), told AS (
    INSERT INTO letter_history (letter_id, at, what, who) SELECT id, :now, :what, 'the calendar' FROM noted
)
SELECT * FROM noted ORDER BY id;

-- name: waiting_letters
-- What decides whether somebody is chased about each of these letters; :but_chaser is left out of what was sent before.
SELECT l.id, l.campaign_id, l.contact_id, l.state, l.answer, l.waits_since,
       l.delivery IN ('bounced', 'returned') AS came_back, b.answers AS body_answers,
       m.chase_most, m.chase_every, m.state = 'stopped' AS stopped, o.closed_on,
       c.name IS NOT NULL AND (c.withdrawn_on IS NULL OR c.withdrawn_on > :today) AS listed,
       coalesce(c.email, '') <> '' AS has_address, k.chased, k.last_at, k.under_way, k.numbers
FROM letters l
JOIN campaigns m ON m.id = l.campaign_id
JOIN LATERAL (
    SELECT array_agg(DISTINCT b.answer) AS answers FROM letters b
    WHERE b.campaign_id = l.campaign_id AND b.organisation_id = l.organisation_id
) b ON true
LEFT JOIN organisations o ON o.id = l.organisation_id
LEFT JOIN contacts c ON c.id = l.contact_id
JOIN LATERAL (
    SELECT count(*) FILTER (WHERE k.state IN ('sent', 'unknown', 'failed')) AS chased,
           max(coalesce(k.sent_at, k.changed_at)) FILTER (WHERE k.state IN ('sent', 'unknown', 'failed')) AS last_at,
           count(*) FILTER (WHERE k.state IN ('ready', 'sending')) > 0 AS under_way,
           count(*) AS numbers
    FROM chasers k WHERE k.letter_id = l.id AND k.id IS DISTINCT FROM :but_chaser
) k ON true
WHERE l.id = ANY (:ids::uuid[]) ORDER BY l.id;

-- name: lock_letters!
-- Nobody answers these letters, or chases anybody about them, until this transaction ends.
SELECT id FROM letters WHERE id = ANY (:ids::uuid[]) ORDER BY id FOR UPDATE;

-- name: due_to_be_chased
-- The bodies that are chased today, whoever has waited longest first: one row for each body of a campaign. Of a body
-- where somebody has said that they have a letter, that letter alone.
SELECT l.campaign_id, m.name AS campaign, l.organisation_id, min(l.body_name) AS body_name,
       array_agg(l.id ORDER BY l.number) AS letter_ids, array_agg(DISTINCT l.role) AS roles,
       min(l.waits_since) AS since, max(k.chased) AS chased, max(k.last_at) AS last_at,
       bool_or(l.answer = 'acknowledged') AS acknowledged, min(k.chased) >= m.chase_most AS enough,
       count(*) OVER () AS in_all
FROM letters l
JOIN campaigns m ON m.id = l.campaign_id
JOIN organisations o ON o.id = l.organisation_id
JOIN contacts c ON c.id = l.contact_id
JOIN LATERAL (
    SELECT count(*) FILTER (WHERE k.state IN ('sent', 'unknown', 'failed')) AS chased,
           max(coalesce(k.sent_at, k.changed_at)) FILTER (WHERE k.state IN ('sent', 'unknown', 'failed')) AS last_at,
           count(*) FILTER (WHERE k.state IN ('ready', 'sending')) > 0 AS under_way
    FROM chasers k WHERE k.letter_id = l.id
) k ON NOT k.under_way AND (k.chased >= m.chase_most) = :enough
   AND (k.last_at IS NULL OR k.last_at < (:chased_before::timestamptz[])[m.chase_every])
WHERE l.state = 'sent' AND l.answer IN ('silent', 'auto_replied', 'acknowledged') AND l.waits_since < :late_before
  AND l.delivery NOT IN ('bounced', 'returned')
  AND m.state NOT IN ('paused', 'stopped') AND m.finished_at IS NULL
  AND (:campaign_id::uuid IS NULL OR l.campaign_id = :campaign_id)
  AND (:organisation_id::uuid IS NULL OR l.organisation_id = :organisation_id)
  AND (NOT :by_itself OR m.chase_by_itself)
  AND (o.closed_on IS NULL OR o.closed_on > :today)
  AND (:enough OR c.name IS NOT NULL AND (c.withdrawn_on IS NULL OR c.withdrawn_on > :today)
       AND coalesce(c.email, '') <> '')
  AND NOT EXISTS (
      SELECT FROM letters b WHERE b.campaign_id = l.campaign_id AND b.organisation_id = l.organisation_id
          AND (b.answer NOT IN ('silent', 'auto_replied', 'acknowledged')
               OR b.answer = 'acknowledged' AND l.answer <> 'acknowledged'))
  AND NOT (:enough AND EXISTS (
      SELECT FROM letters b LEFT JOIN chasers k ON k.letter_id = b.id
      WHERE b.campaign_id = l.campaign_id AND b.organisation_id = l.organisation_id AND (
          b.state IN ('ready', 'sending') OR b.state = 'sent' AND b.waits_since >= :late_before
          OR k.state IN ('ready', 'sending')
          OR k.sent_at >= (:chased_before::timestamptz[])[m.chase_every])))
GROUP BY l.campaign_id, m.name, m.chase_most, l.organisation_id
ORDER BY min(l.waits_since), l.campaign_id, l.organisation_id LIMIT :most;

-- name: letters_due_of
-- The letters to one body of a campaign, for whoever chases all of them.
SELECT id FROM letters WHERE campaign_id = :campaign_id AND organisation_id = :organisation_id AND state = 'sent'
ORDER BY id;

-- name: enter_first_words!
-- The words of a campaign's chasers, as they are before anybody has changed them.
INSERT INTO chaser_words (campaign_id, version, body, made_at)
SELECT id, 1, :body, :now FROM campaigns WHERE id = ANY (:ids::uuid[])
ON CONFLICT (campaign_id, version) DO NOTHING;

-- name: chaser_words_of^
-- The newest words of a campaign's chasers.
SELECT version, body, made_at FROM chaser_words WHERE campaign_id = :campaign_id ORDER BY version DESC LIMIT 1;

-- name: enter_words!
-- New words; chasers that were ordered before keep theirs.
INSERT INTO chaser_words (campaign_id, version, body, made_at) VALUES (:campaign_id, :version, :body, :now);

-- name: set_chasing!
-- How often, how far apart, and whether by itself.
UPDATE campaigns SET
    chase_most = :most, chase_every = :every, chase_by_itself = :by_itself, version = version + 1
WHERE id = :id;

-- name: enter_chasers!
-- Chasers to be sent, with the words of today and a line in the history of each letter.
WITH made AS (
    INSERT INTO chasers (
        id, letter_id, number, contact_id, channel, state, words, message_id, batch_id, because, next_try, made_at,
        changed_at
    )
    SELECT n.id, n.letter_id, n.number, n.contact_id, n.channel, 'ready',
           (SELECT max(w.version) FROM chaser_words w WHERE w.campaign_id = n.campaign_id),
           n.message_id, :batch_id, n.because, :next_try, :now, :now
    FROM jsonb_to_recordset(:chasers::jsonb) AS n (
        id uuid, letter_id uuid, campaign_id uuid, number integer, contact_id uuid, channel text, message_id text,
        because text
    ) RETURNING letter_id, because, channel
), touched AS (
    UPDATE letters l SET changed_at = :now, version = l.version + 1 FROM made WHERE l.id = made.letter_id
)
INSERT INTO letter_history (letter_id, at, what, who)
SELECT letter_id, :now,
       CASE channel WHEN 'post' THEN 'To be posted again, ' ELSE 'To be chased, ' END || because, :who FROM made;

-- name: call_back$
-- Chasers of a batch that nobody has begun to send are not sent. How many.
WITH back AS (
    UPDATE chasers SET state = 'withheld', reason = 'called_back', failure = :words, next_try = NULL, changed_at = :now
    WHERE batch_id = :batch_id AND state = 'ready' AND attempts = 0 RETURNING letter_id
), touched AS (
    UPDATE letters l SET changed_at = :now, version = l.version + 1 FROM back WHERE l.id = back.letter_id
), noted AS (
    INSERT INTO letter_history (letter_id, at, what, who)
    SELECT letter_id, :now, 'Not chased: ' || :words, :who FROM back
)
SELECT count(*) FROM back;

-- name: batches_waiting
-- What was ordered and can still be called back, the newest first.
SELECT k.batch_id, min(k.made_at) AS made_at, min(k.next_try) AS goes_at, count(*) AS chasers,
       count(DISTINCT (l.campaign_id, l.organisation_id)) AS bodies, min(l.body_name) AS body_name
FROM chasers k JOIN letters l ON l.id = k.letter_id
WHERE k.state = 'ready' AND k.attempts = 0 AND k.channel = 'email'
GROUP BY k.batch_id ORDER BY min(k.made_at) DESC, k.batch_id LIMIT :most;

-- name: to_be_posted
-- Chasers that a person prints and posts, the oldest first.
SELECT k.id, k.letter_id, k.made_at, l.body_name, l.reference FROM chasers k JOIN letters l ON l.id = k.letter_id
WHERE k.state = 'ready' AND k.channel = 'post' ORDER BY k.made_at, k.id LIMIT :most;

-- name: due_chasers$
-- How many chasers could go now, counted no further than needed.
SELECT count(*) FROM (
    SELECT FROM chasers k JOIN letters l ON l.id = k.letter_id JOIN campaigns m ON m.id = l.campaign_id
    WHERE k.state = 'ready' AND k.channel = 'email' AND k.next_try <= :now AND m.state <> 'paused' LIMIT :most
) AS due;

-- name: chasers_on_their_way$
-- How many chasers were ordered and are not settled yet.
SELECT count(*) FROM chasers WHERE state IN ('ready', 'sending') AND channel = 'email';

-- name: lock_due_chaser^
-- The chaser that is due longest, with its letter: whoever answers that letter at this moment goes first. Those of
-- campaigns that are paused wait.
SELECT k.id, k.letter_id FROM chasers k JOIN letters l ON l.id = k.letter_id JOIN campaigns m ON m.id = l.campaign_id
WHERE k.state = 'ready' AND k.channel = 'email' AND k.next_try <= :now AND m.state <> 'paused'
ORDER BY k.next_try, k.id LIMIT 1 FOR UPDATE OF k, l SKIP LOCKED;

-- name: claim_chaser^
-- A chaser that was locked, with all that is needed to send it.
UPDATE chasers k SET state = 'sending', claimed_at = :now, changed_at = :now
FROM letters l, campaigns m, contacts c, chaser_words w
WHERE k.id = :id AND l.id = k.letter_id AND m.id = l.campaign_id AND c.id = l.contact_id
  AND w.campaign_id = l.campaign_id AND w.version = k.words
RETURNING k.id AS chaser_id, k.number AS chaser_number, k.message_id AS chaser_message_id,
    k.claimed_at AS chaser_claimed_at, k.attempts AS chaser_attempts, w.body AS chaser_body,
    l.*, c.email, coalesce(l.own_subject, m.subject) AS subject, coalesce(l.own_body, m.body) AS body,
    m.name AS campaign;

-- name: withhold_chaser!
-- It is not sent, for this reason, unless somebody else has settled it meanwhile.
WITH held AS (
    UPDATE chasers SET
        state = 'withheld', reason = :reason, failure = :words, claimed_at = NULL, next_try = NULL, changed_at = :now
    WHERE id = :id AND state IN ('ready', 'sending') AND claimed_at IS NOT DISTINCT FROM :claimed_at
    RETURNING letter_id
), touched AS (
    UPDATE letters l SET changed_at = :now, version = l.version + 1 FROM held WHERE l.id = held.letter_id
)
INSERT INTO letter_history (letter_id, at, what, who)
SELECT letter_id, :now, 'Not chased: ' || :words, 'the sender' FROM held;

-- name: settle_chaser^
-- What became of a claimed chaser. Nothing when somebody else has settled it meanwhile.
UPDATE chasers k SET
    state = :state, sent_at = :sent_at, next_try = :next_try, failure = :failure, cure = :cure,
    claimed_at = CASE WHEN :state = 'unknown' THEN k.claimed_at END,
    attempts = k.attempts + 1, changed_at = :now
WHERE k.id = :id AND k.claimed_at = :claimed_at AND k.state IN ('sending', 'unknown')
RETURNING k.*;

-- name: give_up_chasers
-- Chasers that were being sent when the sender was lost: nobody knows whether they left.
WITH lost AS (
    UPDATE chasers SET state = 'unknown', changed_at = :now, failure = :failure, cure = :cure
    WHERE state = 'sending' AND claimed_at < :before RETURNING letter_id
), touched AS (
    UPDATE letters l SET changed_at = :now, version = l.version + 1 FROM lost WHERE l.id = lost.letter_id
)
INSERT INTO letter_history (letter_id, at, what, who)
SELECT letter_id, :now, 'Perhaps chased: the sender was interrupted', 'the sender' FROM lost RETURNING letter_id;

-- name: postpone_due_chasers!
-- The mail server cannot be reached: whatever is due waits.
UPDATE chasers SET next_try = :next_try, failure = :failure, cure = NULL, changed_at = :now
WHERE state = 'ready' AND channel = 'email' AND next_try <= :now;

-- name: lock_chaser^
-- One chaser, for whoever changes it.
SELECT * FROM chasers WHERE id = :id FOR UPDATE;

-- name: resend_chaser!
-- A person decided that it goes again, under the same Message-ID.
UPDATE chasers SET
    state = 'ready', next_try = :now, attempts = 0, claimed_at = NULL, failure = NULL, cure = NULL, changed_at = :now
WHERE id = :id;

-- name: mark_chaser_sent!
-- Somebody knows that it arrived, or has posted it.
UPDATE chasers SET
    state = 'sent', sent_at = coalesce(claimed_at, :now), claimed_at = NULL, next_try = NULL, failure = NULL,
    cure = NULL, changed_at = :now
WHERE id = :id;

-- name: chaser^
-- One chaser with its words and its letter.
SELECT w.body AS chaser_body, k.number AS chaser_number, l.*, coalesce(l.own_subject, m.subject) AS subject,
       coalesce(l.own_body, m.body) AS body, m.name AS campaign
FROM chasers k JOIN letters l ON l.id = k.letter_id JOIN campaigns m ON m.id = l.campaign_id
JOIN chaser_words w ON w.campaign_id = l.campaign_id AND w.version = k.words
WHERE k.id = :id;

-- name: chasers_of
-- The chasers of a letter, the newest first.
SELECT * FROM chasers WHERE letter_id = :letter_id ORDER BY number DESC;

-- name: chased_in
-- How often each body of a campaign was chased, and when last: several letters chased at once are one.
SELECT organisation_id, max(chased) AS chased, max(last_at) AS last_at FROM (
    SELECT l.organisation_id, count(*) AS chased, max(k.sent_at) AS last_at
    FROM chasers k JOIN letters l ON l.id = k.letter_id
    WHERE l.campaign_id = :campaign_id AND k.state = 'sent' GROUP BY l.organisation_id, l.id
) AS letters GROUP BY organisation_id;

-- name: others_at
-- Who else could be written to at these bodies: everybody in the address book to whom no letter of the campaign went,
-- the campaign's own roles first.
SELECT c.id AS contact_id, l.campaign_id, l.organisation_id, c.role, c.name
FROM (
    SELECT * FROM jsonb_to_recordset(:bodies::jsonb) AS b (campaign_id uuid, organisation_id uuid)
) AS l
JOIN campaigns m ON m.id = l.campaign_id
JOIN contacts c ON c.organisation_id = l.organisation_id OR c.organisation_id IN (
    SELECT g.id FROM organisations g WHERE g.merged_into = l.organisation_id)
WHERE c.name IS NOT NULL AND (c.withdrawn_on IS NULL OR c.withdrawn_on > :today) AND coalesce(c.email, '') <> ''
  AND c.channel = 'email'
  AND NOT EXISTS (SELECT FROM letters x WHERE x.campaign_id = l.campaign_id AND x.contact_id = c.id)
ORDER BY l.campaign_id, l.organisation_id, c.role <> ALL (m.roles), c.role, c.id;

-- name: recipient^
-- One person who could be written to in a campaign, as `recipients` has them, with the number of a next letter.
SELECT c.id AS contact_id, c.role, c.channel, c.name, c.email, c.postal_address, c.postcode, c.source,
       o.id AS organisation_id, o.name AS body_name, o.areas, o.closed_on, NULL::text AS successor,
       (SELECT max(l.number) FROM letters l WHERE l.campaign_id = :campaign_id) + 1 AS number
FROM contacts c
JOIN organisations k ON k.id = c.organisation_id
JOIN organisations o ON o.id = coalesce(k.merged_into, k.id)
WHERE c.id = :contact_id AND c.name IS NOT NULL AND (c.withdrawn_on IS NULL OR c.withdrawn_on > :today)
  AND NOT EXISTS (
      SELECT FROM letters x WHERE x.campaign_id = :campaign_id AND (
          x.contact_id = c.id OR x.organisation_id = o.id AND x.answer NOT IN ('silent', 'auto_replied', 'acknowledged')));

-- name: release_letter!
-- One letter is due from now on.
UPDATE letters SET
    state = 'ready', dated = :dated, next_try = :now, changed_at = :now, version = version + 1
WHERE id = :id AND state = 'draft';

-- name: go_on_sending!
-- A campaign that was sent has a letter more to send.
UPDATE campaigns SET state = 'sending', version = version + 1 WHERE id = :id AND state = 'sent';

-- name: finish_campaigns_waited
-- Campaigns in which nothing is to be waited for any more. A body is over when it has answered, or when it was
-- given up: chased as often as the campaign does, with 20 working days more than its pause gone by since; where no letter
-- arrived, 40 working days after the campaign was sent; and at the latest 80 working days after we began to wait, though
-- nobody could be chased. A question that we owe an answer keeps it open.
UPDATE campaigns m SET finished_at = :now, version = m.version + 1
WHERE m.state = 'sent' AND m.finished_at IS NULL AND NOT EXISTS (
    SELECT FROM (
        SELECT bool_or(l.answer NOT IN ('silent', 'auto_replied', 'acknowledged')) AS answered,
               bool_or(l.state = 'sent' AND l.delivery NOT IN ('bounced', 'returned')) AS arrived,
               max(CASE WHEN l.state = 'sent' THEN l.waits_since ELSE m.sent_at END) AS since,
               max(k.chased) AS chased, max(k.last_at) AS last_at, bool_or(k.under_way) AS under_way,
               bool_or(EXISTS (SELECT FROM answers a
                   WHERE a.letter_id = l.id AND a.kind = 'ask' AND a.settled_at IS NULL)) AS asking
        FROM letters l JOIN LATERAL (
            SELECT count(*) FILTER (WHERE k.state IN ('sent', 'unknown', 'failed')) AS chased,
                   max(coalesce(k.sent_at, k.changed_at)) FILTER (WHERE k.state IN ('sent', 'unknown', 'failed'))
                       AS last_at,
                   count(*) FILTER (WHERE k.state IN ('ready', 'sending')) > 0 AS under_way
            FROM chasers k WHERE k.letter_id = l.id
        ) k ON true
        WHERE l.campaign_id = m.id GROUP BY l.organisation_id
    ) AS body
    WHERE body.asking OR body.under_way OR NOT body.answered AND (
        body.since >= :very_late_before
        OR body.arrived AND body.chased < m.chase_most AND body.since >= :at_last_before
        OR body.last_at >= (:chased_before::timestamptz[])[m.chase_every + :longer]
    )
)
RETURNING m.id, m.name, m.version,
    (SELECT count(DISTINCT l.organisation_id) FROM letters l WHERE l.campaign_id = m.id) AS bodies,
    (SELECT count(DISTINCT l.organisation_id) FROM letters l
     WHERE l.campaign_id = m.id AND l.answer NOT IN ('silent', 'auto_replied', 'acknowledged')) AS answered;
