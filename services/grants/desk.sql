-- Whatever is made for members of a panel. Applications are read through cases_for(viewer) here and by nothing
-- else: a test holds this file to it.

-- name: seats_of
-- The rounds on whose panel somebody sits or is asked to sit: what is not over first, the next meeting first.
-- Of a round it is told whether it is published and no more: that the panel has decided on everything could tell
-- of a case that is kept from them.
SELECT rounds.id, rounds.name, meets_on, help_name, help_telephone, rounds.state = 'published' AS published, seat,
       takes_part, meeting.id AS meeting_id
FROM panel_members
JOIN rounds ON rounds.id = panel_members.round_id
LEFT JOIN LATERAL (
    -- As meetings_for has it, and no further than to the first case that they may see.
    SELECT meetings.id FROM meetings JOIN items ON items.meeting_id = meetings.id
    JOIN cases_for(:person_id) AS seen ON seen.application_id = items.application_id
    WHERE meetings.round_id = rounds.id AND ended_at IS NULL LIMIT 1
) AS meeting ON true
WHERE person_id = :person_id AND left_at IS NULL
ORDER BY rounds.state = 'published', meets_on, rounds.name, rounds.id LIMIT :most;

-- name: has_said_interests$
-- Whether somebody has said what they are close to, or that there is nothing.
SELECT EXISTS (SELECT FROM interests_said WHERE person_id = :person_id);

-- name: progress_of
-- How much somebody has of each round, and how much of it is done.
SELECT round_id, count(*) AS cases, count(submitted_at) AS done
FROM cases_for(:person_id) AS seen
LEFT JOIN reviews ON reviews.application_id = seen.application_id AND reviews.person_id = :person_id
GROUP BY round_id;

-- name: desk_of
-- The cases of somebody by their labels, so many of each round.
SELECT listed.id, listed.round_id, label, profession, purpose, amount_pence, exam_on, begun, done,
       coalesce(kind <> 'defer', false) AS decided
FROM panel_members
CROSS JOIN LATERAL (
    SELECT seen.application_id, seen.id, seen.round_id, label, profession, purpose, amount_pence, exam_on,
           reviews.version IS NOT NULL AS begun, submitted_at IS NOT NULL AS done
    FROM cases_for(:person_id) AS seen
    LEFT JOIN reviews ON reviews.application_id = seen.application_id AND reviews.person_id = :person_id
    WHERE seen.round_id = panel_members.round_id AND (:after::text IS NULL OR label > :after::text)
    ORDER BY label LIMIT :most
) AS listed
LEFT JOIN LATERAL (
    SELECT kind FROM decisions WHERE decisions.application_id = listed.application_id ORDER BY number DESC LIMIT 1
) AS last ON true
WHERE panel_members.person_id = :person_id AND (:round_id::uuid IS NULL OR panel_members.round_id = :round_id::uuid)
ORDER BY listed.round_id, label;

-- name: case_for^
-- One case as somebody may see it, with what they have said of it. Nothing when there is none for them.
SELECT seen.application_id, seen.id, seen.round_id, label, profession, purpose, amount_pence, exam_on, seen.words,
       papers, rounds.name AS round, meets_on, help_name, help_telephone, rounds.state = 'published' AS published,
       coalesce(kind <> 'defer', false) AS decided, comment, submitted_at, coalesce(reviews.version, 0) AS version,
       EXISTS (
           SELECT FROM conflicts WHERE conflicts.application_id = seen.application_id
               AND conflicts.person_id = :person_id AND conflicts.state = 'confirmed' AND tie = 'acquaintance'
       ) AS met
FROM cases_for(:person_id) AS seen
JOIN rounds ON rounds.id = seen.round_id
LEFT JOIN reviews ON reviews.application_id = seen.application_id AND reviews.person_id = :person_id
LEFT JOIN LATERAL (
    SELECT kind FROM decisions WHERE decisions.application_id = seen.application_id ORDER BY number DESC LIMIT 1
) AS last ON true
WHERE seen.id = :id;

-- name: criteria_for
-- By what a case is scored, as far as somebody may see it.
SELECT criteria.id, number, name, weight, criteria.words
FROM cases_for(:person_id) AS seen JOIN criteria ON criteria.round_id = seen.round_id
WHERE seen.id = :id ORDER BY number;

-- name: next_case^
-- What somebody has not done yet of the round of a case: the first after it, or else the first of all.
WITH this AS MATERIALIZED (
    SELECT round_id, label FROM cases_for(:person_id) AS seen WHERE seen.id = :id
)
SELECT found.id, found.label FROM this CROSS JOIN LATERAL (
    SELECT seen.id, seen.label FROM cases_for(:person_id) AS seen
    WHERE seen.round_id = this.round_id AND seen.label > this.label AND NOT EXISTS (
        SELECT FROM reviews
        WHERE reviews.application_id = seen.application_id AND person_id = :person_id AND submitted_at IS NOT NULL
    ) AND NOT EXISTS (
        SELECT FROM decisions WHERE decisions.application_id = seen.application_id AND kind <> 'defer'
    )
    ORDER BY seen.label LIMIT 1
) AS found
UNION ALL
SELECT found.id, found.label FROM this CROSS JOIN LATERAL (
    SELECT seen.id, seen.label FROM cases_for(:person_id) AS seen
    WHERE seen.round_id = this.round_id AND seen.label < this.label AND NOT EXISTS (
        SELECT FROM reviews
        WHERE reviews.application_id = seen.application_id AND person_id = :person_id AND submitted_at IS NOT NULL
    ) AND NOT EXISTS (
        SELECT FROM decisions WHERE decisions.application_id = seen.application_id AND kind <> 'defer'
    )
    ORDER BY seen.label LIMIT 1
) AS found
LIMIT 1;

-- name: scores_by
-- What somebody has given a case, by criterion.
SELECT criterion_id, score FROM scores
JOIN cases_for(:person_id) AS seen ON seen.application_id = scores.application_id
WHERE seen.id = :id AND scores.person_id = :person_id;

-- name: reviews_of_others
-- What the other members say of a case, once somebody has handed in their own, and only of those who have as well.
-- Of a member who has left, or from whom the case is kept, nothing counts. Of a comment they read what was let through.
SELECT reviews.person_id, seat, coalesce(reviews.shown, '') AS comment, criterion_id, score
FROM cases_for(:person_id) AS seen
JOIN reviews AS own ON own.application_id = seen.application_id AND own.person_id = :person_id
JOIN reviews ON reviews.application_id = seen.application_id AND reviews.person_id <> :person_id
JOIN panel_members ON panel_members.round_id = seen.round_id AND panel_members.person_id = reviews.person_id
LEFT JOIN scores ON scores.application_id = reviews.application_id AND scores.person_id = reviews.person_id
WHERE seen.id = :id AND own.submitted_at IS NOT NULL AND reviews.submitted_at IS NOT NULL
    AND takes_part AND left_at IS NULL AND NOT EXISTS (
        SELECT FROM removals
        WHERE removals.application_id = seen.application_id AND removals.person_id = reviews.person_id
    )
ORDER BY reviews.person_id, criterion_id;

-- name: members_beside
-- Who has a seat on the panel of a case, as far as somebody may see it: their names, sealed.
SELECT colleagues.person_id, sealed
FROM cases_for(:person_id) AS seen
JOIN panel_members ON panel_members.round_id = seen.round_id
JOIN colleagues ON colleagues.person_id = panel_members.person_id
WHERE seen.id = :id AND sealed IS NOT NULL;

-- name: hold_review^
-- What somebody has said of a case, held until the end of what they do; begun where there is nothing yet.
INSERT INTO reviews (application_id, person_id, version, changed_at)
SELECT application_id, :person_id, 0, :now FROM cases_for(:person_id) WHERE id = :id
ON CONFLICT (application_id, person_id) DO UPDATE SET version = reviews.version
RETURNING application_id, person_id, comment, submitted_at, version;

-- name: write_review$
-- Write what somebody says of a case; what is handed in stays so. Its version after that. Another comment than before
-- waits to be looked through.
UPDATE reviews SET comment = :comment,
    shown = CASE WHEN :comment = comment THEN shown WHEN :comment = '' THEN '' END, version = version + 1, changed_at = :now,
    submitted_at = coalesce(submitted_at, CASE WHEN :submit THEN :now::timestamptz END)
WHERE application_id = :application_id AND person_id = :person_id RETURNING version;

-- name: write_scores!
-- What somebody gives a case, by criteria of its round.
INSERT INTO scores (application_id, person_id, criterion_id, score)
SELECT :application_id, :person_id, given.criterion_id, given.score
FROM unnest(:criteria::uuid[], :scores::smallint[]) AS given (criterion_id, score)
JOIN criteria ON criteria.id = given.criterion_id AND criteria.round_id = :round_id
ON CONFLICT (application_id, person_id, criterion_id) DO UPDATE SET score = excluded.score;
