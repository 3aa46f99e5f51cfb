-- name: answer_invitation$
-- A member says whether they take part. Nothing when they are not asked.
UPDATE panel_members SET takes_part = :takes_part, answered_at = :now, version = version + 1
WHERE round_id = :round_id AND person_id = :person_id AND left_at IS NULL RETURNING version;
