-- name: begin_meeting!
-- Enter a meeting of a round.
INSERT INTO meetings (id, round_id, begun_at, begun_by) VALUES (:id, :round_id, :now, :by);

-- name: meeting_by_id^
-- A meeting.
SELECT id, round_id, begun_at, begun_by, ended_at, version FROM meetings WHERE id = :id;

-- name: lock_meeting^
-- A meeting that nobody else changes until this transaction has ended.
SELECT id, round_id, begun_at, begun_by, ended_at, version FROM meetings WHERE id = :id FOR UPDATE;

-- name: hold_meeting^
-- A meeting that stays as it is until this transaction has ended.
SELECT id, round_id, begun_at, begun_by, ended_at, version FROM meetings WHERE id = :id FOR SHARE;

-- name: meetings_of
-- The meetings of a round, the newest first, with how much each has decided.
SELECT id, begun_at, ended_at,
       (SELECT count(*) FROM items WHERE meeting_id = meetings.id) AS items,
       (SELECT count(*) FROM decisions WHERE meeting_id = meetings.id) AS decisions
FROM meetings WHERE round_id = :round_id ORDER BY begun_at DESC, id LIMIT :most;

-- name: running_meeting$
-- The meeting of a round that has not ended.
SELECT id FROM meetings WHERE round_id = :round_id AND ended_at IS NULL;

-- name: end_meeting!
-- A meeting is over, and whoever was there has gone.
WITH gone AS (UPDATE attendance SET left_at = :now WHERE meeting_id = :id AND left_at IS NULL)
UPDATE meetings SET ended_at = :now, version = version + 1 WHERE id = :id;

-- name: put_on_agenda$
-- Whatever of a round waits for a decision, or was put off, is on the agenda of a meeting. How many that are.
WITH put AS (
    INSERT INTO items (meeting_id, application_id)
    SELECT :meeting_id, applications.id FROM applications JOIN cases ON application_id = applications.id
    LEFT JOIN LATERAL (
        SELECT kind FROM decisions WHERE decisions.application_id = applications.id ORDER BY number DESC LIMIT 1
    ) AS last ON true
    WHERE round_id = :round_id AND handed_at IS NOT NULL AND state IN ('under_review', 'deferred')
        AND coalesce(kind, 'defer') = 'defer'
    RETURNING application_id
)
SELECT count(*) FROM put;

-- name: anything_to_meet_on$
-- Whether the panel of a round has anything that it could look at.
SELECT EXISTS (
    SELECT FROM applications JOIN cases ON application_id = applications.id
    WHERE round_id = :round_id AND handed_at IS NOT NULL
        AND state IN ('under_review', 'deferred', 'awarded', 'declined')
);

-- name: not_on_agenda
-- What else of a round may be looked at in a meeting: it was decided before, or handed over since.
SELECT cases.id AS case_id, label FROM applications JOIN cases ON application_id = applications.id
WHERE round_id = :round_id AND handed_at IS NOT NULL
    AND state IN ('under_review', 'deferred', 'awarded', 'declined')
    AND NOT EXISTS (SELECT FROM items WHERE meeting_id = :meeting_id AND items.application_id = applications.id)
ORDER BY label LIMIT :most;

-- name: open_item!
-- A meeting turns to an item, which is on its agenda from now on.
INSERT INTO items (meeting_id, application_id, opened_at) VALUES (:meeting_id, :application_id, :now)
ON CONFLICT (meeting_id, application_id) DO UPDATE SET opened_at = excluded.opened_at;

-- name: arrive!
-- Somebody is there, unless they are already.
INSERT INTO attendance (meeting_id, person_id, arrived_at)
SELECT :meeting_id, :person_id, :now WHERE NOT EXISTS (
    SELECT FROM attendance WHERE meeting_id = :meeting_id AND person_id = :person_id AND left_at IS NULL
);

-- name: leave!
-- Somebody has gone.
UPDATE attendance SET left_at = :now
WHERE meeting_id = :meeting_id AND person_id = :person_id AND left_at IS NULL;

-- name: attendance_of
-- Who was there, from when until when.
SELECT person_id, arrived_at, left_at FROM attendance WHERE meeting_id = :meeting_id
ORDER BY arrived_at, person_id;

-- name: stand_in!
-- A reserve counts for an item.
INSERT INTO stand_ins (meeting_id, application_id, person_id) VALUES (:meeting_id, :application_id, :person_id)
ON CONFLICT DO NOTHING;

-- name: stand_back!
-- A reserve counts for an item no more.
DELETE FROM stand_ins
WHERE meeting_id = :meeting_id AND application_id = :application_id AND person_id = :person_id;

-- name: round_at^
-- The round of a meeting.
SELECT rounds.id, fund_id, name, state, opens_on, closes_on, meets_on, most_pence, professions, purposes, eligibility,
       quorum, needs_peer, needs_funder, help_name, help_telephone
FROM meetings JOIN rounds ON rounds.id = round_id WHERE meetings.id = :meeting_id;

-- name: criteria_at
-- By what the cases of a meeting are scored.
SELECT criteria.id, number, name, weight FROM meetings JOIN criteria USING (round_id)
WHERE meetings.id = :meeting_id ORDER BY number;

-- name: seats_at
-- Who takes part in the round of a meeting, and whether they are there.
SELECT person_id, seat, professions, for_funder, EXISTS (
    SELECT FROM attendance
    WHERE meeting_id = meetings.id AND attendance.person_id = panel_members.person_id AND attendance.left_at IS NULL
) AS here
FROM meetings JOIN panel_members USING (round_id)
WHERE meetings.id = :meeting_id AND takes_part AND left_at IS NULL ORDER BY person_id;

-- name: items_of
-- What a meeting looks at; or one of it.
SELECT application_id, cases.id AS case_id, cases.label, profession, purpose, amount_pence, exam_on, cases.words,
       papers, state, opened_at
FROM items JOIN cases USING (application_id) JOIN applications ON applications.id = application_id
WHERE meeting_id = :meeting_id AND (:only::uuid IS NULL OR application_id = :only) ORDER BY cases.label;

-- name: item_on
-- The item of a meeting that is on: the one of this case, or else what was opened last.
SELECT application_id, cases.id AS case_id, cases.label, profession, purpose, amount_pence, exam_on, cases.words,
       papers, state, opened_at
FROM items JOIN cases USING (application_id) JOIN applications ON applications.id = application_id
WHERE meeting_id = :meeting_id AND application_id = coalesce((
    SELECT application_id FROM items JOIN cases USING (application_id)
    WHERE meeting_id = :meeting_id AND cases.id = :case_id::uuid
), (
    SELECT application_id FROM items WHERE meeting_id = :meeting_id AND opened_at IS NOT NULL
    ORDER BY opened_at DESC, label DESC LIMIT 1
));

-- name: items_on_wall
-- What the wall shows of a meeting: what was decided here, and what is on.
SELECT application_id, cases.id AS case_id, cases.label, profession, purpose, amount_pence, exam_on, cases.words,
       papers, state, opened_at
FROM items JOIN cases USING (application_id) JOIN applications ON applications.id = application_id
WHERE meeting_id = :meeting_id AND (decided OR application_id = (
    SELECT application_id FROM items WHERE meeting_id = :meeting_id AND opened_at IS NOT NULL
    ORDER BY opened_at DESC, label DESC LIMIT 1
))
ORDER BY cases.label;

-- name: items_counted$
-- How long the agenda of a meeting is.
SELECT count(*) FROM items WHERE meeting_id = :meeting_id;

-- name: agenda_of
-- The agenda of a meeting, in three parts: 0, what can be decided now; 1, what cannot; 2, what was decided here.
-- In each the highest mean first. From its beginning, or after a case that stood in such a part; of labels that
-- begin with something. Each with its last decision; of a meeting that is over, with the last that it made.
WITH able AS MATERIALIZED (
    SELECT ARRAY(
        SELECT code FROM unnest(rounds.professions) AS code WHERE may_decide(meetings.id, code, NULL)
    ) AS professions
    FROM meetings JOIN rounds ON rounds.id = round_id WHERE meetings.id = :meeting_id
), last AS MATERIALIZED (
    SELECT items.label, low FROM items JOIN cases USING (application_id)
    WHERE meeting_id = :meeting_id AND cases.id = :after::uuid
), item AS NOT MATERIALIZED (
    -- Only where somebody steps out or in does each case count for itself.
    SELECT application_id, label, low, decided, CASE
        WHEN EXISTS (SELECT FROM removals WHERE removals.application_id = applications.id) OR EXISTS (
            SELECT FROM stand_ins
            WHERE stand_ins.meeting_id = items.meeting_id AND stand_ins.application_id = applications.id
        ) THEN may_decide(meeting_id, profession, applications.id)
        ELSE profession = ANY((SELECT professions FROM able)::text[])
    END AS ready
    FROM items JOIN applications ON applications.id = application_id
    WHERE meeting_id = :meeting_id AND starts_with(label, :find)
), listed AS (
    (
        SELECT 0 AS part, application_id, label, low FROM item
        WHERE :part::integer = 0 AND NOT decided AND ready
            AND (low, label) > (coalesce((SELECT low FROM last), '-infinity'), coalesce((SELECT label FROM last), ''))
        ORDER BY low, label LIMIT :most
    ) UNION ALL (
        SELECT 1, application_id, label, low FROM item
        WHERE :part::integer <= 1 AND NOT decided AND NOT ready AND (low, label) > (
            coalesce((SELECT low FROM last WHERE :part::integer = 1), '-infinity'),
            coalesce((SELECT label FROM last WHERE :part::integer = 1), '')
        )
        ORDER BY low, label LIMIT :most
    ) UNION ALL (
        SELECT 2, application_id, label, low FROM item
        WHERE decided AND (low, label) > (
            coalesce((SELECT low FROM last WHERE :part::integer = 2), '-infinity'),
            coalesce((SELECT label FROM last WHERE :part::integer = 2), '')
        )
        ORDER BY low, label LIMIT :most
    )
    LIMIT :most
)
SELECT part, application_id, cases.id AS case_id, listed.label, purpose, applications.amount_pence AS asked_pence, state, kind,
       last_decision.amount_pence
FROM listed
JOIN cases USING (application_id)
JOIN applications ON applications.id = application_id
LEFT JOIN LATERAL (
    SELECT kind, amount_pence FROM decisions
    WHERE decisions.application_id = listed.application_id AND (
        meeting_id = :meeting_id OR EXISTS (SELECT FROM meetings WHERE id = :meeting_id AND ended_at IS NULL)
    )
    ORDER BY number DESC LIMIT 1
) AS last_decision ON true
ORDER BY part, low, listed.label;

-- name: ties_of
-- From whom each of these is kept, and who is only acquainted.
SELECT application_id, person_id, true AS removed FROM removals WHERE application_id = ANY(:ids::uuid[])
UNION
SELECT application_id, person_id, false FROM conflicts
WHERE application_id = ANY(:ids::uuid[]) AND state = 'confirmed' AND tie = 'acquaintance';

-- name: standing_in
-- Which reserves count for which of these.
SELECT application_id, person_id FROM stand_ins
WHERE meeting_id = :meeting_id AND application_id = ANY(:ids::uuid[]);

-- name: reviews_of
-- Who has said what they think of these, with as much of their comments as was let through.
SELECT application_id, person_id, coalesce(shown, '') AS comment FROM reviews
WHERE application_id = ANY(:ids::uuid[]) AND submitted_at IS NOT NULL;

-- name: lock_reviews
-- What is said of an application, which nobody changes until this transaction has ended. What is not begun yet
-- waits for the application itself.
SELECT person_id FROM reviews WHERE application_id = :application_id ORDER BY person_id FOR UPDATE;

-- name: scores_of
-- The scores of those who have said what they think of these.
SELECT application_id, person_id, criterion_id, score FROM scores JOIN reviews USING (application_id, person_id)
WHERE application_id = ANY(:ids::uuid[]) AND submitted_at IS NOT NULL;

-- name: decisions_of
-- What was decided on these, the first first.
SELECT id, application_id, number, meeting_id, kind, amount_pence, present, stepped_out, acquainted, basis, decided_by,
       decided_at, words, why_changed
FROM decisions LEFT JOIN reasons ON decision_id = id
WHERE application_id = ANY(:ids::uuid[]) ORDER BY application_id, number;

-- name: enter_decision!
-- Enter what was decided, and what the applicant is told.
WITH entered AS (
    INSERT INTO decisions (
        id, application_id, number, meeting_id, kind, amount_pence, present, stepped_out, acquainted, basis, decided_by,
        decided_at
    ) VALUES (
        :id, :application_id, :number, :meeting_id, :kind, :amount_pence, :present, :stepped_out, :acquainted, :basis,
        :by, :now
    ) RETURNING id
)
INSERT INTO reasons (decision_id, words, why_changed) SELECT id, :words, :why_changed FROM entered;

-- name: forget_reasons!
-- Forget what these applicants were told of a decision, why it changed, and why it stands.
WITH gone AS (
    DELETE FROM upheld USING decisions WHERE decisions.id = decision_id AND application_id = ANY(:ids::uuid[])
)
DELETE FROM reasons USING decisions WHERE decisions.id = decision_id AND application_id = ANY(:ids::uuid[]);

-- name: pot_of^
-- What the fund of a meeting's round has, and what of it is promised or paid for the awards of that round.
SELECT fund_id, entries, received_pence, refunded_pence, fund_balances.committed_pence, paid_pence, returned_pence, (
    SELECT coalesce(sum(commitments.committed_pence - released_pence), 0)::bigint
    FROM commitments JOIN applications ON applications.id = award_id WHERE applications.round_id = rounds.id
) AS awarded_pence
FROM meetings JOIN rounds ON rounds.id = round_id JOIN fund_balances USING (fund_id) WHERE meetings.id = :meeting_id;

-- name: undecided_in^
-- How many applications of a round are not with the panel yet, and how many it has not decided.
SELECT count(*) FILTER (WHERE state IN ('submitted', 'returned', 'eligible')) AS to_hand_over,
       count(*) FILTER (WHERE state IN ('under_review', 'deferred') AND NOT EXISTS (
           SELECT FROM decisions WHERE application_id = applications.id
       )) AS undecided
FROM applications WHERE round_id = :round_id;

-- name: decided_in
-- The applications of a round that wait to be told what was decided last; or those of them that are named.
SELECT applications.id, reference, state, purpose, link_number, applications.amount_pence AS asked_pence, label, kind,
       number, last.amount_pence, reasons.words, sealed
FROM applications
JOIN LATERAL (
    SELECT id, kind, number, amount_pence FROM decisions
    WHERE decisions.application_id = applications.id ORDER BY number DESC LIMIT 1
) AS last ON true
JOIN cases ON cases.application_id = applications.id
LEFT JOIN reasons ON decision_id = last.id
LEFT JOIN applicants ON applicants.application_id = applications.id
WHERE round_id = :round_id AND state IN ('under_review', 'deferred', 'awarded', 'declined')
    AND (:only::uuid IS NULL OR applications.id = :only)
ORDER BY label;

-- name: lock_applications!
-- Let nobody else change these until this transaction has ended; or one of them.
SELECT id FROM applications
WHERE round_id = :round_id AND state IN ('under_review', 'deferred', 'awarded', 'declined')
    AND (:only::uuid IS NULL OR id = :only)
ORDER BY id FOR UPDATE;

-- name: move_decided
-- Move applications on, each to its own state. Their versions after that.
UPDATE applications SET state = moved.state, version = version + 1, changed_at = :now
FROM unnest(:ids::uuid[], :states::text[]) AS moved (id, state)
WHERE applications.id = moved.id RETURNING applications.id, version;

-- name: enter_decided!
-- Write down what these applications have come to, each with what its applicant is told.
INSERT INTO application_steps (application_id, number, state, happened_at, person_id, words)
SELECT id, coalesce(last.number, 0) + 1, state, :now, :person_id, words
FROM unnest(:ids::uuid[], :states::text[], :words::text[]) AS moved (id, state, words)
LEFT JOIN LATERAL (
    SELECT max(number) AS number FROM application_steps WHERE application_id = moved.id
) AS last ON true;

-- name: offer_awards!
-- Offer awards, or offer another amount.
INSERT INTO awards AS known (application_id, fund_id, amount_pence, offered_at, answer_by)
SELECT id, :fund_id, pence, :now, :answer_by FROM unnest(:ids::uuid[], :pence::bigint[]) AS offered (id, pence)
ON CONFLICT (application_id) DO UPDATE SET amount_pence = excluded.amount_pence, offered_at = excluded.offered_at,
    answer_by = excluded.answer_by, version = known.version + 1;

-- name: take_back_offers!
-- Offer these no award any more.
DELETE FROM awards WHERE application_id = ANY(:ids::uuid[]);

-- name: mark_of$
-- What stands for all there is to see of a meeting.
SELECT md5(concat_ws(
    '/', ended_at, meetings.version, rounds.version, entries,
    (SELECT string_agg(concat_ws(':', person_id, arrived_at, left_at), ',' ORDER BY person_id, arrived_at)
     FROM attendance WHERE meeting_id = meetings.id),
    (SELECT string_agg(concat_ws(':', person_id, version), ',' ORDER BY person_id)
     FROM panel_members WHERE panel_members.round_id = meetings.round_id),
    (SELECT string_agg(concat_ws(':', decision_id, person_id, doubted.state), ',' ORDER BY decision_id, person_id)
     FROM doubted JOIN applications ON id = application_id WHERE applications.round_id = meetings.round_id),
    (SELECT string_agg(concat_ws(':', application_id, state, mark), ',' ORDER BY application_id)
     FROM item_marks(:meeting_id) JOIN applications ON id = application_id)
))
FROM meetings JOIN rounds ON rounds.id = round_id JOIN fund_balances USING (fund_id)
WHERE meetings.id = :meeting_id;

-- name: may_be_opened$
-- The application of a case of a round that a meeting may turn to; nothing when it may not.
SELECT applications.id FROM cases JOIN applications ON applications.id = application_id
WHERE cases.id = :case_id AND round_id = :round_id AND handed_at IS NOT NULL
    AND state IN ('under_review', 'deferred', 'awarded', 'declined');

-- name: item_of$
-- The application of a case on the agenda of a meeting.
SELECT application_id FROM items JOIN cases USING (application_id) WHERE meeting_id = :meeting_id AND cases.id = :case_id;
