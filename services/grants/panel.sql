-- name: members_of
-- Who sits, or has sat, on the panel of a round.
SELECT round_id, person_id, seat, professions, for_funder, invited_at, takes_part, answered_at, left_at, version
FROM panel_members WHERE round_id = :round_id ORDER BY left_at IS NOT NULL, seat, invited_at, person_id;

-- name: lock_member^
-- Somebody's seat, which nobody else changes until this transaction has ended.
SELECT round_id, person_id, seat, professions, for_funder, invited_at, takes_part, answered_at, left_at, version
FROM panel_members WHERE round_id = :round_id AND person_id = :person_id FOR UPDATE;

-- name: seat$
-- Give somebody a seat, or one again who has left; nothing where they have one. The version of the seat.
INSERT INTO panel_members AS known (round_id, person_id, seat, professions, for_funder, invited_at)
VALUES (:round_id, :person_id, :seat, :professions, :for_funder, :now)
ON CONFLICT (round_id, person_id) DO UPDATE SET
    seat = excluded.seat, professions = excluded.professions, for_funder = excluded.for_funder,
    invited_at = excluded.invited_at, takes_part = NULL, answered_at = NULL, left_at = NULL,
    version = known.version + 1
WHERE known.left_at IS NOT NULL
RETURNING version;

-- name: change_seat!
-- Write anew how somebody sits.
UPDATE panel_members SET seat = :seat, professions = :professions, for_funder = :for_funder, version = version + 1
WHERE round_id = :round_id AND person_id = :person_id;

-- name: invite_again$
-- Ask somebody once more. The version of the seat.
UPDATE panel_members SET invited_at = :now, takes_part = NULL, answered_at = NULL, version = version + 1
WHERE round_id = :round_id AND person_id = :person_id RETURNING version;

-- name: answer!
-- Somebody says whether they take part.
UPDATE panel_members SET takes_part = :takes_part, answered_at = :now, version = version + 1
WHERE round_id = :round_id AND person_id = :person_id;

-- name: leave!
-- Somebody sits there no more.
UPDATE panel_members SET left_at = :now, version = version + 1
WHERE round_id = :round_id AND person_id = :person_id;

-- name: known_by_applicants
-- Whom those who apply in a round may know: its members, but for those who have said no or left.
SELECT person_id FROM panel_members WHERE round_id = :round_id AND left_at IS NULL AND takes_part IS NOT false;

-- name: members_of_rounds
-- The members of some rounds.
SELECT round_id, person_id, seat, professions, for_funder, invited_at, takes_part, answered_at, left_at, version
FROM panel_members WHERE round_id = ANY(:round_ids::uuid[]) ORDER BY round_id, person_id;

-- name: rounds_to_decide
-- Rounds that are open or wait to be decided, the first to meet before the others.
SELECT id, fund_id, name, state, opens_on, closes_on, meets_on, most_pence, professions, purposes, eligibility, quorum,
       needs_peer, needs_funder, help_name, help_telephone
FROM rounds WHERE state IN ('open', 'closed') ORDER BY meets_on, id LIMIT :most;

-- name: case_of^
-- What is prepared of an application for the panel.
SELECT application_id, id, label, words, papers, handed_at, handed_by, version, changed_at
FROM cases WHERE application_id = :application_id;

-- name: lock_case^
-- The same, and nobody else changes it until this transaction has ended.
SELECT application_id, id, label, words, papers, handed_at, handed_by, version, changed_at
FROM cases WHERE application_id = :application_id FOR UPDATE;

-- name: begin_case$
-- Begin to prepare an application. Its label; nothing when another case has that.
INSERT INTO cases (application_id, id, label, words, papers, changed_at)
VALUES (:application_id, :id, :label, :words, :papers, :now)
ON CONFLICT (label) DO NOTHING RETURNING label;

-- name: write_case!
-- Write anew what the panel will read.
UPDATE cases SET words = :words, papers = :papers, version = version + 1, changed_at = :now
WHERE application_id = :application_id;

-- name: hand_over!
-- From now on the panel has it; or, without a moment, no more.
UPDATE cases SET handed_at = :handed_at, handed_by = :by, version = version + 1, changed_at = :now
WHERE application_id = :application_id;

-- name: is_begun$
-- Whether a member has begun to score it, or a meeting has it on its agenda.
SELECT EXISTS (SELECT FROM reviews WHERE application_id = :application_id)
    OR EXISTS (SELECT FROM items WHERE application_id = :application_id);

-- name: cases_counted^
-- How many applications of a round wait to be prepared, are prepared, and are with the panel.
SELECT count(*) FILTER (WHERE applications.state = 'eligible') AS waiting,
       count(*) FILTER (
           WHERE applications.state = 'eligible' AND papers <> '' AND cases.words <> ''
               AND cases.changed_at >= submitted_at
       ) AS prepared,
       count(*) FILTER (WHERE applications.state IN ('under_review', 'deferred')) AS handed
FROM applications LEFT JOIN cases ON application_id = applications.id WHERE round_id = :round_id;

-- name: cases_listed
-- What of a round may go to the panel or is there, by label, with how many have done it of those who may see it.
SELECT applications.id, reference, applications.state, purpose, amount_pence, applications.profession, sealed,
       label, papers <> '' AND cases.words <> '' AND cases.changed_at >= submitted_at AS prepared, handed_at,
       (SELECT count(*) FROM conflicts JOIN panel_members USING (person_id)
        WHERE conflicts.application_id = applications.id AND conflicts.state = 'suggested'
            AND panel_members.round_id = :round_id AND left_at IS NULL AND takes_part IS NOT false) AS suggestions,
       (SELECT count(*) FROM reviews JOIN panel_members USING (person_id)
        WHERE reviews.application_id = applications.id AND submitted_at IS NOT NULL
            AND panel_members.round_id = :round_id AND left_at IS NULL AND takes_part AND NOT EXISTS (
                SELECT FROM removals WHERE removals.application_id = applications.id
                    AND removals.person_id = reviews.person_id)) AS done
FROM applications
LEFT JOIN cases ON cases.application_id = applications.id
LEFT JOIN applicants ON applicants.application_id = applications.id
WHERE round_id = :round_id AND applications.state IN ('eligible', 'under_review', 'deferred')
    AND (:after::text IS NULL OR (coalesce(label, ''), reference) > (
        SELECT coalesce(label, ''), reference FROM applications LEFT JOIN cases ON application_id = applications.id
        WHERE reference = :after))
ORDER BY coalesce(label, ''), reference LIMIT :most;

-- name: prepared_cases
-- The applications of a round that are prepared and not handed over yet.
SELECT applications.id FROM applications JOIN cases ON application_id = applications.id
WHERE round_id = :round_id AND state = 'eligible' AND papers <> '' AND cases.words <> ''
    AND cases.changed_at >= submitted_at
ORDER BY label LIMIT :most;

-- name: done_by_members
-- How many of the cases that they may see each member has done, and how many those are.
SELECT panel_members.person_id, count(applications.id) AS cases, count(reviews.submitted_at) AS done
FROM panel_members
LEFT JOIN (applications JOIN cases ON cases.application_id = applications.id AND handed_at IS NOT NULL)
    ON applications.round_id = panel_members.round_id AND applications.state IN ('under_review', 'deferred')
    AND NOT EXISTS (
        SELECT FROM removals
        WHERE removals.application_id = applications.id AND removals.person_id = panel_members.person_id)
LEFT JOIN reviews ON reviews.application_id = applications.id AND reviews.person_id = panel_members.person_id
WHERE panel_members.round_id = :round_id AND takes_part AND left_at IS NULL
GROUP BY panel_members.person_id;

-- name: cases_to_prepare
-- In which closed rounds applications wait to be prepared for the panel, or to be handed over, and how many.
SELECT rounds.id AS round_id, rounds.name, count(*) AS count, meets_on
FROM applications JOIN rounds ON rounds.id = round_id
WHERE applications.state = 'eligible' AND rounds.state = 'closed'
GROUP BY rounds.id ORDER BY meets_on, rounds.id LIMIT :most;

-- name: scrub_cases!
-- Rid cases of what could tell who applied.
UPDATE cases SET words = '', papers = '', version = version + 1, changed_at = :now
WHERE application_id = ANY(:application_ids::uuid[]);
