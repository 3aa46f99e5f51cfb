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
UPDATE campaigns SET kind = :kind, areas = :areas, roles = :roles, in_turn = :in_turn WHERE id = :id;

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

-- name: own_words_of
-- The letters of a campaign that say something of their own, by the contact they are for.
SELECT contact_id, own_subject, own_body FROM letters WHERE campaign_id = :campaign_id AND own_body IS NOT NULL;

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
UPDATE campaigns SET state = 'sending', released_at = :now, send_at = NULL, version = version + 1 WHERE id = :id;

-- name: pause_campaign$
-- What waits has no time any more at which it goes. How many letters.
WITH paused AS (
    UPDATE campaigns SET state = 'paused', version = version + 1 WHERE id = :id
), waiting AS (
    UPDATE letters SET next_try = NULL, changed_at = :now WHERE campaign_id = :id AND state = 'ready' RETURNING 1
)
SELECT count(*) FROM waiting;

-- name: resume_campaign$
-- What waits goes from now on. How many letters.
WITH resumed AS (
    UPDATE campaigns SET state = 'sending', version = version + 1 WHERE id = :id
), waiting AS (
    UPDATE letters SET next_try = coalesce(next_try, :now), changed_at = :now WHERE campaign_id = :id AND state = 'ready'
    RETURNING 1
)
SELECT count(*) FROM waiting;

-- name: stop_campaign!
-- No letter of it goes any more.
UPDATE campaigns SET state = 'stopped', stopped_at = :now, version = version + 1 WHERE id = :id;

-- name: set_aside_stopped$
-- What still waits in campaigns that were stopped is set aside, with a line in the history of each. How many letters.
WITH aside AS (
    UPDATE letters l SET
        state = 'blocked', reason = 'stopped', next_try = NULL, changed_at = :now, version = l.version + 1,
        failure = 'The campaign was stopped before this letter went.', cure = 'There is nothing to do.'
    FROM campaigns m WHERE m.id = l.campaign_id AND m.state = 'stopped' AND l.state = 'ready' RETURNING l.id
), noted AS (
    INSERT INTO letter_history (letter_id, at, what, who)
    SELECT id, :now, 'Set aside: the campaign was stopped', :who FROM aside
)
SELECT count(*) FROM aside;

-- name: check_of^
-- What a campaign would send, and what it asks: once of each body, however many letters it gets.
WITH bodies AS (
    SELECT max(ask_pence) AS ask_pence FROM letters
    WHERE campaign_id = :campaign_id AND state <> 'blocked' GROUP BY organisation_id
)
SELECT count(*) AS letters, count(*) FILTER (WHERE l.state <> 'blocked') AS going,
       count(*) FILTER (WHERE l.state <> 'blocked' AND c.channel = 'email') AS email,
       count(*) FILTER (WHERE l.state <> 'blocked' AND c.channel = 'post') AS post,
       count(*) FILTER (WHERE l.own_body IS NOT NULL) AS own,
       (SELECT count(*) FROM bodies) AS bodies,
       (SELECT sum(ask_pence)::bigint FROM bodies) AS asked_pence,
       (SELECT min(ask_pence) FROM bodies) AS least_pence,
       (SELECT max(ask_pence) FROM bodies) AS most_pence
FROM letters l JOIN contacts c ON c.id = l.contact_id WHERE l.campaign_id = :campaign_id;

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

-- name: letters_listed
-- Letters of a campaign in the order of their numbers: all, those in one state of the check list, or those named.
SELECT l.id, l.number, l.reference, l.body_name, l.role, l.state, l.failure, l.ask_pence, l.own_body IS NOT NULL AS own
FROM letters l JOIN contacts c ON c.id = l.contact_id
WHERE l.campaign_id = :campaign_id AND l.number > :after AND CASE :which
    WHEN 'all' THEN true
    WHEN 'own' THEN l.own_body IS NOT NULL
    WHEN 'twice' THEN l.id = ANY (:ids::uuid[])
    WHEN 'email' THEN l.state <> 'blocked' AND c.channel = 'email'
    WHEN 'post' THEN l.state <> 'blocked' AND c.channel = 'post'
    ELSE l.state = 'blocked' AND l.reason = :which
END
ORDER BY l.number LIMIT :most;

-- name: letter_at$
-- The letter of a campaign with a number; where there is none, the next, or else the last.
SELECT id FROM letters WHERE campaign_id = :campaign_id
ORDER BY number < :number, CASE WHEN number < :number THEN -number ELSE number END LIMIT 1;
