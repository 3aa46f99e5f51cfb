-- name: doubts_in
-- Who had a part in the decisions of a round, and is or may be too close after all. Or of one application.
SELECT decision_id, doubted.application_id, person_id, conflict_id, doubted.state, label
FROM doubted
JOIN applications ON applications.id = doubted.application_id
JOIN cases ON cases.application_id = applications.id
WHERE round_id = :round_id AND applications.state IN ('under_review', 'deferred', 'awarded', 'declined')
    AND (:only::uuid IS NULL OR applications.id = :only)
ORDER BY label, person_id;

-- name: doubts_waiting
-- In which rounds decisions are doubted, how many.
SELECT rounds.id AS round_id, rounds.name, count(DISTINCT decision_id) AS count, rounds.state = 'published' AS published
FROM doubted
JOIN applications ON applications.id = doubted.application_id
JOIN rounds ON rounds.id = round_id
WHERE applications.state IN ('under_review', 'deferred', 'awarded', 'declined')
GROUP BY rounds.id ORDER BY published, rounds.name, rounds.id LIMIT :most;

-- name: doubted_decision$
-- The decision that somebody's being too close throws doubt on; nothing when it does not, or is settled.
SELECT decision_id FROM doubted WHERE application_id = :application_id AND person_id = :person_id;

-- name: uphold!
-- Say why a decision stands.
INSERT INTO upheld (decision_id, person_id, words, said_by, said_at)
VALUES (:decision_id, :person_id, :words, :by, :now);

-- name: upheld_at
-- Why decisions of a meeting stand, and in spite of whom.
SELECT decision_id, person_id, upheld.words FROM upheld JOIN decisions ON decisions.id = decision_id
WHERE meeting_id = :meeting_id ORDER BY decision_id, person_id;
