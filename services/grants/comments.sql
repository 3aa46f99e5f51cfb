-- name: comments_waiting
-- What members have handed in of the cases of a round and nobody of ours has looked through, with who applies, sealed.
SELECT reviews.application_id, reviews.person_id, label, comment, reviews.version, sealed
FROM reviews
JOIN applications ON applications.id = reviews.application_id
JOIN cases ON cases.application_id = applications.id
LEFT JOIN applicants ON applicants.application_id = applications.id
WHERE round_id = :round_id AND applications.state IN ('under_review', 'deferred') AND shown IS NULL
    AND reviews.submitted_at IS NOT NULL
ORDER BY label, reviews.person_id LIMIT :most;

-- name: let_read
-- Let other members read these words for a comment that is still as it was when it was looked through. Of which cases.
UPDATE reviews SET shown = said.words, version = reviews.version + 1
FROM unnest(:applications::uuid[], :people::uuid[], :versions::integer[], :words::text[])
    AS said (application_id, person_id, version, words)
JOIN applications ON applications.id = said.application_id AND round_id = :round_id
WHERE reviews.application_id = said.application_id AND reviews.person_id = said.person_id
    AND reviews.version = said.version AND shown IS NULL AND reviews.submitted_at IS NOT NULL
RETURNING reviews.application_id, reviews.person_id, said.words;

-- name: comments_counted$
-- How many comments of a round wait.
SELECT count(*) FROM reviews JOIN applications ON applications.id = application_id
WHERE round_id = :round_id AND applications.state IN ('under_review', 'deferred') AND shown IS NULL AND reviews.submitted_at IS NOT NULL;

-- name: rounds_with_comments
-- In which rounds comments wait, and how many.
SELECT rounds.id AS round_id, rounds.name, count(*) AS count
FROM reviews
JOIN applications ON applications.id = application_id
JOIN rounds ON rounds.id = round_id
WHERE applications.state IN ('under_review', 'deferred') AND shown IS NULL AND reviews.submitted_at IS NOT NULL
GROUP BY rounds.id, rounds.name ORDER BY rounds.name, rounds.id LIMIT :most;
