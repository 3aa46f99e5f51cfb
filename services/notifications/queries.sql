-- name: remember_organisations!
-- The copies of organisations move forward, or stay.
INSERT INTO organisations AS known
    (id, name, kinds, areas, closed_on, successor_id, handed_over, merged_into, epoch, version)
SELECT organisation_id, name, kinds, areas, closed_on, successor_id, handed_over, merged_into, epoch, version
FROM jsonb_to_recordset(:states) AS new (
    organisation_id uuid, name text, kinds text[], areas text[], closed_on date, successor_id uuid,
    handed_over text[], merged_into uuid, epoch integer, version bigint
)
ON CONFLICT (id) DO UPDATE SET
    name = excluded.name, kinds = excluded.kinds, areas = excluded.areas, closed_on = excluded.closed_on,
    successor_id = excluded.successor_id, handed_over = excluded.handed_over, merged_into = excluded.merged_into,
    epoch = excluded.epoch, version = excluded.version
WHERE (known.epoch, known.version) < (excluded.epoch, excluded.version);

-- name: remember_contacts!
-- The copies of contacts move forward, or stay; a stone covers whatever stood there.
INSERT INTO contacts AS known (
    id, organisation_id, role, channel, name, email, postal_address, postcode, source, listed_on, withdrawn_on,
    epoch, version
)
SELECT
    contact_id, organisation_id, role, channel, name, email, postal_address, postcode, source, listed_on, withdrawn_on,
    epoch, version
FROM jsonb_to_recordset(:states) AS new (
    contact_id uuid, organisation_id uuid, role text, channel text, name text, email text, postal_address text[],
    postcode text, source text, listed_on date, withdrawn_on date, epoch integer, version bigint
)
ON CONFLICT (id) DO UPDATE SET
    organisation_id = excluded.organisation_id, role = excluded.role, channel = excluded.channel,
    name = excluded.name, email = excluded.email, postal_address = excluded.postal_address,
    postcode = excluded.postcode, source = excluded.source, listed_on = excluded.listed_on,
    withdrawn_on = excluded.withdrawn_on, epoch = excluded.epoch, version = excluded.version
WHERE (known.epoch, known.version) < (excluded.epoch, excluded.version);

-- name: remember_counts!
-- The copies of counts move forward, or stay.
INSERT INTO registration_counts AS known (area, profession, count, counted_on, epoch, version)
SELECT area, profession, count, counted_on, epoch, version
FROM jsonb_to_recordset(:states) AS new (
    area text, profession text, count integer, counted_on date, epoch integer, version bigint
)
ON CONFLICT (area, profession) DO UPDATE SET
    count = excluded.count, counted_on = excluded.counted_on, epoch = excluded.epoch, version = excluded.version
WHERE (known.epoch, known.version) < (excluded.epoch, excluded.version);

-- name: forget_organisations!
-- Let any version replace what the copy holds, before it is rebuilt from snapshots.
UPDATE organisations SET epoch = 0, version = 0;

-- name: forget_contacts!
-- Let any version replace what the copy holds, before it is rebuilt from snapshots.
UPDATE contacts SET epoch = 0, version = 0;

-- name: forget_registration_counts!
-- Let any version replace what the copy holds, before it is rebuilt from snapshots.
UPDATE registration_counts SET epoch = 0, version = 0;

-- name: campaign_called$
-- The newest campaign of this name.
SELECT id FROM campaigns WHERE name = :name ORDER BY created_at DESC LIMIT 1;

-- name: lock_campaign^
-- One campaign, for whoever changes it.
SELECT * FROM campaigns WHERE id = :id FOR UPDATE;

-- name: campaign^
-- One campaign.
SELECT * FROM campaigns WHERE id = :id;

-- name: campaigns
-- The newest campaigns.
SELECT id, name, purpose, state, send_at, sent_at, released_at, returned_because FROM campaigns ORDER BY created_at DESC, id DESC LIMIT :most;

-- name: counts_of
-- What was counted of one profession, by area.
SELECT area, count, counted_on FROM registration_counts WHERE profession = :profession;

-- name: recipients
-- Everybody of these roles at a body of this kind who may be written to, in the order of the bodies' names; in some
-- areas or everywhere. In turn, only one at each body: the first of the roles with somebody who can be reached. The
-- successor of a closed body is the last of the chain.
WITH RECURSIVE chain AS (
    SELECT o.id AS first, o.name, o.successor_id, ARRAY[o.id] AS way FROM organisations o
    WHERE o.closed_on <= :today AND o.successor_id IS NOT NULL AND :kind = ANY (o.kinds)
    UNION ALL
    SELECT c.first, n.name, n.successor_id, c.way || n.id
    FROM chain c JOIN organisations s ON s.id = c.successor_id
    JOIN organisations n ON n.id = coalesce(s.merged_into, s.id)
    WHERE n.id <> ALL (c.way)
), successors AS (
    SELECT DISTINCT ON (first) first, name FROM chain WHERE cardinality(way) > 1 ORDER BY first, cardinality(way) DESC
), everybody AS (
    SELECT c.id AS contact_id, c.role, c.channel, c.name, c.email, c.postal_address, c.postcode, c.source,
           o.id AS organisation_id, o.name AS body_name, o.areas, o.closed_on, s.name AS successor,
           row_number() OVER (
               PARTITION BY o.id
               ORDER BY CASE
                            WHEN :by_post = 'all' OR c.channel = 'post'
                                OR :by_post = 'no_email' AND coalesce(c.email, '') = ''
                            THEN coalesce(cardinality(c.postal_address), 0) > 0
                            ELSE coalesce(c.email, '') <> '' END DESC,
                        array_position(:roles::text[], c.role), c.id
           ) AS turn
    FROM contacts c
    JOIN organisations k ON k.id = c.organisation_id
    JOIN organisations o ON o.id = coalesce(k.merged_into, k.id)
    LEFT JOIN successors s ON s.first = o.id
    WHERE :kind = ANY (o.kinds) AND c.role = ANY (:roles::text[])
      AND (cardinality(:areas::text[]) = 0 OR o.areas && :areas::text[])
      AND c.name IS NOT NULL AND (c.withdrawn_on IS NULL OR c.withdrawn_on > :today)
)
SELECT * FROM everybody WHERE NOT :in_turn OR turn = 1
ORDER BY body_name, organisation_id, array_position(:roles::text[], role), contact_id;

-- name: reached
-- How many people of each role `recipients` finds at bodies of this kind; and in the row without a role, how many people
-- and bodies it finds for those roles that are chosen.
SELECT c.role, count(*) AS people, count(*) FILTER (WHERE c.role = ANY (:roles::text[])) AS chosen,
       count(DISTINCT o.id) FILTER (WHERE c.role = ANY (:roles::text[])) AS bodies
FROM contacts c
JOIN organisations k ON k.id = c.organisation_id
JOIN organisations o ON o.id = coalesce(k.merged_into, k.id)
WHERE :kind = ANY (o.kinds) AND (cardinality(:areas::text[]) = 0 OR o.areas && :areas::text[])
  AND c.name IS NOT NULL AND (c.withdrawn_on IS NULL OR c.withdrawn_on > :today)
GROUP BY ROLLUP (c.role);

-- name: forget_letters$
-- Some of the letters of a draft, before they are made anew. How many.
WITH forgotten AS (
    DELETE FROM letters WHERE id IN (
        SELECT id FROM letters WHERE campaign_id = :campaign_id AND state IN ('draft', 'blocked') LIMIT :most
    ) AND state IN ('draft', 'blocked') RETURNING 1
)
SELECT count(*) FROM forgotten;

-- name: enter_letters!
-- Letters of a campaign, with the first line in the history of each.
WITH entered AS (
    INSERT INTO letters (
        id, campaign_id, organisation_id, contact_id, number, reference, role, channel, body_name, areas, state, ask_pence,
        count, evidence_on, evidence_source, formula_version, frozen, token_digest, message_id, reason, failure,
        cure, words_version, own_subject, own_body, version, changed_at
    )
    SELECT l.id, :campaign_id, l.organisation_id, l.contact_id, l.number, l.reference, l.role, l.channel, l.body_name,
           l.areas, l.state, l.ask_pence, l.count, l.evidence_on, l.evidence_source, l.formula_version, l.frozen,
           decode(l.token_digest, 'hex'), l.message_id, l.reason, l.failure, l.cure, l.words_version, l.own_subject,
           l.own_body, l.version, :now
    FROM jsonb_to_recordset(:letters::jsonb) AS l (
        id uuid, organisation_id uuid, contact_id uuid, number integer, reference text, role text, channel text,
        body_name text, areas text[], state text, ask_pence bigint, count integer, evidence_on date, evidence_source text,
        formula_version integer, frozen jsonb, token_digest text, message_id text, reason text, failure text,
        cure text, words_version integer, own_subject text, own_body text, version integer
    ) RETURNING id
)
INSERT INTO letter_history (letter_id, at, what, who, person_id) SELECT id, :now, :what, :who, :person_id::uuid FROM entered;

-- name: note!
-- One line in the history of a letter.
INSERT INTO letter_history (letter_id, at, what, who, person_id) VALUES (:letter_id, :now, :what, :who, :person_id::uuid);

-- name: discard_campaign!
-- A draft that nobody wants any more, once its letters are gone.
DELETE FROM campaigns WHERE id = :id AND state = 'draft';

-- name: release_letters$
-- Some of the letters of a draft that can go are due from now on, with a line in the history of each. How many.
WITH released AS (
    UPDATE letters SET state = 'ready', dated = :dated, next_try = :now, changed_at = :now, version = version + 1
    WHERE id IN (SELECT id FROM letters WHERE campaign_id = :campaign_id AND state = 'draft' LIMIT :most)
      AND state = 'draft' RETURNING id
), noted AS (
    INSERT INTO letter_history (letter_id, at, what, who, person_id) SELECT id, :now, 'Released', :who, :person_id::uuid FROM released
)
SELECT count(*) FROM released;

-- name: finish_campaigns
-- Campaigns of which no letter waits or is on its way any more. One letter more does not change when they were sent.
-- The least of their states is the first that an index has, however many there are.
UPDATE campaigns c SET state = 'sent', sent_at = coalesce(sent_at, :now), version = version + 1
WHERE state = 'sending' AND (
    SELECT min(l.state) FROM letters l WHERE l.campaign_id = c.id AND l.state IN ('ready', 'printed', 'sending')
) IS NULL
RETURNING c.id, c.name, c.version,
    (SELECT count(DISTINCT l.organisation_id) FROM letters l WHERE l.campaign_id = c.id AND l.state = 'sent') AS bodies,
    (SELECT count(*) FROM letters l WHERE l.campaign_id = c.id AND l.state = 'sent') AS letters;

-- name: letters_by_state
-- How many letters there are of each state.
SELECT state, count(*) AS count FROM letters GROUP BY state;

-- name: oldest_due$
-- Since when the letter waits that is due longest.
SELECT min(next_try) FROM letters WHERE state = 'ready' AND channel = 'email' AND next_try <= :now;

-- name: follow_indexes!
-- What is asked next in this transaction reads no table from one end to the other for each row of another, as a plan does
-- that was made when there was little.
SET LOCAL enable_seqscan = off;

-- name: follow_order$
-- What is asked next in this transaction follows an index in its order, and does not sort all that there is for the first
-- few, as a plan does that was made when there was little.
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_sort', 'off', true);

-- name: due_letters
-- The letters that could go now, due longest first. Whoever takes some of them looks again.
SELECT l.id FROM letters l JOIN organisations o ON o.id = l.organisation_id JOIN campaigns m ON m.id = l.campaign_id
JOIN contacts c ON c.id = l.contact_id
LEFT JOIN mail_domains d ON d.domain = lower(split_part(c.email, '@', -1))
WHERE (d.next_at IS NULL OR d.next_at <= :now)
  AND l.state = 'ready' AND l.channel = 'email' AND l.next_try <= :now AND m.state IN ('sending', 'sent')
  AND c.name IS NOT NULL AND coalesce(c.email, '') <> ''
  AND o.merged_into IS NULL AND (o.closed_on IS NULL OR o.closed_on > :today)
ORDER BY l.next_try, l.number, l.id LIMIT :most;

-- name: give_up_claims
-- Letters that were being sent when the sender was lost: nobody knows whether they left, and nothing has come back.
WITH lost AS (
    UPDATE letters SET
        state = 'unknown', changed_at = :now, version = version + 1,
        failure = 'We were interrupted while this letter was being sent, so it may or may not have arrived.',
        cure = 'Ask the recipient, then mark it as sent or send it again.'
    WHERE state = 'sending' AND claimed_at < :before RETURNING id
), noted AS (
    INSERT INTO letter_history (letter_id, at, what, who)
    SELECT id, :now, 'Perhaps sent: the sender was interrupted', 'the sender' FROM lost
)
SELECT id FROM lost;

-- name: take_letters
-- Of these letters those that may go, with all that they say: until then nobody else makes their e-mails. Of those to one
-- domain the first, unless there is no limit, and none to a domain that has had enough for now. What the ledger says was
-- begun waits.
WITH due AS (
    SELECT l.id, l.next_try, l.number, lower(split_part(c.email, '@', -1)) AS domain
    FROM letters l JOIN contacts c ON c.id = l.contact_id JOIN campaigns m ON m.id = l.campaign_id
    LEFT JOIN mail_domains d ON d.domain = lower(split_part(c.email, '@', -1))
    WHERE l.id = ANY (:ids::uuid[]) AND (d.next_at IS NULL OR d.next_at <= :now)
      -- Looked up by their ids, never among all that is due.
      AND (l.next_try <= :now) IS TRUE AND (l.state = 'ready') IS TRUE
      AND l.channel = 'email' AND c.name IS NOT NULL AND coalesce(c.email, '') <> ''
      AND m.state IN ('sending', 'sent')
      AND NOT EXISTS (SELECT FROM begun_sends s WHERE s.message_id = l.message_id AND s.attempt > l.begun)
    FOR UPDATE OF l SKIP LOCKED
), slots AS (
    INSERT INTO mail_domains AS known (domain, next_at)
    SELECT DISTINCT domain, :now::timestamptz + :spacing::interval FROM due ORDER BY domain
    ON CONFLICT (domain) DO UPDATE SET next_at = excluded.next_at WHERE known.next_at <= :now RETURNING domain, pause
), placed AS (
    SELECT id, domain, next_try, row_number() OVER (PARTITION BY domain ORDER BY next_try, number, id) AS place FROM due
)
UPDATE letters l SET next_try = :until
FROM placed p, slots s, campaigns m, contacts c
WHERE l.id = p.id AND (p.place = 1 OR :spacing::interval < '0') AND s.domain = p.domain
  AND m.id = l.campaign_id AND c.id = l.contact_id
RETURNING l.*, c.email, coalesce(l.own_subject, m.subject) AS subject, coalesce(l.own_body, m.body) AS body,
    m.name AS campaign, m.correlationid, m.traceparent, s.pause > '0' AS slowed, p.next_try AS due_since;

-- name: claim_letter^
-- A letter that was taken goes now, if it still may and still says what its e-mail says; nothing otherwise, and nothing
-- while something is being changed at its body. What may be stopped of its contact comes with it, as
-- addresses_of_contacts has it.
WITH due AS (
    SELECT l.id
    FROM letters l JOIN contacts c ON c.id = l.contact_id JOIN organisations o ON o.id = l.organisation_id
    JOIN campaigns m ON m.id = l.campaign_id
    -- Never looked for among all of a campaign, whatever plan was made when there was little: see sum_up.
    JOIN bodies b ON b.organisation_id = l.organisation_id AND b.campaign_id IS NOT DISTINCT FROM l.campaign_id
    WHERE l.id = :id AND l.state = 'ready' AND l.next_try = :until AND l.version = :version
      AND c.name IS NOT NULL AND c.email = :email AND m.state IN ('sending', 'sent')
      AND o.merged_into IS NULL AND (o.closed_on IS NULL OR o.closed_on > :today)
      AND NOT EXISTS (SELECT FROM begun_sends s WHERE s.message_id = l.message_id AND s.attempt > l.begun)
    FOR UPDATE OF l, b SKIP LOCKED
)
UPDATE letters l SET
    state = 'sending', claimed_at = :now, begun = l.begun + 1, changed_at = :now, version = l.version + 1
FROM due, contacts c
LEFT JOIN organisations o ON o.id = c.organisation_id
CROSS JOIN LATERAL (SELECT coalesce(o.merged_into, o.id, c.organisation_id) AS id) b
WHERE l.id = due.id AND c.id = l.contact_id
RETURNING l.id, l.contact_id, l.begun, c.email, c.name, c.postcode,
    ARRAY(SELECT e.id FROM organisations e WHERE e.merged_into = b.id) || b.id AS bodies;

-- name: put_back_letter!
-- It was taken and could not be claimed: it is due as it was, unless it has changed.
UPDATE letters SET next_try = :due_since WHERE id = :id AND state = 'ready' AND next_try = :until;

-- name: settle_letter^
-- What became of a claimed letter, with a line in its history. Nothing when somebody else has settled it meanwhile.
WITH settled AS (
    UPDATE letters l SET
        state = :state, sent_at = :sent_at, waits_since = :sent_at, lateness = '', next_try = :next_try,
        failure = :failure, cure = :cure, claimed_at = CASE WHEN :state = 'unknown' THEN l.claimed_at END,
        attempts = l.attempts + :tried, changed_at = :now, version = l.version + 1
    FROM campaigns m
    WHERE l.id = :id AND l.claimed_at = :claimed_at AND l.state IN ('sending', 'unknown') AND m.id = l.campaign_id
    RETURNING l.*, m.name AS campaign
), noted AS (
    INSERT INTO letter_history (letter_id, at, what, who) SELECT id, :now, :what, :who FROM settled
)
SELECT * FROM settled;

-- name: postpone_due!
-- The mail server cannot be reached: whatever is due waits, which is no fault of any letter.
UPDATE letters SET next_try = :next_try, failure = :failure, cure = NULL, changed_at = :now
WHERE state = 'ready' AND channel = 'email' AND next_try <= :now;

-- name: lock_letter^
-- One letter with its campaign, for whoever changes it.
SELECT l.*, m.name AS campaign, m.fund, m.state AS campaign_state
FROM letters l JOIN campaigns m ON m.id = l.campaign_id WHERE l.id = :id FOR UPDATE OF l;

-- name: letter^
-- One letter with its campaign, and its neighbours in it.
SELECT l.*, m.name AS campaign, m.fund, m.asks, m.state AS campaign_state, m.formula_version AS campaign_formula_version,
       coalesce(l.own_subject, m.subject) AS subject, coalesce(l.own_body, m.body) AS body,
       n.*
FROM letters l JOIN campaigns m ON m.id = l.campaign_id, LATERAL (
    SELECT (SELECT p.id FROM letters p WHERE p.campaign_id = l.campaign_id ORDER BY p.number LIMIT 1) AS first_id,
           (SELECT p.id FROM letters p WHERE p.campaign_id = l.campaign_id AND p.number < l.number
            ORDER BY p.number DESC LIMIT 1) AS previous_id,
           (SELECT p.id FROM letters p WHERE p.campaign_id = l.campaign_id AND p.number > l.number
            ORDER BY p.number LIMIT 1) AS next_id,
           (SELECT p.number FROM letters p WHERE p.campaign_id = l.campaign_id
            ORDER BY p.number DESC LIMIT 1) AS last_number
) n WHERE l.id = :id;

-- name: letter_by_token^
-- The letter that a link belongs to.
SELECT l.*, m.name AS campaign, m.fund, m.asks, coalesce(l.own_subject, m.subject) AS subject, coalesce(l.own_body, m.body) AS body
FROM letters l JOIN campaigns m ON m.id = l.campaign_id WHERE l.token_digest = :digest;

-- name: first_letter_to$
-- The first letter of a campaign to a body that serves an area.
SELECT id FROM letters WHERE campaign_id = :campaign_id AND :area = ANY (areas) ORDER BY number LIMIT 1;

-- name: first_letter$
-- The first letter of a campaign.
SELECT id FROM letters WHERE campaign_id = :campaign_id ORDER BY number LIMIT 1;

-- name: resend_letter!
-- A person decided that it goes again, under the same Message-ID and with a fresh count of tries.
UPDATE letters SET
    state = 'ready', next_try = :now, attempts = 0, claimed_at = NULL, failure = NULL, cure = NULL,
    changed_at = :now, version = version + 1
WHERE id = :id;

-- name: mark_letter_sent^
-- Somebody knows that it arrived.
UPDATE letters l SET
    state = 'sent', sent_at = coalesce(l.claimed_at, :now), waits_since = coalesce(l.claimed_at, :now), lateness = '',
    claimed_at = NULL, failure = NULL, cure = NULL, changed_at = :now, version = l.version + 1
FROM campaigns m WHERE l.id = :id AND m.id = l.campaign_id
RETURNING l.*, m.name AS campaign;

-- name: history_of
-- What happened to a letter, newest first.
SELECT at, what, because, who, person_id FROM letter_history WHERE letter_id = :letter_id ORDER BY id DESC;

-- name: answers_of
-- What came back for a letter, newest first, and which kind of later answer has taken its place: that of a wish to meet,
-- such a wish; that of a pledge or a refusal, either.
SELECT a.*, (
           SELECT n.kind FROM answers n WHERE n.letter_id = a.letter_id AND n.corrected_at IS NULL AND (n.at, n.id) > (a.at, a.id)
               AND n.kind = ANY (CASE WHEN a.kind = 'meet' THEN '{meet}'::text[]
                                      WHEN a.kind IN ('pledge', 'decline') THEN '{pledge,decline}' END)
           ORDER BY n.at, n.id LIMIT 1
       ) AS replaced_by
FROM answers a WHERE a.letter_id = :letter_id ORDER BY a.at DESC, a.id DESC;

-- name: newest_answer^
-- What a recipient said last.
SELECT * FROM answers WHERE letter_id = :letter_id AND corrected_at IS NULL ORDER BY at DESC, id DESC LIMIT 1;

-- name: standing_answers^
-- How many answers a letter has, and whether a pledge among them counts as money: confirmed, and not written back.
SELECT count(*) AS count,
       coalesce(bool_or(
           confirmed_at IS NOT NULL AND corrected_at IS NULL AND written_back_pence < pledge_pence), false) AS counted
FROM answers WHERE letter_id = :letter_id;

-- name: open_answers_of
-- What recipients said in these campaigns and a person has to see to, oldest first: open questions, meetings to be agreed on, colleagues
-- to be confirmed, pledges to be confirmed, and refusals by a body whose earlier pledge was confirmed and still counts; but
-- for what was replaced, as `answers_of` has it. Few answers are open: they are looked up first, and their letters by what
-- they are known by.
WITH open AS MATERIALIZED (
    SELECT a.* FROM answers a
    WHERE a.settled_at IS NULL AND a.corrected_at IS NULL AND a.confirmed_at IS NULL
      AND a.kind IN ('ask', 'meet', 'pass_on', 'pledge') AND (
        a.kind = 'ask'
        OR a.kind = 'pass_on' AND EXISTS (
            SELECT FROM suggestions s WHERE s.answer_id = a.id AND s.settled_at IS NULL)
        OR a.kind IN ('meet', 'pledge') AND NOT EXISTS (
            SELECT FROM answers n WHERE n.letter_id = a.letter_id AND n.corrected_at IS NULL AND (n.at, n.id) > (a.at, a.id)
                AND n.kind = ANY (CASE a.kind WHEN 'meet' THEN '{meet}'::text[] WHEN 'pledge' THEN '{pledge,decline}' END))
      )
    UNION
    SELECT a.* FROM answers p JOIN letters k ON k.id = p.letter_id
    JOIN letters o ON o.campaign_id = k.campaign_id AND o.organisation_id = k.organisation_id
    JOIN answers a ON a.letter_id = o.id AND (a.at, a.id) > (p.at, p.id)
    WHERE p.confirmed_at IS NOT NULL AND p.written_back_pence < p.pledge_pence AND k.campaign_id = ANY (:campaigns::uuid[])
      AND a.kind = 'decline' AND a.settled_at IS NULL AND a.corrected_at IS NULL AND NOT EXISTS (
        SELECT FROM answers n WHERE n.letter_id = a.letter_id AND n.kind IN ('pledge', 'decline')
            AND n.corrected_at IS NULL AND (n.at, n.id) > (a.at, a.id))
)
SELECT a.id, a.letter_id, a.kind, a.detail, a.pledge_pence, a.at, l.campaign_id, l.organisation_id,
       l.body_name
FROM open a CROSS JOIN LATERAL (
    SELECT organisation_id, body_name, campaign_id FROM letters WHERE id = a.letter_id OFFSET 0
) l
WHERE l.campaign_id = ANY (:campaigns::uuid[])
ORDER BY a.at, a.id;

-- name: answer^
-- One answer, and whether a later one has taken its place, as `answers_of` has it.
SELECT a.*, EXISTS (
           SELECT FROM answers n WHERE n.letter_id = a.letter_id AND n.corrected_at IS NULL AND (n.at, n.id) > (a.at, a.id)
               AND n.kind = ANY (CASE WHEN a.kind = 'meet' THEN '{meet}'::text[]
                                      WHEN a.kind IN ('pledge', 'decline') THEN '{pledge,decline}' END)
       ) AS replaced
FROM answers a WHERE a.id = :id;

-- name: settle_answer!
-- A member of staff has seen to it.
UPDATE answers SET settled_at = :now WHERE id = :id;

-- name: enter_answer!
-- What somebody said.
INSERT INTO answers (id, letter_id, kind, detail, name, position, pledge_pence, at, way, entered_by, told_on)
VALUES (:id, :letter_id, :kind, :detail, :name, :position, :pledge_pence, :now, :way, :entered_by, :told_on);

-- name: set_answer$
-- Where a letter's answer stands after it; the letter's version. Whoever says that it is there has as long again.
UPDATE letters SET
    answer = :answer, waits_since = CASE WHEN :answer = 'acknowledged' THEN :now ELSE waits_since END,
    lateness = CASE WHEN :answer = 'acknowledged' THEN '' ELSE lateness END, changed_at = :now, version = version + 1
WHERE id = :id RETURNING version;

-- name: pledge^
-- A pledge with the letter it came for, and whether a newer answer has taken its place.
SELECT a.*, l.organisation_id, l.campaign_id, m.name AS campaign, m.fund,
       EXISTS (
           SELECT FROM answers n WHERE n.letter_id = a.letter_id AND n.kind IN ('pledge', 'decline')
               AND n.corrected_at IS NULL AND (n.at, n.id) > (a.at, a.id)
       ) AS replaced
FROM answers a JOIN letters l ON l.id = a.letter_id JOIN campaigns m ON m.id = l.campaign_id
WHERE a.id = :id AND a.kind = 'pledge';

-- name: confirm_pledge!
-- A member of staff has asked, and it is so.
UPDATE answers SET confirmed_at = :now WHERE id = :id;

-- name: write_back!
-- So much of a pledge will not come, in this word of Grants.
UPDATE answers SET written_back_pence = :pence, written_back_epoch = :epoch, written_back_version = :version WHERE id = :id;

-- name: touch_letter!
-- Something about a letter changed that its page and its board show.
UPDATE letters SET changed_at = :now, version = version + 1 WHERE id = :id;

-- name: words_of
-- The newest words of each kind that each of these bodies of a campaign sent us; an open question before others. What they
-- have pledged is a sum: see `pledges_of`.
SELECT DISTINCT ON (l.organisation_id, a.kind) l.organisation_id, a.kind, a.detail, a.settled_at
FROM answers a JOIN letters l ON l.id = a.letter_id
WHERE l.campaign_id = :campaign_id AND l.organisation_id = ANY (:bodies::uuid[])
  AND a.kind NOT IN ('acknowledge', 'pass_on', 'pledge') AND a.corrected_at IS NULL
ORDER BY l.organisation_id, a.kind, (a.kind = 'ask' AND a.settled_at IS NULL) DESC, a.at DESC, a.id DESC;

-- name: pledged_in^
-- What was promised for a campaign and confirmed, but for what will not come, by how many bodies; and what will not come. A
-- pledge that another one has replaced counts, too, until Grants says what of it will not come: the rest has come. What
-- will not come of it is no loss.
SELECT coalesce(sum(a.pledge_pence - a.written_back_pence), 0)::bigint AS pence,
       count(DISTINCT l.organisation_id) FILTER (WHERE a.written_back_pence < a.pledge_pence) AS bodies,
       coalesce(sum(a.written_back_pence) FILTER (WHERE a.corrected_at IS NULL), 0)::bigint AS written_back_pence
FROM answers a JOIN letters l ON l.id = a.letter_id
WHERE l.campaign_id = :campaign_id AND a.confirmed_at IS NOT NULL;

-- name: count_received!
-- Enter what came for a campaign, or went back, once for each event.
INSERT INTO received (id, campaign_id, amount_pence, heard_at) VALUES (:id, :campaign_id, :amount_pence, :now)
ON CONFLICT (id) DO NOTHING;

-- name: received_in$
-- What came for a campaign and did not go back.
SELECT coalesce(sum(amount_pence), 0)::bigint FROM received WHERE campaign_id = :campaign_id;

-- name: problems_of
-- The first letters of a campaign that need a person: those that cannot go or were refused, those of which nobody knows,
-- and those that came back from a body that has said nothing since. How many there are in all stands with the bodies.
SELECT id, organisation_id, body_name, state, delivery, failure, cure FROM letters
WHERE campaign_id = :campaign_id AND (state IN ('blocked', 'failed', 'unknown') OR delivery IN ('bounced', 'returned'))
  AND reason IS DISTINCT FROM 'stopped' AND (state <> 'sent' OR answer = 'silent')
  AND (delivery NOT IN ('bounced', 'returned') OR (
      SELECT b.standing FROM bodies b
      WHERE b.campaign_id = letters.campaign_id AND b.organisation_id = letters.organisation_id
  ) IN ('silent', 'waiting', 'problem', 'blocked'))
ORDER BY number LIMIT :most;

-- name: pulse_of^
-- Whether anything about a campaign's letters has changed; while a change may be under way, once more when it is not.
SELECT c.state, c.version, b.changed_in, b.changed_in < pg_snapshot_xmin(pg_current_snapshot()) AS settled,
       (SELECT count(*) FROM received r WHERE r.campaign_id = c.id) AS received
FROM campaigns c CROSS JOIN LATERAL (
    SELECT max(changed_in) AS changed_in FROM bodies
    WHERE campaign_id = c.id AND changed_in < pg_snapshot_xmax(pg_current_snapshot())
) b WHERE c.id = :campaign_id;

-- name: write_notice!
-- Note what is to be said to somebody, once for each event.
INSERT INTO notices (id, kind, person_id, state, email, language, runs, words, subject, body, not_after, next_try,
                      made_at, correlationid, traceparent)
VALUES (:id, :kind, :person_id, 'ready', :email, :language, :runs, :words, :subject, :body, :not_after, :now, :now,
        :correlationid, :traceparent)
ON CONFLICT (id) DO NOTHING;

-- name: claim_notice^
-- The notice that is due longest and that no other sender has taken.
WITH due AS (
    SELECT n.id FROM notices n WHERE n.state = 'ready' AND n.next_try <= :now AND n.not_after > :now
      AND NOT EXISTS (SELECT FROM begun_sends b WHERE b.id = n.id AND b.attempt > n.attempts)
    ORDER BY n.next_try, n.id LIMIT 1
    FOR UPDATE SKIP LOCKED
)
UPDATE notices AS n SET state = 'sending', claimed_at = :now, attempts = n.attempts + 1 FROM due
WHERE n.id = due.id RETURNING n.*;

-- name: put_back_notice!
-- It was not taken; it is tried again. What was not even begun gets its try back.
UPDATE notices SET state = 'ready', claimed_at = NULL, next_try = :next_try, attempts = attempts - :untried
WHERE id = :id AND claimed_at = :claimed_at;

-- name: settle_notice^
-- What became of it. Its words and the address are forgotten. Nothing when somebody else has settled it.
UPDATE notices SET state = :state, settled_at = :now, email = NULL, subject = NULL, body = NULL
WHERE id = :id AND claimed_at = :claimed_at RETURNING id, kind, person_id, settled_at;

-- name: give_up_notices!
-- A sender was lost with these in its hands: they may have gone, and do not go again.
UPDATE notices SET state = 'unknown', settled_at = :now, email = NULL, subject = NULL, body = NULL
WHERE state = 'sending' AND claimed_at < :before;

-- name: let_go_of_late_notices
-- These are of no use to anybody any more.
UPDATE notices SET state = 'late', settled_at = :now, email = NULL, subject = NULL, body = NULL
WHERE state = 'ready' AND not_after <= :now RETURNING id, kind, person_id, settled_at;

-- name: notices_because_of
-- What was to be said to somebody because of these events, and where it stands.
SELECT id, kind, state, coalesce(settled_at, made_at) AS at FROM notices WHERE id = ANY(:ids::uuid[]);

-- name: letters_in_story
-- The letters that a request in this story let go, by state.
SELECT l.state, count(*) AS count, max(l.changed_at) AS at
FROM letters AS l JOIN campaigns AS m ON m.id = l.campaign_id
WHERE m.correlationid = :correlationid GROUP BY l.state ORDER BY l.state;

-- name: waiting_since^
-- How many messages and letters are due, and since when the oldest waits.
SELECT count(*) AS count, min(since) AS since FROM (
    SELECT made_at AS since FROM notices WHERE settled_at IS NULL AND state <> 'unknown'
    UNION ALL SELECT m.released_at FROM letters AS l JOIN campaigns AS m ON m.id = l.campaign_id
    WHERE l.state = 'ready' AND l.channel = 'email' AND m.state <> 'paused'
) AS waiting;

-- name: purge_notices$
-- Forget that something was said. How much.
WITH old AS (
    SELECT id FROM notices WHERE settled_at < :before ORDER BY settled_at LIMIT :most FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM notices AS n USING old WHERE n.id = old.id RETURNING 1
)
SELECT count(*) FROM gone;

-- name: addresses_held
-- What the address book says of these contacts.
SELECT c.id, c.role, c.channel, c.name, c.email, c.postal_address, c.postcode, c.source, c.listed_on, c.withdrawn_on,
       e.suspected_at AS thought_dead_since, p.suspected_at AS post_comes_back_since
FROM contacts c
LEFT JOIN suspected_addresses e ON e.contact_id = c.id AND e.channel = 'email' AND e.lifted_at IS NULL
LEFT JOIN suspected_addresses p ON p.contact_id = c.id AND p.channel = 'post' AND p.lifted_at IS NULL
WHERE c.id = ANY(:ids::uuid[]) AND c.name IS NOT NULL ORDER BY c.id;

-- name: letters_held
-- All letters to these contacts, with all that is needed to show them.
SELECT l.*, m.name AS campaign, coalesce(l.own_subject, m.subject) AS subject, coalesce(l.own_body, m.body) AS body
FROM letters l JOIN campaigns m ON m.id = l.campaign_id
WHERE l.contact_id = ANY(:ids::uuid[]) ORDER BY l.id;

-- name: answers_held
-- What came back for these letters.
SELECT letter_id, kind, detail, name, position, pledge_pence, written_back_pence, at, confirmed_at, settled_at FROM answers
WHERE letter_id = ANY(:ids::uuid[]) ORDER BY at, id;

-- name: history_held
-- What happened to these letters.
SELECT letter_id, at, what, because, who FROM letter_history WHERE letter_id = ANY(:ids::uuid[]) ORDER BY id;

-- name: answers_by_name
-- Answers in which one of these names stands, to letters that were for others.
SELECT a.kind, a.detail, a.name, a.position, a.pledge_pence, a.at, l.reference
FROM answers a JOIN letters l ON l.id = a.letter_id
WHERE lower(a.name) = ANY(:names::text[]) AND NOT l.contact_id = ANY(:ids::uuid[]) ORDER BY a.at, a.id;

-- name: notices_held
-- What is still to be said to these addresses.
SELECT kind, email, subject, body, made_at FROM notices WHERE lower(email) = ANY(:emails::text[]) ORDER BY made_at, id;

-- name: forget_addresses$
-- Take these contacts out of the address book; what remains is that there was one. How many.
WITH unsuspected AS (
    DELETE FROM suspected_addresses WHERE contact_id = ANY(:ids::uuid[])
), unsuspected_before AS (
    DELETE FROM suspects WHERE contact_id = ANY(:ids::uuid[])
), forgotten AS (
    UPDATE contacts SET name = NULL, email = NULL, postal_address = NULL, postcode = NULL, source = NULL
    WHERE id = ANY(:ids::uuid[]) AND name IS NOT NULL RETURNING 1
)
SELECT count(*) FROM forgotten;

-- name: letters_of_contacts
-- The letters to these contacts that still say for whom they are.
SELECT id FROM letters WHERE contact_id = ANY(:ids::uuid[]) AND scrubbed_at IS NULL ORDER BY id;

-- name: letters_until
-- Letters that have had their time: nothing has happened to them since a moment.
SELECT id FROM letters WHERE changed_at < :before AND scrubbed_at IS NULL
ORDER BY changed_at, id LIMIT :most FOR UPDATE SKIP LOCKED;

-- name: scrub_letters^
-- Keep no longer whom these letters were for, what they wrote and why somebody of ours did what: what was asked and what
-- came of it stays.
WITH letters_scrubbed AS (
    UPDATE letters SET
        frozen = jsonb_set(
            frozen || '{"recipient_address": [], "address_source": ""}', '{values,contact_name}', to_jsonb(:name::text)
        ),
        failure = CASE WHEN failure IS NOT NULL THEN 'Why is no longer kept.' END, cure = NULL,
        own_subject = NULL, own_body = NULL,
        scrubbed_at = :now, version = version + 1
    WHERE id = ANY(:ids::uuid[]) AND scrubbed_at IS NULL RETURNING 1
), chasers_scrubbed AS (
    UPDATE chasers SET failure = 'Why is no longer kept.', cure = NULL
    WHERE letter_id = ANY(:ids::uuid[]) AND failure IS NOT NULL AND state <> 'withheld'
), reasons_scrubbed AS (
    UPDATE letter_history SET because = '' WHERE letter_id = ANY(:ids::uuid[]) AND because <> ''
), answers_scrubbed AS (
    UPDATE answers SET detail = '', name = '', position = ''
    WHERE letter_id = ANY(:ids::uuid[]) AND (detail, name, position) <> ('', '', '') RETURNING 1
)
SELECT (SELECT count(*) FROM letters_scrubbed) AS letters, (SELECT count(*) FROM answers_scrubbed) AS answers;

-- name: forget_notices$
-- Say no more to these addresses. How much was still to be said.
WITH forgotten AS (
    UPDATE notices SET state = 'late', settled_at = :now, email = NULL, subject = NULL, body = NULL
    WHERE settled_at IS NULL AND state <> 'sending' AND lower(email) = ANY(:emails::text[]) RETURNING 1
)
SELECT count(*) FROM forgotten;
