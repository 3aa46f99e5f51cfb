-- name: begin_round!
-- Enter a round as a draft.
INSERT INTO rounds (
    id, fund_id, name, opens_on, closes_on, meets_on, most_pence, professions, purposes, eligibility, quorum, needs_peer,
    needs_funder, help_name, help_telephone, changed_at
) VALUES (
    :id, :fund_id, :name, :opens_on, :closes_on, :meets_on, :most_pence, :professions, :purposes, :eligibility, :quorum,
    :needs_peer, :needs_funder, :help_name, :help_telephone, :now
);

-- name: amend_round!
-- Write anew what a round is.
UPDATE rounds SET fund_id = :fund_id, name = :name, opens_on = :opens_on, closes_on = :closes_on, meets_on = :meets_on,
    most_pence = :most_pence, professions = :professions, purposes = :purposes, eligibility = :eligibility,
    quorum = :quorum, needs_peer = :needs_peer, needs_funder = :needs_funder, help_name = :help_name,
    help_telephone = :help_telephone, version = version + 1, changed_at = :now
WHERE id = :id;

-- name: draft_is_alone$
-- Whether nothing hangs on a round: nobody has applied in it, and nobody is on its panel.
SELECT NOT EXISTS (SELECT FROM applications WHERE round_id = :id)
    AND NOT EXISTS (SELECT FROM panel_members WHERE round_id = :id);

-- name: remove_criteria!
-- A draft is scored by nothing.
DELETE FROM criteria WHERE round_id = :id;

-- name: remove_draft!
-- A draft never was.
DELETE FROM rounds WHERE id = :id AND state = 'draft';

-- name: touch_round$
-- What belongs to a round has changed. Its version after that.
UPDATE rounds SET version = version + 1, changed_at = :now WHERE id = :id RETURNING version;

-- name: set_state$
-- Move a round on. Its version after that.
UPDATE rounds SET state = :state, version = version + 1, changed_at = :now,
    opened_at = CASE :state WHEN 'open' THEN :now ELSE opened_at END,
    closed_at = CASE :state WHEN 'closed' THEN :now ELSE closed_at END
WHERE id = :id RETURNING version;

-- name: lock_round^
-- A round that nobody else changes until this transaction has ended.
SELECT id, fund_id, name, state, opens_on, closes_on, meets_on, most_pence, professions, purposes, eligibility, quorum,
       needs_peer, needs_funder, help_name, help_telephone, opened_at, closed_at, version
FROM rounds WHERE id = :id FOR UPDATE;

-- name: round_by_id^
-- A round.
SELECT id, fund_id, name, state, opens_on, closes_on, meets_on, most_pence, professions, purposes, eligibility, quorum,
       needs_peer, needs_funder, help_name, help_telephone, opened_at, closed_at, version
FROM rounds WHERE id = :id;

-- name: rounds_listed
-- Every round, the newest first, with the name of its fund.
SELECT rounds.id, rounds.fund_id, funds.name AS fund, rounds.name, state, opens_on, closes_on, meets_on, most_pence
FROM rounds JOIN funds ON funds.id = fund_id ORDER BY closes_on DESC NULLS FIRST, rounds.id DESC LIMIT :most;

-- name: rounds_of
-- The rounds of a fund, the newest first.
SELECT rounds.id, fund_id, name, state, opens_on, closes_on, meets_on, most_pence
FROM rounds WHERE fund_id = :fund_id ORDER BY closes_on DESC NULLS FIRST, id DESC LIMIT :most;

-- name: rounds_under_way$
-- How many rounds of a fund have been opened and not decided.
SELECT count(*) FROM rounds WHERE fund_id = :fund_id AND state IN ('open', 'closed');

-- name: rounds_waiting
-- The rounds that are not published, each with the meeting that is going on, if one is: what is next first.
SELECT rounds.id, rounds.name, state, opens_on, closes_on, meets_on, meetings.id AS meeting_id,
       EXISTS (SELECT FROM meetings WHERE round_id = rounds.id) AND NOT EXISTS (
           SELECT FROM applications WHERE round_id = rounds.id AND (
               state IN ('submitted', 'returned', 'eligible')
               OR state IN ('under_review', 'deferred')
                   AND NOT EXISTS (SELECT FROM decisions WHERE application_id = applications.id)
           )
       ) AS all_decided
FROM rounds LEFT JOIN meetings ON meetings.round_id = rounds.id AND ended_at IS NULL
WHERE state IN ('draft', 'open', 'closed', 'decided') ORDER BY coalesce(closes_on, 'infinity'), rounds.id LIMIT :most;

-- name: criteria_of
-- By what the applications of a round are scored.
SELECT id, round_id, number, name, weight, words, version FROM criteria WHERE round_id = :round_id ORDER BY number;

-- name: criterion_by_id^
-- One criterion.
SELECT id, round_id, number, name, weight, words, version FROM criteria WHERE id = :id;

-- name: add_criterion!
-- Put a criterion after the others.
INSERT INTO criteria (id, round_id, number, name, weight, words)
SELECT :id, :round_id, coalesce(max(number), 0) + 1, :name, :weight, :words FROM criteria WHERE round_id = :round_id;

-- name: amend_criterion!
-- Write a criterion anew.
UPDATE criteria SET name = :name, weight = :weight, words = :words, version = version + 1 WHERE id = :id;

-- name: remove_criterion!
-- Take a criterion out.
DELETE FROM criteria WHERE id = :id;

-- name: acts_on
-- What colleagues have done with a round, the newest first.
SELECT at, person_id, action FROM audit
WHERE object = :round_id AND kind = 'round' AND action = ANY(:actions::text[]) ORDER BY number DESC LIMIT :most;

-- name: rounds_to_apply_in
-- The rounds in which one may apply on a day, or from a later one, by their last day.
SELECT id, name, most_pence, professions, purposes, opens_on, closes_on, help_name, help_telephone, opens_on <= :today AS begun
FROM rounds WHERE state = 'open' AND closes_on >= :today ORDER BY opens_on > :today, closes_on, id LIMIT :most;
