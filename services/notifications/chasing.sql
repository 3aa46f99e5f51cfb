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
       l.channel, coalesce(c.email, '') <> '' AS has_email, coalesce(cardinality(c.postal_address), 0) > 0 AS has_postal,
       k.chased, k.last_at, k.under_way, k.numbers
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
           count(*) FILTER (WHERE k.state IN ('ready', 'printed', 'sending')) > 0 AS under_way,
           count(*) AS numbers
    FROM chasers k WHERE k.letter_id = l.id AND k.id IS DISTINCT FROM :but_chaser
) k ON true
WHERE l.id = ANY (:ids::uuid[]) ORDER BY l.id;

-- name: turns_of
-- Of each of these letters: whether somebody at the body has written to us, also where we do not know yet about which
-- letter, or has named a colleague, and nobody of us has seen to it; and whether it was passed on, or is whom one was
-- passed on to.
SELECT l.id,
       EXISTS (
           SELECT FROM letters x JOIN incoming i ON i.letter_id = x.id
           WHERE x.campaign_id = l.campaign_id AND x.organisation_id = l.organisation_id
             AND i.settled_at IS NULL AND i.kind IN ('answer', 'stop')
       ) OR EXISTS (
           SELECT FROM contacts c JOIN incoming i ON i.sender = lower(c.email)
           WHERE c.id = l.contact_id AND c.email <> '' AND i.state = 'held' AND i.kind IN ('answer', 'stop', 'unreadable')
       ) AS unseen,
       EXISTS (
           SELECT FROM letters x JOIN suggestions s ON s.letter_id = x.id
           WHERE x.campaign_id = l.campaign_id AND x.organisation_id = l.organisation_id AND s.settled_at IS NULL
       ) AS unconfirmed,
       EXISTS (
           SELECT FROM answers a WHERE a.letter_id = l.id AND a.kind = 'pass_on' AND a.corrected_at IS NULL
       ) AS passed_on,
       EXISTS (
           SELECT FROM suggestions s JOIN answers a ON a.id = s.answer_id
           WHERE s.new_letter_id = l.id AND a.corrected_at IS NULL
       ) AS passed_to
FROM letters l WHERE l.id = ANY (:ids::uuid[]);

-- name: said_elsewhere
-- What these bodies have said in other campaigns for the same fund since our letter to them left: how much they have
-- pledged, as far as it was confirmed and counts; nothing where they have declined.
SELECT b.campaign_id, b.organisation_id, m.name AS campaign,
       coalesce(sum(a.pledge_pence - a.written_back_pence) FILTER (WHERE a.kind = 'pledge'), 0)::bigint AS pledge_pence
FROM jsonb_to_recordset(:bodies::jsonb) AS b (campaign_id uuid, organisation_id uuid)
JOIN campaigns ours ON ours.id = b.campaign_id AND ours.fund <> ''
JOIN bodies o ON o.organisation_id = b.organisation_id AND o.campaign_id <> b.campaign_id AND o.answer IN ('pledged', 'declined')
JOIN campaigns m ON m.id = o.campaign_id AND m.fund = ours.fund
JOIN letters l ON l.campaign_id = o.campaign_id AND l.organisation_id = o.organisation_id
JOIN answers a ON a.letter_id = l.id AND (a.kind = 'pledge' AND a.confirmed_at IS NOT NULL
    OR a.kind = 'decline' AND a.corrected_at IS NULL AND o.answer = 'declined')
WHERE a.at >= (
    SELECT min(x.sent_at) FROM letters x WHERE x.campaign_id = b.campaign_id AND x.organisation_id = b.organisation_id)
GROUP BY b.campaign_id, b.organisation_id, m.id, m.name, o.answer
HAVING o.answer = 'declined' OR sum(a.pledge_pence - a.written_back_pence) > 0
ORDER BY m.name, m.id;

-- name: lock_letters!
-- Nobody answers these letters, or chases anybody about them, until this transaction ends.
SELECT id FROM letters WHERE id = ANY (:ids::uuid[]) ORDER BY id FOR UPDATE;

-- name: lock_letters_beside!
-- Nobody answers any letter to the same body in the same campaign until this transaction ends; whoever does so at this
-- moment goes first.
SELECT b.id FROM letters l
JOIN letters b ON b.organisation_id = l.organisation_id AND b.campaign_id IS NOT DISTINCT FROM l.campaign_id
WHERE l.id = :letter_id ORDER BY b.id FOR UPDATE OF b;

-- name: due_to_be_chased
-- The bodies whose turn it is to be chased, whoever has waited longest first: one row for each body of a campaign, with
-- its letters about which somebody is, or would be if it were not our turn, or if they could be reached. Of a body where
-- somebody has said that they have a letter, that letter alone; where they have passed it on, that of the colleague.
WITH late AS (
    SELECT b.campaign_id, b.organisation_id, b.since, m.name AS campaign, m.chase_most, m.chase_every
    FROM bodies b JOIN campaigns m ON m.id = b.campaign_id
    WHERE b.standing IN ('silent', 'acknowledged') AND b.since < :late_before
      AND m.state NOT IN ('paused', 'stopped') AND m.finished_at IS NULL
      AND (:campaign_id::uuid IS NULL OR b.campaign_id = :campaign_id)
      AND (:organisation_id::uuid IS NULL OR b.organisation_id = :organisation_id)
      AND (NOT :by_itself OR m.chase_by_itself)
      AND CASE WHEN :enough THEN b.chased >= m.chase_most AND b.under_way = 0 AND b.waiting = 0
               ELSE b.least_chased < m.chase_most AND b.under_way < b.letters END
      AND b.last_chased_at < (:chased_before::timestamptz[])[m.chase_every]
    ORDER BY b.since, b.campaign_id, b.organisation_id LIMIT :most
)
SELECT b.campaign_id, b.campaign, b.organisation_id, min(l.body_name) AS body_name,
       array_agg(l.id ORDER BY l.number) AS letter_ids, array_agg(l.role ORDER BY l.number) AS roles,
       array_agg(l.contact_id ORDER BY l.number) AS contact_ids,
       array_agg(c.name IS NOT NULL AND (c.withdrawn_on IS NULL OR c.withdrawn_on > :today) ORDER BY l.number)
           AS listed,
       array_agg(CASE l.channel WHEN 'post' THEN coalesce(cardinality(c.postal_address), 0) > 0
                 ELSE coalesce(c.email, '') <> '' END ORDER BY l.number) AS has_address,
       array_agg(l.channel ORDER BY l.number) AS channels, min(o.closed_on) AS closed_on,
       min(l.waits_since) AS since, max(k.chased) AS chased, max(k.last_at) AS last_at,
       bool_or(l.answer = 'acknowledged') AS acknowledged
FROM late b
CROSS JOIN LATERAL (  -- by what they are known by, whatever is believed of how many there are
    SELECT id, campaign_id, organisation_id, contact_id, number, role, body_name, state, answer, delivery, channel,
           waits_since
    FROM letters WHERE campaign_id = b.campaign_id AND organisation_id = b.organisation_id OFFSET 0
) l
LEFT JOIN organisations o ON o.id = l.organisation_id
LEFT JOIN contacts c ON c.id = l.contact_id
JOIN LATERAL (
    SELECT count(*) FILTER (WHERE k.state IN ('sent', 'unknown', 'failed')) AS chased,
           max(coalesce(k.sent_at, k.changed_at)) FILTER (WHERE k.state IN ('sent', 'unknown', 'failed')) AS last_at,
           count(*) FILTER (WHERE k.state IN ('ready', 'printed', 'sending')) > 0 AS under_way
    FROM chasers k WHERE k.letter_id = l.id
) k ON NOT k.under_way AND (k.chased >= b.chase_most) = :enough
   AND (k.last_at IS NULL OR k.last_at < (:chased_before::timestamptz[])[b.chase_every])
WHERE l.state = 'sent' AND l.answer IN ('silent', 'auto_replied', 'acknowledged') AND l.waits_since < :late_before
  AND l.delivery NOT IN ('bounced', 'returned')
  AND (l.answer = 'acknowledged'
      OR NOT EXISTS (
          SELECT FROM letters x WHERE x.campaign_id = l.campaign_id AND x.organisation_id = l.organisation_id
              AND x.answer = 'acknowledged')
      OR EXISTS (
          SELECT FROM suggestions s JOIN answers a ON a.id = s.answer_id
          WHERE s.new_letter_id = l.id AND a.corrected_at IS NULL))
  AND NOT EXISTS (
      SELECT FROM suggestions s JOIN answers a ON a.id = s.answer_id
      WHERE s.letter_id = l.id AND s.new_letter_id IS NOT NULL AND a.corrected_at IS NULL)
  AND NOT (:enough AND EXISTS (
      SELECT FROM letters x LEFT JOIN chasers k ON k.letter_id = x.id
      WHERE x.campaign_id = l.campaign_id AND x.organisation_id = l.organisation_id AND (
          x.state IN ('ready', 'printed', 'sending') OR x.state = 'sent' AND x.waits_since >= :late_before
          OR k.state IN ('ready', 'printed', 'sending')
          OR k.sent_at >= (:chased_before::timestamptz[])[b.chase_every])))
GROUP BY b.campaign_id, b.campaign, b.organisation_id
ORDER BY min(l.waits_since), b.campaign_id, b.organisation_id;

-- name: count_due$
-- How many bodies' turn it is to be chased, as `due_to_be_chased` begins; one that several campaigns ask is one.
SELECT count(DISTINCT b.organisation_id) FROM bodies b JOIN campaigns m ON m.id = b.campaign_id
WHERE b.standing IN ('silent', 'acknowledged') AND b.since < :late_before
  AND m.state NOT IN ('paused', 'stopped') AND m.finished_at IS NULL
  AND (:campaign_id::uuid IS NULL OR b.campaign_id = :campaign_id)
  AND CASE WHEN :enough THEN b.chased >= m.chase_most AND b.under_way = 0 AND b.waiting = 0
           ELSE b.least_chased < m.chase_most AND b.under_way < b.letters END
  AND b.last_chased_at < (:chased_before::timestamptz[])[m.chase_every];

-- name: chased_on
-- Which of these people are chased on a day, or about to be by e-mail, about whatever letter.
SELECT DISTINCT contact_id FROM chasers
WHERE contact_id = ANY (:contact_ids::uuid[]) AND (
    state IN ('ready', 'sending') AND (channel = 'email' OR (made_at AT TIME ZONE 'Europe/London')::date = :on)
    OR state IN ('sent', 'unknown') AND (coalesce(sent_at, changed_at) AT TIME ZONE 'Europe/London')::date = :on);

-- name: letters_due_of
-- The letters to one body of a campaign, for whoever chases all of them.
SELECT id FROM letters WHERE campaign_id = :campaign_id AND organisation_id = :organisation_id AND state = 'sent'
ORDER BY id;

-- name: about_bodies
-- The letters to these bodies of campaigns, and the order of the newest chasers about them: of these the audit knows who
-- did what there.
WITH theirs AS (
    SELECT l.id FROM letters l
    JOIN jsonb_to_recordset(:bodies::jsonb) AS b (campaign_id uuid, organisation_id uuid)
        ON b.campaign_id = l.campaign_id AND b.organisation_id = l.organisation_id
), newest AS (
    SELECT k.batch_id AS id FROM chasers k JOIN theirs ON theirs.id = k.letter_id ORDER BY k.made_at DESC LIMIT 1
)
SELECT id FROM theirs UNION ALL SELECT id FROM newest;

-- name: letters_to_person
-- The letters of a campaign to one person.
SELECT id FROM letters WHERE campaign_id = :campaign_id AND contact_id = :contact_id ORDER BY number;

-- name: enter_first_words!
-- The words of a campaign's chasers, as they are before anybody has changed them: whoever approves its letters reads them.
INSERT INTO chaser_words (campaign_id, version, body, made_at, approved_by, approved_at)
SELECT id, 1, :body, :now, approved_by, coalesce(approved_at, :now) FROM campaigns WHERE id = ANY (:ids::uuid[])
ON CONFLICT (campaign_id, version) DO NOTHING;

-- name: chasing_of^
-- How a campaign is to chase as it was written last, or was approved last; as it begins where nobody has written anything.
SELECT coalesce(w.version, 1) AS version, coalesce(w.body, :first) AS body, coalesce(w.most, m.chase_most) AS most,
       coalesce(w.every, m.chase_every) AS every, coalesce(w.by_itself, m.chase_by_itself) AS by_itself,
       coalesce(w.hands, '{}') AS hands, coalesce(w.returned_because, '') AS returned_because, w.returned_by,
       CASE WHEN w.version IS NULL THEN coalesce(m.approved_at, m.created_at) ELSE w.approved_at END AS approved_at
FROM campaigns m LEFT JOIN chaser_words w ON w.campaign_id = m.id AND (NOT :approved OR w.approved_at IS NOT NULL)
WHERE m.id = :campaign_id ORDER BY w.version DESC LIMIT 1;

-- name: enter_chasing!
-- Another way to chase, which nobody has approved; chasers that were ordered before keep their words.
INSERT INTO chaser_words (campaign_id, version, body, made_at, most, every, by_itself, hands, approved_at)
VALUES (:campaign_id, :version, :body, :now, :most, :every, :by_itself, :hands, NULL);

-- name: approve_chasing!
-- The campaign chases from now on as was written last.
WITH newest AS (
    UPDATE chaser_words SET approved_by = :by, approved_at = :now, returned_by = NULL, returned_because = ''
    WHERE campaign_id = :campaign_id AND version = (
        SELECT max(version) FROM chaser_words WHERE campaign_id = :campaign_id
    ) RETURNING campaign_id, most, every, by_itself
)
UPDATE campaigns m SET
    chase_most = coalesce(n.most, chase_most), chase_every = coalesce(n.every, chase_every),
    chase_by_itself = coalesce(n.by_itself, chase_by_itself), version = m.version + 1
FROM newest n WHERE m.id = n.campaign_id;

-- name: send_chasing_back!
-- What was written last is not done; why.
WITH newest AS (
    UPDATE chaser_words SET returned_by = :by, returned_because = :because
    WHERE campaign_id = :campaign_id AND version = (
        SELECT max(version) FROM chaser_words WHERE campaign_id = :campaign_id
    ) RETURNING campaign_id
)
UPDATE campaigns m SET version = m.version + 1 FROM newest n WHERE m.id = n.campaign_id;

-- name: enter_chasers!
-- Chasers to be sent, with the words that were approved last and a line in the history of each letter.
WITH made AS (
    INSERT INTO chasers (
        id, letter_id, number, contact_id, channel, state, words, message_id, batch_id, because, next_try, made_at,
        changed_at
    )
    SELECT n.id, n.letter_id, n.number, n.contact_id, n.channel, 'ready',
           (SELECT max(w.version) FROM chaser_words w WHERE w.campaign_id = n.campaign_id AND w.approved_at IS NOT NULL),
           n.message_id, :batch_id, n.because, :next_try, :now, :now
    FROM jsonb_to_recordset(:chasers::jsonb) AS n (
        id uuid, letter_id uuid, campaign_id uuid, number integer, contact_id uuid, channel text, message_id text,
        because text
    ) RETURNING letter_id, because, channel
), touched AS (
    UPDATE letters l SET changed_at = :now, version = l.version + 1 FROM made WHERE l.id = made.letter_id
)
INSERT INTO letter_history (letter_id, at, what, who, person_id)
SELECT letter_id, :now,
       CASE channel WHEN 'post' THEN 'To be posted again, ' ELSE 'To be chased, ' END || because, :who, :person_id::uuid FROM made;

-- name: call_back$
-- Chasers of a batch that nobody has begun to send are not sent: those of one campaign, or all. How many.
WITH back AS (
    UPDATE chasers k SET
        state = 'withheld', reason = 'called_back', failure = :words, next_try = NULL, changed_at = :now
    FROM letters l
    WHERE k.batch_id = :batch_id AND k.state = 'ready' AND k.attempts = 0 AND l.id = k.letter_id
      AND (:campaign_id::uuid IS NULL OR l.campaign_id = :campaign_id) RETURNING k.letter_id
), touched AS (
    UPDATE letters l SET changed_at = :now, version = l.version + 1 FROM back WHERE l.id = back.letter_id
), noted AS (
    INSERT INTO letter_history (letter_id, at, what, who, person_id)
    SELECT letter_id, :now, 'Not chased: ' || :words, :who, :person_id::uuid FROM back
)
SELECT count(*) FROM back;

-- name: batches_waiting
-- What was ordered in one campaign or in all and can still be called back, the newest first.
SELECT k.batch_id, min(k.made_at) AS made_at, min(k.next_try) AS goes_at, count(*) AS chasers,
       count(DISTINCT (l.campaign_id, l.organisation_id)) AS bodies, min(l.body_name) AS body_name
FROM chasers k JOIN letters l ON l.id = k.letter_id
WHERE k.state = 'ready' AND k.attempts = 0 AND k.channel = 'email'
  AND (:campaign_id::uuid IS NULL OR l.campaign_id = :campaign_id)
GROUP BY k.batch_id ORDER BY min(k.made_at) DESC, k.batch_id LIMIT :most;

-- name: due_chasers
-- The chasers that could go now, due longest first. Whoever takes some of them looks again.
SELECT k.id FROM chasers k JOIN letters l ON l.id = k.letter_id JOIN campaigns m ON m.id = l.campaign_id
LEFT JOIN contacts c ON c.id = l.contact_id
LEFT JOIN mail_domains d ON d.domain = lower(split_part(c.email, '@', -1))
WHERE (d.next_at IS NULL OR d.next_at <= :now)
  AND k.state = 'ready' AND k.channel = 'email' AND k.next_try <= :now AND m.state <> 'paused'
ORDER BY k.next_try, k.id LIMIT :most;

-- name: chasers_on_their_way$
-- How many chasers were ordered and are not settled yet.
SELECT count(*) FROM chasers WHERE state IN ('ready', 'sending') AND channel = 'email';

-- name: lock_due_chasers
-- Of these chasers those that are due, with their letters: whoever answers such a letter, or another to the same body, at
-- this moment goes first. Those of campaigns that are paused wait, and so does what the ledger says was begun.
SELECT k.id, k.letter_id FROM chasers k JOIN letters l ON l.id = k.letter_id JOIN campaigns m ON m.id = l.campaign_id
-- Never looked for among all of a campaign, whatever plan was made when there was little: see sum_up.
JOIN bodies b ON b.organisation_id = l.organisation_id AND b.campaign_id IS NOT DISTINCT FROM l.campaign_id
LEFT JOIN contacts c ON c.id = l.contact_id
LEFT JOIN mail_domains d ON d.domain = lower(split_part(c.email, '@', -1))
WHERE k.id = ANY (:ids::uuid[]) AND (d.next_at IS NULL OR d.next_at <= :now)
  AND k.state = 'ready' AND k.channel = 'email' AND k.next_try <= :now AND m.state <> 'paused'
  AND NOT EXISTS (SELECT FROM begun_sends s WHERE s.message_id = k.message_id AND s.attempt > k.begun)
FOR UPDATE OF k, l, b SKIP LOCKED;

-- name: take_chasers
-- Chasers that were locked, with all that they say: until then nobody else makes their e-mails. Of those to one domain the
-- first, unless there is no limit.
WITH due AS (
    SELECT k.id, k.next_try, lower(split_part(c.email, '@', -1)) AS domain
    FROM chasers k JOIN letters l ON l.id = k.letter_id JOIN contacts c ON c.id = l.contact_id WHERE k.id = ANY (:ids::uuid[])
), slots AS (
    INSERT INTO mail_domains AS known (domain, next_at)
    SELECT DISTINCT domain, :now::timestamptz + :spacing::interval FROM due ORDER BY domain
    ON CONFLICT (domain) DO UPDATE SET next_at = excluded.next_at WHERE known.next_at <= :now RETURNING domain, pause
), placed AS (
    SELECT id, domain, next_try, row_number() OVER (PARTITION BY domain ORDER BY next_try, id) AS place FROM due
)
UPDATE chasers k SET next_try = :until
FROM placed p, slots s, letters l, campaigns m, contacts c, chaser_words w
WHERE k.id = p.id AND (p.place = 1 OR :spacing::interval < '0') AND s.domain = p.domain
  AND l.id = k.letter_id AND m.id = l.campaign_id AND c.id = l.contact_id
  AND w.campaign_id = l.campaign_id AND w.version = k.words
RETURNING k.id AS chaser_id, k.number AS chaser_number, k.message_id AS chaser_message_id,
    k.attempts AS chaser_attempts, w.body AS chaser_body,
    l.*, c.email, coalesce(l.own_subject, m.subject) AS subject, coalesce(l.own_body, m.body) AS body,
    m.name AS campaign, m.correlationid, m.traceparent, s.pause > '0' AS slowed, p.next_try AS due_since;

-- name: lock_taken_chaser$
-- Whether a chaser that was taken may still go and still says what its e-mail says; nobody else has it then.
SELECT true FROM chasers k JOIN letters l ON l.id = k.letter_id JOIN campaigns m ON m.id = l.campaign_id
JOIN contacts c ON c.id = l.contact_id
WHERE k.id = :id AND k.state = 'ready' AND k.next_try = :until AND l.version = :version AND c.email = :email
  AND m.state <> 'paused'
  AND NOT EXISTS (SELECT FROM begun_sends s WHERE s.message_id = k.message_id AND s.attempt > k.begun)
FOR UPDATE OF k SKIP LOCKED;

-- name: claim_chaser$
-- A chaser that was locked goes now: which try this is.
UPDATE chasers SET state = 'sending', claimed_at = :now, begun = begun + 1, changed_at = :now WHERE id = :id RETURNING begun;

-- name: put_back_chaser!
-- It was taken and could not be claimed: it is due as it was, unless it has changed.
UPDATE chasers SET next_try = :due_since WHERE id = :id AND state = 'ready' AND next_try = :until;

-- name: withhold_chaser!
-- It is not sent, for this reason, unless somebody has called it back meanwhile.
WITH held AS (
    UPDATE chasers SET state = 'withheld', reason = :reason, failure = :words, next_try = NULL, changed_at = :now
    WHERE id = :id AND state = 'ready' RETURNING letter_id
), touched AS (
    UPDATE letters l SET changed_at = :now, version = l.version + 1 FROM held WHERE l.id = held.letter_id
)
INSERT INTO letter_history (letter_id, at, what, who)
SELECT letter_id, :now, 'Not chased: ' || :words, 'the sender' FROM held;

-- name: settle_chaser!
-- What became of a claimed chaser, with a line in the history of its letter, which changes by that. Nothing when somebody
-- else has settled it meanwhile.
WITH settled AS (
    UPDATE chasers k SET
        state = :state, sent_at = :sent_at, next_try = :next_try, failure = :failure, cure = :cure,
        claimed_at = CASE WHEN :state = 'unknown' THEN k.claimed_at END,
        attempts = k.attempts + :tried, changed_at = :now
    WHERE k.id = :id AND k.claimed_at = :claimed_at AND k.state IN ('sending', 'unknown')
    RETURNING k.letter_id
), touched AS (
    UPDATE letters l SET changed_at = :now, version = l.version + 1 FROM settled WHERE l.id = settled.letter_id
)
INSERT INTO letter_history (letter_id, at, what, who) SELECT letter_id, :now, :what, :who FROM settled;

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
-- Somebody knows that it arrived.
UPDATE chasers SET
    state = 'sent', sent_at = coalesce(claimed_at, :now), claimed_at = NULL, next_try = NULL, failure = NULL,
    cure = NULL, changed_at = :now
WHERE id = :id;

-- name: chaser^
-- One chaser with its words and its letter, whether they had said by then that they have it, and the day and the address
-- with which it was printed last.
SELECT w.body AS chaser_body, k.number AS chaser_number, k.sent_at AS chaser_sent_at, printed.*, l.*,
       CASE WHEN made.at IS NULL THEN l.answer = 'acknowledged' ELSE EXISTS (
           SELECT FROM answers a WHERE a.letter_id = l.id AND a.at < made.at
             AND (a.corrected_at IS NULL OR a.corrected_at >= made.at)) END AS chaser_acknowledged,
       coalesce(l.own_subject, m.subject) AS subject, coalesce(l.own_body, m.body) AS body, m.name AS campaign
FROM chasers k JOIN letters l ON l.id = k.letter_id JOIN campaigns m ON m.id = l.campaign_id
JOIN chaser_words w ON w.campaign_id = l.campaign_id AND w.version = k.words
LEFT JOIN LATERAL (
    SELECT b.made_on, b.made_at AS printed_at, i.says FROM post_items i JOIN post_batches b ON b.id = i.batch_id
    WHERE i.letter_id = k.letter_id AND i.chaser_id = k.id AND i.state <> 'spoiled' ORDER BY b.number DESC LIMIT 1
) printed ON true
CROSS JOIN LATERAL (SELECT coalesce(printed.printed_at, k.sent_at) AS at) made
WHERE k.id = :id;

-- name: chasers_of
-- The chasers of a letter, the newest first.
SELECT * FROM chasers WHERE letter_id = :letter_id ORDER BY number DESC;

-- name: chased_in$
-- How often bodies of a campaign were chased, over all of them: several letters chased at once are one time.
SELECT coalesce(sum(chased), 0)::bigint FROM (
    SELECT DISTINCT ON (l.campaign_id, l.organisation_id) count(*) AS chased
    FROM chasers k JOIN letters l ON l.id = k.letter_id
    WHERE l.campaign_id = :campaign_id AND k.state = 'sent' GROUP BY l.campaign_id, l.organisation_id, l.id
    ORDER BY l.campaign_id, l.organisation_id, count(*) DESC
) AS bodies;

-- name: others_at
-- Who else could be written to at these bodies, and how: everybody in the address book whom we can reach, as far as we
-- know, and to whom no letter of the campaign went, the campaign's own roles first.
SELECT c.id AS contact_id, l.campaign_id, l.organisation_id, c.role, c.name, way.channel
FROM (
    SELECT * FROM jsonb_to_recordset(:bodies::jsonb) AS b (campaign_id uuid, organisation_id uuid)
) AS l
JOIN campaigns m ON m.id = l.campaign_id
JOIN contacts c ON c.organisation_id = l.organisation_id OR c.organisation_id IN (
    SELECT g.id FROM organisations g WHERE g.merged_into = l.organisation_id)
JOIN LATERAL (
    SELECT CASE WHEN m.by_post = 'all' OR m.by_post = 'no_email' AND coalesce(c.email, '') = '' THEN 'post' ELSE c.channel END
        AS channel
) AS way ON CASE way.channel WHEN 'post' THEN cardinality(c.postal_address) > 0 ELSE coalesce(c.email, '') <> '' END
WHERE c.name IS NOT NULL AND (c.withdrawn_on IS NULL OR c.withdrawn_on > :today)
  AND NOT EXISTS (
      SELECT FROM suspected_addresses s WHERE s.contact_id = c.id AND s.channel = way.channel AND s.lifted_at IS NULL)
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
                   count(*) FILTER (WHERE k.state IN ('ready', 'printed', 'sending')) > 0 AS under_way
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
