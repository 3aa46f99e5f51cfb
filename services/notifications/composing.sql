-- name: enter_campaign!
-- A draft of which only the purpose is known.
INSERT INTO campaigns (
    id, name, purpose, fund, profession, formula_version, least_pence, each_pence, step_pence, most_pence, subject, body,
    signatory, kind, roles, words_version, hands, state, created_at, version
) VALUES (
    :id, :name, :purpose, :fund, :profession, :formula_version, :least_pence, :each_pence, :step_pence, :most_pence, '', '',
    '', '', '{}', 0, array_remove(ARRAY[:by::uuid], NULL), 'draft', :now, 1
);

-- name: set_purpose!
-- What a draft is for and what it asks.
UPDATE campaigns SET
    name = :name, purpose = :purpose, fund = :fund, profession = :profession, formula_version = :formula_version,
    least_pence = :least_pence, each_pence = :each_pence, step_pence = :step_pence, most_pence = :most_pence
WHERE id = :id;

-- name: set_recipients!
-- Who receives a draft's letters.
UPDATE campaigns SET kind = :kind, areas = :areas, roles = :roles, in_turn = :in_turn, by_post = :by_post
WHERE id = :id;

-- name: set_words!
-- What a draft's letters say; a version of its own when it is other than before.
WITH changed AS (
    UPDATE campaigns SET subject = :subject, body = :body, words_version = words_version + 1
    WHERE id = :id AND (words_version, subject, body) IS DISTINCT FROM (greatest(words_version, 1), :subject, :body)
    RETURNING id, words_version
)
INSERT INTO campaign_words (campaign_id, number, subject, body, written_by, written_at)
SELECT id, words_version, :subject, :body, :by, :now FROM changed;

-- name: set_signatory!
-- Who signs a draft's letters.
UPDATE campaigns SET signatory = :signatory WHERE id = :id;

-- name: touch_campaign!
-- A draft was changed, and by whom.
UPDATE campaigns SET
    version = version + 1,
    hands = CASE WHEN :by::uuid IS NULL OR :by = ANY (hands) THEN hands ELSE hands || :by::uuid END
WHERE id = :id;

-- name: versions_of
-- The newest versions of a campaign's words, newest first.
SELECT number, subject, body, written_by, written_at FROM campaign_words
WHERE campaign_id = :campaign_id ORDER BY number DESC LIMIT :most;

-- name: letters_before
-- The letters of a campaign before they are made anew: whom each is for, and what it says of its own.
SELECT id, contact_id, version, own_subject, own_body FROM letters WHERE campaign_id = :campaign_id;

-- name: set_own_words!
-- What one letter says instead of its campaign's words; nothing to say those again.
UPDATE letters SET own_subject = :subject, own_body = :body, changed_at = :now, version = version + 1 WHERE id = :id;

-- name: submit_campaign!
-- A draft waits for somebody else to approve it.
UPDATE campaigns SET
    state = 'submitted', submitted_by = :by, submitted_at = :now, returned_by = NULL, returned_because = '',
    version = version + 1,
    hands = CASE WHEN :by::uuid IS NULL OR :by = ANY (hands) THEN hands ELSE hands || :by::uuid END
WHERE id = :id;

-- name: reopen_campaign!
-- It is a draft again: taken back, or sent back with a reason.
UPDATE campaigns SET
    state = 'draft', submitted_by = NULL, submitted_at = NULL, approved_by = NULL, approved_at = NULL, send_at = NULL,
    returned_by = :returned_by, returned_because = :because, version = version + 1
WHERE id = :id;

-- name: approve_campaign!
-- A second person has read the letters: they may go.
UPDATE campaigns SET state = 'approved', approved_by = :by, approved_at = :now, version = version + 1 WHERE id = :id;

-- name: schedule_campaign!
-- When its letters go by themselves; nothing, when they wait for a person.
UPDATE campaigns SET send_at = :send_at, version = version + 1 WHERE id = :id;

-- name: scheduled
-- Campaigns whose time has come, each for one sender.
SELECT id FROM campaigns WHERE send_at <= :now AND state = 'approved' ORDER BY send_at, id FOR UPDATE SKIP LOCKED;

-- name: start_campaign!
-- Its letters go now.
UPDATE campaigns SET
    state = 'sending', released_at = :now, send_at = NULL, version = version + 1,
    correlationid = :correlationid, traceparent = :traceparent
WHERE id = :id;

-- name: pause_campaign!
-- No letter of it goes for now.
UPDATE campaigns SET state = 'paused', version = version + 1 WHERE id = :id;

-- name: hold_waiting$
-- Some of what waits has no time any more at which it goes. How many letters.
WITH held AS (
    UPDATE letters SET next_try = NULL, changed_at = :now WHERE id IN (
        SELECT id FROM letters WHERE campaign_id = :id AND state = 'ready' AND next_try IS NOT NULL LIMIT :most
    ) AND state = 'ready' RETURNING 1
)
SELECT count(*) FROM held;

-- name: resume_campaign!
-- Its letters go on.
UPDATE campaigns SET state = 'sending', version = version + 1 WHERE id = :id;

-- name: let_waiting_go$
-- Some of what waits goes from now on. How many letters.
WITH waiting AS (
    UPDATE letters SET next_try = :now, changed_at = :now WHERE id IN (
        SELECT id FROM letters WHERE campaign_id = :id AND state = 'ready' AND next_try IS NULL LIMIT :most
    ) AND state = 'ready' RETURNING 1
)
SELECT count(*) FROM waiting;

-- name: stop_campaign!
-- No letter of it goes any more.
UPDATE campaigns SET state = 'stopped', stopped_at = :now, version = version + 1 WHERE id = :id;

-- name: set_aside_stopped$
-- Some of what still waits in campaigns that were stopped is set aside, with a line in the history of each. How many
-- letters.
WITH aside AS (
    UPDATE letters SET
        state = 'blocked', reason = 'stopped', next_try = NULL, changed_at = :now, version = version + 1,
        failure = 'The campaign was stopped before this letter went.', cure = 'There is nothing to do.'
    WHERE id IN (
        SELECT l.id FROM campaigns m JOIN letters l ON l.campaign_id = m.id
        WHERE m.state = 'stopped' AND l.state = 'ready' LIMIT :most
    ) AND state = 'ready' RETURNING id
), noted AS (
    INSERT INTO letter_history (letter_id, at, what, who, person_id)
    SELECT id, :now, 'Set aside: the campaign was stopped', :who, :person_id::uuid FROM aside
)
SELECT count(*) FROM aside;

-- name: check_of^
-- What a campaign would send, and what it asks: once of each body, however many letters it gets.
WITH bodies AS (
    SELECT max(ask_pence) AS ask_pence FROM letters
    WHERE campaign_id = :campaign_id AND state <> 'blocked' GROUP BY organisation_id
)
SELECT count(*) AS letters, count(*) FILTER (WHERE l.state <> 'blocked') AS going,
       count(*) FILTER (WHERE l.state <> 'blocked' AND l.channel = 'email') AS email,
       count(*) FILTER (WHERE l.state <> 'blocked' AND l.channel = 'post') AS post,
       count(*) FILTER (WHERE l.state <> 'blocked' AND l.channel = 'post'
           AND jsonb_array_length(l.frozen->'recipient_address') > :most_lines) AS squeezed,
       count(*) FILTER (WHERE l.own_body IS NOT NULL) AS own,
       count(*) FILTER (WHERE l.state <> 'blocked' AND s.contact_id IS NOT NULL) AS suspect,
       (SELECT count(*) FROM bodies) AS bodies,
       (SELECT sum(ask_pence)::bigint FROM bodies) AS asked_pence,
       (SELECT min(ask_pence) FROM bodies) AS least_pence,
       (SELECT max(ask_pence) FROM bodies) AS most_pence
FROM letters l LEFT JOIN suspected_addresses s ON s.contact_id = l.contact_id AND s.channel = l.channel AND s.lifted_at IS NULL
WHERE l.campaign_id = :campaign_id;

-- name: blocked_by
-- Why letters of a campaign cannot go, the commonest reason first.
SELECT reason, count(*) AS count FROM letters WHERE campaign_id = :campaign_id AND state = 'blocked'
GROUP BY reason ORDER BY count(*) DESC, reason;

-- name: letters_said_before
-- Letters of a campaign that say to a body what another campaign has said to it since a moment.
SELECT l.id FROM letters l JOIN campaigns m ON m.id = l.campaign_id
WHERE l.campaign_id = :campaign_id AND l.state <> 'blocked' AND EXISTS (
    SELECT FROM letters x JOIN campaigns n ON n.id = x.campaign_id
    WHERE x.organisation_id = l.organisation_id AND x.sent_at >= :since AND x.campaign_id <> l.campaign_id
      AND coalesce(x.own_body, n.body) = coalesce(l.own_body, m.body)
);

-- name: letters_asking_again
-- Letters of a campaign to bodies that another campaign has asked for the same fund, and what came of that: a pledge, one of
-- which nothing will come, a refusal, or nothing final yet in a campaign that still waits.
SELECT l.id, CASE WHEN bool_or(b.standing = 'pledged' AND NOT b.written_back) THEN 'pledged'
                  WHEN bool_or(b.standing = 'pledged') THEN 'written_back'
                  WHEN bool_or(b.standing = 'declined') THEN 'declined' ELSE 'open' END AS said
FROM letters l
JOIN campaigns m ON m.id = l.campaign_id
JOIN campaigns n ON n.id <> m.id AND n.fund <> '' AND lower(n.fund) = lower(m.fund)
JOIN bodies b ON b.campaign_id = n.id AND b.organisation_id = l.organisation_id
WHERE l.campaign_id = :campaign_id AND l.state <> 'blocked' AND (
    b.standing IN ('pledged', 'declined')
    OR b.standing IN ('silent', 'acknowledged', 'asked', 'will_meet') AND n.finished_at IS NULL)
GROUP BY l.id;

-- name: letters_listed
-- Letters of a campaign in the order of their numbers: all, those in one state of the check list, or those named;
-- to one body, or to every one.
SELECT l.id, l.number, l.reference, l.body_name, l.role, l.state, l.failure, l.ask_pence, l.own_body IS NOT NULL AS own
FROM letters l
WHERE l.campaign_id = :campaign_id AND l.number > :after
  AND (:body::uuid IS NULL OR l.organisation_id = :body::uuid) AND CASE :which
    WHEN 'all' THEN true
    WHEN 'own' THEN l.own_body IS NOT NULL
    WHEN 'suspect' THEN l.state <> 'blocked' AND EXISTS (
        SELECT FROM suspected_addresses s WHERE s.contact_id = l.contact_id AND s.channel = l.channel AND s.lifted_at IS NULL)
    WHEN 'named' THEN l.id = ANY (:ids::uuid[])
    WHEN 'email' THEN l.state <> 'blocked' AND l.channel = 'email'
    WHEN 'squeezed' THEN l.state <> 'blocked' AND l.channel = 'post'
        AND jsonb_array_length(l.frozen->'recipient_address') > :most_lines
    WHEN 'post' THEN l.state <> 'blocked' AND l.channel = 'post'
    ELSE l.state = 'blocked' AND l.reason = :which
END
ORDER BY l.number LIMIT :most;

-- name: letter_at$
-- The letter of a campaign with a number; where there is none, the next, or else the last.
SELECT id FROM letters WHERE campaign_id = :campaign_id
ORDER BY number < :number, CASE WHEN number < :number THEN -number ELSE number END LIMIT 1;
