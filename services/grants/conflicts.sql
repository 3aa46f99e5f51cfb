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
-- What somebody does not say any more.
UPDATE interests SET ended_at = :now WHERE id = ANY(:ids::uuid[]);

-- name: declare$
-- Somebody says that they are close to an applicant. A close tie that stands is not put in place by a looser one.
INSERT INTO conflicts AS known (id, application_id, person_id, source, tie, state, noticed_at)
VALUES (:id, :application_id, :person_id, 'declared', :tie, 'confirmed', :now)
ON CONFLICT (application_id, person_id, source) DO UPDATE SET
    tie = excluded.tie, state = 'confirmed', words = '', noticed_at = excluded.noticed_at, settled_at = NULL,
    settled_by = NULL
WHERE known.state = 'dismissed' OR known.tie = 'acquaintance'
RETURNING id;
