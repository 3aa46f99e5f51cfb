-- name: seats_held
-- On which panels these people sit or have sat.
SELECT rounds.name AS round, seat, panel_members.professions, for_funder, invited_at, takes_part, answered_at, left_at
FROM panel_members JOIN rounds ON rounds.id = round_id
WHERE person_id = ANY(:person_ids::uuid[]) ORDER BY invited_at, rounds.id;

-- name: attendance_held
-- At which meetings they were, and when.
SELECT rounds.name AS round, begun_at, arrived_at, left_at
FROM attendance JOIN meetings ON meetings.id = meeting_id JOIN rounds ON rounds.id = round_id
WHERE person_id = ANY(:person_ids::uuid[]) ORDER BY arrived_at, meetings.id;

-- name: reviews_held
-- What they have said of which case, and what they gave it.
SELECT rounds.name AS round, label AS case, comment, reviews.submitted_at, (
    SELECT jsonb_object_agg(criteria.name, score) FROM scores JOIN criteria ON criteria.id = criterion_id
    WHERE scores.application_id = reviews.application_id AND scores.person_id = reviews.person_id
) AS scores
FROM reviews
JOIN applications ON applications.id = reviews.application_id
JOIN rounds ON rounds.id = round_id
JOIN cases ON cases.application_id = applications.id
WHERE person_id = ANY(:person_ids::uuid[]) ORDER BY rounds.name, label, person_id;

-- name: decisions_held
-- Which decisions they have recorded; and, of those that are published, for which they counted, had stepped out, or
-- had said that they know the applicant a little.
SELECT rounds.name AS round, label AS case, decided_at, decided_by = ANY(:person_ids::uuid[]) AS recorded,
       rounds.state = 'published' AND present && :person_ids::uuid[] AS counted,
       rounds.state = 'published' AND stepped_out && :person_ids::uuid[] AS stepped_out,
       rounds.state = 'published' AND acquainted && :person_ids::uuid[] AS acquainted
FROM decisions
JOIN meetings ON meetings.id = meeting_id
JOIN rounds ON rounds.id = round_id
JOIN cases ON cases.application_id = decisions.application_id
WHERE decided_by = ANY(:person_ids::uuid[]) OR (
    rounds.state = 'published' AND :person_ids::uuid[] && (present || stepped_out || acquainted)
)
ORDER BY decided_at, decisions.id;

-- name: have_served$
-- Whether anything is kept of what they did.
SELECT EXISTS (SELECT FROM panel_members WHERE person_id = ANY(:person_ids::uuid[]))
    OR EXISTS (SELECT FROM decisions WHERE decided_by = ANY(:person_ids::uuid[]));

-- name: end_seats!
-- They sit on no panel that still decides.
UPDATE panel_members SET left_at = :now, version = panel_members.version + 1
FROM rounds WHERE rounds.id = round_id AND rounds.state <> 'published' AND left_at IS NULL
    AND person_id = ANY(:person_ids::uuid[]);

-- name: drop_unsent_reviews!
-- What they have begun to say, and nobody has seen, never was.
DELETE FROM reviews WHERE submitted_at IS NULL AND person_id = ANY(:person_ids::uuid[]);

-- name: forget_comments_by$
-- Forget what they have said in words. Of how many cases.
WITH forgotten AS (
    UPDATE reviews SET comment = '', shown = '', version = version + 1
    WHERE comment <> '' AND person_id = ANY(:person_ids::uuid[]) RETURNING 1
)
SELECT count(*) FROM forgotten;

-- name: forget_comments_on!
-- Forget what was said in words of these.
UPDATE reviews SET comment = '', shown = '', version = version + 1
WHERE comment <> '' AND application_id = ANY(:application_ids::uuid[]);
