-- name: interests_of
-- What these people have said that they are close to, sealed, also what they have taken back since.
SELECT id, person_id, kind, sealed, said_at, ended_at FROM interests
WHERE person_id = ANY(:person_ids::uuid[]) ORDER BY person_id, said_at, id;

-- name: interests_said_at$
-- When somebody said last what they are close to; nothing when they never did.
SELECT said_at FROM interests_said WHERE person_id = :person_id;

-- name: note_interests_said!
-- Somebody has said what they are close to.
INSERT INTO interests_said (person_id, said_at) VALUES (:person_id, :now)
ON CONFLICT (person_id) DO UPDATE SET said_at = excluded.said_at;

-- name: add_interest!
-- Enter what somebody is close to.
INSERT INTO interests (id, person_id, kind, sealed, said_at) VALUES (:id, :person_id, :kind, :sealed, :now);

-- name: end_interests!
-- What somebody does not say any more. It stays where a conflict was derived from it, so that one sees why.
WITH kept AS (
    UPDATE interests SET ended_at = :now
    WHERE id = ANY(:ids::uuid[]) AND EXISTS (SELECT FROM conflicts WHERE interest_id = interests.id)
)
DELETE FROM interests
WHERE id = ANY(:ids::uuid[]) AND NOT EXISTS (SELECT FROM conflicts WHERE interest_id = interests.id);

-- name: hold_members_of
-- The members of a round, who say nothing new of themselves until this transaction has ended.
SELECT person_id FROM panel_members WHERE round_id = :round_id AND left_at IS NULL
ORDER BY person_id FOR SHARE;

-- name: lock_seats_of
-- The seats of somebody, none of whose rounds has an application handed over until this transaction has ended.
SELECT round_id FROM panel_members WHERE person_id = :person_id AND left_at IS NULL ORDER BY round_id FOR UPDATE;

-- name: compared_for
-- The applications that are prepared for a panel on which somebody sits, with what they are compared by.
SELECT applications.id, applications.words, applicants.sealed, applicants.email_digest, applications.submitted_at,
       handed_at IS NOT NULL AS handed
FROM panel_members
JOIN rounds ON rounds.id = panel_members.round_id
JOIN applications ON applications.round_id = rounds.id
JOIN cases ON cases.application_id = applications.id
JOIN applicants ON applicants.application_id = applications.id
WHERE panel_members.person_id = :person_id AND left_at IS NULL AND rounds.state IN ('open', 'closed', 'decided')
    AND applications.state IN ('submitted', 'returned', 'eligible', 'under_review', 'deferred');

-- name: compared^
-- One application with what it is compared by; nothing once the applicant is forgotten.
SELECT applications.id, applications.words, applicants.sealed, applicants.email_digest, applications.submitted_at
FROM applications JOIN applicants ON applicants.application_id = applications.id
WHERE applications.id = :application_id;

-- name: suggest!
-- What somebody may be too close to. What was dismissed comes up again where something newer speaks for it.
INSERT INTO conflicts AS known (id, application_id, person_id, source, state, keeps, interest_id, noticed_at)
SELECT id, application_id, person_id, 'derived', 'suggested', keeps, interest_id, :now
FROM jsonb_to_recordset(:found) AS new (
    id uuid, application_id uuid, person_id uuid, keeps boolean, interest_id uuid, since timestamptz
)
ON CONFLICT (application_id, person_id, source) DO UPDATE SET
    state = 'suggested', tie = NULL, keeps = excluded.keeps, interest_id = excluded.interest_id, words = '',
    noticed_at = excluded.noticed_at, settled_at = NULL, settled_by = NULL
WHERE known.state = 'dismissed' AND known.settled_at < (
    SELECT since FROM jsonb_to_recordset(:found) AS new (application_id uuid, person_id uuid, since timestamptz)
    WHERE new.application_id = known.application_id AND new.person_id = known.person_id
);

-- name: declare$
-- Somebody says that they are close to an applicant. A close tie that stands is not put in place by a looser one.
INSERT INTO conflicts AS known (id, application_id, person_id, source, tie, state, noticed_at)
VALUES (:id, :application_id, :person_id, 'declared', :tie, 'confirmed', :now)
ON CONFLICT (application_id, person_id, source) DO UPDATE SET
    tie = excluded.tie, state = 'confirmed', words = '', noticed_at = excluded.noticed_at, settled_at = NULL,
    settled_by = NULL
WHERE known.state = 'dismissed' OR known.tie = 'acquaintance'
RETURNING id;

-- name: enter$
-- An officer enters that a member is close to an applicant.
INSERT INTO conflicts AS known (id, application_id, person_id, source, tie, state, noticed_at, settled_at, settled_by)
VALUES (:id, :application_id, :person_id, 'entered', :tie, 'confirmed', :now, :now, :by)
ON CONFLICT (application_id, person_id, source) DO UPDATE SET
    tie = excluded.tie, state = 'confirmed', words = '', settled_at = excluded.settled_at,
    settled_by = excluded.settled_by
RETURNING id;

-- name: ticked
-- Which members an applicant says that they know.
SELECT person_id FROM conflicts WHERE application_id = :application_id AND source = 'ticked';

-- name: tick!
-- An applicant says that they know these members.
INSERT INTO conflicts (id, application_id, person_id, source, state, noticed_at)
SELECT new.id, :application_id, new.person_id, 'ticked', 'suggested', :now
FROM unnest(:ids::uuid[], :person_ids::uuid[]) AS new (id, person_id)
ON CONFLICT (application_id, person_id, source) DO NOTHING;

-- name: untick!
-- An applicant takes back that they know others than these. What somebody of ours has looked at stays.
DELETE FROM conflicts
WHERE application_id = :application_id AND source = 'ticked' AND state = 'suggested'
    AND person_id <> ALL(:person_ids::uuid[]);

-- name: is_case_for$
-- Whether somebody has an application among their cases.
SELECT EXISTS (SELECT FROM cases_for(:person_id) WHERE application_id = :application_id);

-- name: is_member$
-- Whether somebody sits, or has sat, on the panel of the round of an application.
SELECT EXISTS (
    SELECT FROM applications JOIN panel_members ON panel_members.round_id = applications.round_id
    WHERE applications.id = :application_id AND person_id = :person_id
);

-- name: lock_conflict^
-- A conflict that nobody else settles until this transaction has ended.
SELECT id, application_id, person_id, source, tie, state, interest_id, words, noticed_at, settled_at, settled_by
FROM conflicts WHERE id = :id FOR UPDATE;

-- name: conflict_by_id^
-- A conflict, the round that it is in, and what it was derived from.
SELECT conflicts.id, conflicts.application_id, person_id, source, tie, conflicts.state, keeps, interest_id, conflicts.words,
       noticed_at, settled_at, settled_by, round_id, reference, applications.words AS application_words, sealed,
       email_digest, EXISTS (
           SELECT FROM conflicts AS other
           WHERE other.application_id = conflicts.application_id AND other.person_id = conflicts.person_id
               AND other.id <> conflicts.id AND other.state = 'confirmed' AND other.tie <> 'acquaintance'
       ) AS steps_out
FROM conflicts
JOIN applications ON applications.id = conflicts.application_id
LEFT JOIN applicants ON applicants.application_id = applications.id
WHERE conflicts.id = :id AND submitted_at IS NOT NULL;

-- name: settle!
-- Say what a conflict comes to.
UPDATE conflicts SET state = :state, tie = :tie, words = :words, settled_at = :now, settled_by = :by WHERE id = :id;

-- name: conflicts_of_application
-- Who may be too close to an applicant, the latest first.
SELECT conflicts.id, conflicts.application_id, person_id, source, tie, conflicts.state, keeps, interest_id, conflicts.words,
       noticed_at, settled_at, settled_by, applications.words AS application_words, sealed, email_digest,
       EXISTS (
           SELECT FROM conflicts AS other
           WHERE other.application_id = conflicts.application_id AND other.person_id = conflicts.person_id
               AND other.id <> conflicts.id AND other.state = 'confirmed' AND other.tie <> 'acquaintance'
       ) AS steps_out
FROM conflicts
JOIN applications ON applications.id = conflicts.application_id
LEFT JOIN applicants ON applicants.application_id = applications.id
WHERE conflicts.application_id = :application_id ORDER BY noticed_at DESC, conflicts.id;

-- name: conflicts_of_round
-- What is noticed in a round: first what nobody has looked at, the oldest of it first; then the latest.
SELECT conflicts.id, conflicts.application_id, conflicts.person_id, source, tie, conflicts.state, keeps, interest_id,
       conflicts.words, noticed_at, settled_at, settled_by, reference, applications.words AS application_words, label,
       sealed, email_digest, applications.state AS application_state,
       panel_members.left_at IS NULL AND takes_part IS NOT false AS sits,
       EXISTS (
           SELECT FROM conflicts AS other
           WHERE other.application_id = conflicts.application_id AND other.person_id = conflicts.person_id
               AND other.id <> conflicts.id AND other.state = 'confirmed' AND other.tie <> 'acquaintance'
       ) AS steps_out
FROM conflicts
JOIN applications ON applications.id = conflicts.application_id
LEFT JOIN cases ON cases.application_id = applications.id
LEFT JOIN applicants ON applicants.application_id = applications.id
LEFT JOIN panel_members ON panel_members.round_id = applications.round_id
    AND panel_members.person_id = conflicts.person_id
WHERE applications.round_id = :round_id AND submitted_at IS NOT NULL
    AND applications.state NOT IN ('ineligible', 'withdrawn', 'lapsed')
ORDER BY conflicts.state <> 'suggested', CASE WHEN conflicts.state = 'suggested' THEN noticed_at END,
    noticed_at DESC, conflicts.id
LIMIT :most;

-- name: suggestions_on
-- On which of these applications a suggestion about somebody who sits on the panel waits. One about whoever steps out
-- for another reason waits for nobody.
SELECT DISTINCT application_id FROM conflicts
JOIN applications ON applications.id = application_id
JOIN panel_members ON panel_members.round_id = applications.round_id AND panel_members.person_id = conflicts.person_id
WHERE application_id = ANY(:application_ids::uuid[]) AND conflicts.state = 'suggested' AND left_at IS NULL
    AND takes_part IS NOT false
    AND NOT EXISTS (
        SELECT FROM conflicts AS other
        WHERE other.application_id = conflicts.application_id AND other.person_id = conflicts.person_id
            AND other.state = 'confirmed' AND other.tie <> 'acquaintance'
    );

-- name: suggestions_waiting
-- In which rounds suggestions wait for somebody of ours, how many, and since when; none about whoever steps out for
-- another reason.
SELECT rounds.id AS round_id, rounds.name, count(*) AS count, min(noticed_at) AS since, bool_and(keeps) AS kept
FROM conflicts
JOIN applications ON applications.id = application_id
JOIN rounds ON rounds.id = round_id
JOIN panel_members ON panel_members.round_id = rounds.id AND panel_members.person_id = conflicts.person_id
WHERE conflicts.state = 'suggested' AND rounds.state IN ('open', 'closed', 'decided') AND left_at IS NULL
    AND takes_part IS NOT false AND submitted_at IS NOT NULL
    AND applications.state IN ('submitted', 'returned', 'eligible', 'under_review', 'deferred')
    AND NOT EXISTS (
        SELECT FROM conflicts AS other
        WHERE other.application_id = conflicts.application_id AND other.person_id = conflicts.person_id
            AND other.state = 'confirmed' AND other.tie <> 'acquaintance'
    )
GROUP BY rounds.id, rounds.name ORDER BY since LIMIT :most;

-- name: removed_from
-- From whom these applications are kept.
SELECT application_id, person_id FROM removals WHERE application_id = ANY(:application_ids::uuid[]);

-- name: acquainted_with
-- Who knows these applicants, and stays.
SELECT DISTINCT application_id, person_id FROM conflicts
WHERE application_id = ANY(:application_ids::uuid[]) AND state = 'confirmed' AND tie = 'acquaintance'
    AND NOT EXISTS (
        SELECT FROM removals
        WHERE removals.application_id = conflicts.application_id AND removals.person_id = conflicts.person_id
    );

-- name: conflicts_held
-- What is kept of some people's being close to applicants: what they have said themselves, and what others have once
-- the decisions are published. Before, it would tell them of a case that is kept from them.
SELECT source, tie, conflicts.state, noticed_at, settled_at
FROM conflicts JOIN applications ON applications.id = application_id JOIN rounds ON rounds.id = round_id
WHERE person_id = ANY(:person_ids::uuid[]) AND (source = 'declared' OR rounds.state = 'published')
ORDER BY noticed_at, conflicts.id;

-- name: forget_applications!
-- Nobody was close to these applicants.
DELETE FROM conflicts WHERE application_id = ANY(:application_ids::uuid[]);

-- name: drop_ended!
-- Drop what members do not say any more, where no conflict was derived from it.
DELETE FROM interests
WHERE ended_at IS NOT NULL AND NOT EXISTS (SELECT FROM conflicts WHERE interest_id = interests.id);

-- name: forget_conflicts!
-- These people were close to nobody.
DELETE FROM conflicts WHERE person_id = ANY(:person_ids::uuid[]);

-- name: forget_said!
-- These people have said nothing.
DELETE FROM interests_said WHERE person_id = ANY(:person_ids::uuid[]);

-- name: forget_interests$
-- Nor what they are close to. How many things that were.
WITH gone AS (DELETE FROM interests WHERE person_id = ANY(:person_ids::uuid[]) RETURNING 1)
SELECT count(*) FROM gone;

-- name: people_done_with
-- Who has said what they are close to, and has had no seat in any round that closed after a day.
SELECT person_id FROM interests_said
WHERE said_at < :before AND NOT EXISTS (
    SELECT FROM panel_members JOIN rounds ON rounds.id = round_id
    WHERE panel_members.person_id = interests_said.person_id
        AND (closes_on IS NULL OR closes_on >= :closed_before)
)
ORDER BY person_id LIMIT :most FOR UPDATE SKIP LOCKED;
