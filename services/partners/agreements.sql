-- name: begin_agreement!
-- A draft with nothing in it but its name.
INSERT INTO agreements (id, organisation_id, state, terms, kept_by, begun_at, changed_at)
VALUES (:id, :organisation_id, 'draft', :terms, :kept_by, :now, :now);

-- name: lock_agreement^
-- One agreement, locked: what is done to it comes one after the other.
SELECT * FROM agreements WHERE id = :id FOR UPDATE;

-- name: agreement^
-- One agreement with the names of the body, of who looks after it and of whom it was sent to.
SELECT a.*, o.name AS organisation, o.closed_on, p.name AS keeper, c.name AS contact
FROM agreements AS a JOIN organisations AS o ON o.id = a.organisation_id
LEFT JOIN people AS p ON p.id = a.kept_by LEFT JOIN contacts AS c ON c.id = a.contact_id
WHERE a.id = :id;

-- name: write_draft!
-- What a draft says now.
UPDATE agreements SET terms = :terms, kept_by = :kept_by, revision = revision + 1, changed_at = :now WHERE id = :id;

-- name: move_agreement!
-- Where an agreement stands now.
UPDATE agreements SET state = :state, terms = :terms, in_force = :in_force, contact_id = :contact_id,
    revision = revision + 1, changed_at = :now
WHERE id = :id;

-- name: send_agreement_to!
-- Whom the link went to last.
UPDATE agreements SET contact_id = :contact_id, revision = revision + 1, changed_at = :now WHERE id = :id;

-- name: end_agreement!
-- It is over.
UPDATE agreements SET state = 'ended', ended_on = :today, ended_why = :why, revision = revision + 1, changed_at = :now
WHERE id = :id;

-- name: enter_version!
-- What is offered, once and for all.
INSERT INTO agreement_versions (agreement_id, number, state, content, digest, link, offered_at)
VALUES (:agreement_id, :number, 'offered', :content, :digest, :link, :now);

-- name: set_version!
-- What has become of a version.
UPDATE agreement_versions
SET state = :state, signed_at = coalesce(signed_at, :signed_at), copy_id = coalesce(copy_id, :copy_id)
WHERE agreement_id = :agreement_id AND number = :number;

-- name: newest_version^
-- The version that was offered last, if there is one.
SELECT * FROM agreement_versions WHERE agreement_id = :agreement_id ORDER BY number DESC LIMIT 1;

-- name: version^
-- One version.
SELECT * FROM agreement_versions WHERE agreement_id = :agreement_id AND number = :number;

-- name: versions_of
-- The versions of an agreement, the newest first.
SELECT v.*, f.name AS copy_name FROM agreement_versions AS v LEFT JOIN files AS f ON f.id = v.copy_id
WHERE v.agreement_id = :agreement_id ORDER BY v.number DESC LIMIT :most;

-- name: version_by_link^
-- The version that a link is for.
SELECT v.*, a.organisation_id, a.ended_on FROM agreement_versions AS v
JOIN agreements AS a ON a.id = v.agreement_id WHERE v.link = :link;

-- name: sign$
-- Somebody has signed for one side. Nothing comes back when that side had signed before.
INSERT INTO agreement_signatures (agreement_id, number, side, way, name, position, signed_at, person_id, contact_id)
VALUES (:agreement_id, :number, :side, :way, :name, :position, :now, :person_id, :contact_id)
ON CONFLICT (agreement_id, number, side) DO NOTHING RETURNING side;

-- name: signatures_of
-- Who has signed which version.
SELECT * FROM agreement_signatures WHERE agreement_id = :agreement_id ORDER BY number DESC, signed_at, side;

-- name: owners_named
-- People of ours and contacts by their ids, and whether they are there for this body today.
SELECT p.id, p.name, 'ours' AS side, p.barred_at IS NULL AS present FROM people AS p WHERE p.id = ANY(:ids::uuid[])
UNION ALL
SELECT c.id, c.name, 'theirs' AS side,
       c.organisation_id = :organisation_id AND (c.withdrawn_on IS NULL OR c.withdrawn_on > :today) AS present
FROM contacts AS c WHERE c.id = ANY(:ids::uuid[]);

-- name: owners_to_choose
-- Whoever can own an outcome: our own people who may sign in, and the body's contacts.
SELECT p.id, p.name, 'ours' AS side, NULL AS role, p.email FROM people AS p JOIN organisations AS o ON o.id = p.organisation_id
WHERE p.barred_at IS NULL AND o.identifier = :own
UNION ALL
SELECT c.id, c.name, 'theirs' AS side, c.role, c.email FROM contacts AS c
WHERE c.organisation_id = :organisation_id AND (c.withdrawn_on IS NULL OR c.withdrawn_on > :today)
ORDER BY side, name, id;

-- name: write_outcomes!
-- The outcomes of what both have signed; those that were there before keep what became of them.
INSERT INTO agreement_outcomes AS known (id, agreement_id, what, measure, due_on, person_id, contact_id, state, changed_at)
SELECT said.id, :agreement_id, said.what, said.measure, said.due_on, said.person_id, said.contact_id, 'open', :now
FROM unnest(:ids::uuid[], :whats::text[], :measures::text[], :due_on::date[], :people::uuid[], :contacts::uuid[])
     AS said (id, what, measure, due_on, person_id, contact_id)
ON CONFLICT (id) DO UPDATE SET what = excluded.what, measure = excluded.measure, due_on = excluded.due_on,
    person_id = excluded.person_id, contact_id = excluded.contact_id, changed_at = excluded.changed_at
WHERE known.agreement_id = excluded.agreement_id;

-- name: drop_other_outcomes!
-- Open outcomes that are not among these are dropped.
UPDATE agreement_outcomes SET state = 'dropped', closed_on = :today, note = :note, changed_at = :now
WHERE agreement_id = :agreement_id AND state = 'open' AND NOT id = ANY(:ids::uuid[]);

-- name: write_reviews!
-- The days of review of what both have signed; what was done on earlier ones stays.
INSERT INTO agreement_reviews (agreement_id, review_on)
SELECT :agreement_id, said.review_on FROM unnest(:days::date[]) AS said (review_on)
ON CONFLICT (agreement_id, review_on) DO NOTHING;

-- name: drop_other_reviews!
-- Days of review that were not agreed on again, and on which nothing was done.
DELETE FROM agreement_reviews
WHERE agreement_id = :agreement_id AND reviewed_on IS NULL AND NOT review_on = ANY(:days::date[]);

-- name: reviews_of
-- The days of review of an agreement.
SELECT * FROM agreement_reviews WHERE agreement_id = :agreement_id ORDER BY review_on;

-- name: note_review$
-- What came of a review. Nothing comes back when there is no such open one.
UPDATE agreement_reviews SET reviewed_on = :today, note = :note
WHERE agreement_id = :agreement_id AND review_on = :review_on AND reviewed_on IS NULL RETURNING review_on;

-- name: reviews_to_tell
-- Reviews that come and that nobody was reminded of, with whoever is to be, and locked.
SELECT r.agreement_id, r.review_on, a.in_force, a.organisation_id, a.terms ->> 'title' AS title, o.name AS organisation,
       p.id AS person_id, p.name AS person, p.email AS person_email,
       c.id AS contact_id, c.name AS contact, c.email AS contact_email
FROM agreement_reviews AS r JOIN agreements AS a ON a.id = r.agreement_id
JOIN organisations AS o ON o.id = a.organisation_id
LEFT JOIN people AS p ON p.id = a.kept_by AND p.barred_at IS NULL
LEFT JOIN contacts AS c ON c.id = a.contact_id AND c.organisation_id = a.organisation_id
    AND (c.withdrawn_on IS NULL OR c.withdrawn_on > :today)
WHERE r.reviewed_on IS NULL AND r.told_at IS NULL AND r.review_on <= :until AND a.state <> 'ended'
ORDER BY r.review_on, r.agreement_id LIMIT :most FOR UPDATE OF r SKIP LOCKED;

-- name: note_told!
-- These reviews were spoken of.
UPDATE agreement_reviews AS r SET told_at = :now
FROM unnest(:agreements::uuid[], :days::date[]) AS said (agreement_id, review_on)
WHERE r.agreement_id = said.agreement_id AND r.review_on = said.review_on;

-- name: agreements_listed
-- Agreements with whose turn it is, what needs somebody first; of one body or of all.
SELECT a.id, a.organisation_id, a.state, a.in_force, a.terms ->> 'title' AS title, a.changed_at, o.name AS organisation,
       v.offered_at, coalesce(s.sides, '{}') AS sides,
       (SELECT min(r.review_on) FROM agreement_reviews AS r
        WHERE r.agreement_id = a.id AND r.reviewed_on IS NULL) AS review_on,
       (SELECT count(*) FROM agreement_outcomes AS u WHERE u.agreement_id = a.id AND u.state = 'open') AS outcomes
FROM agreements AS a JOIN organisations AS o ON o.id = a.organisation_id
LEFT JOIN LATERAL (
    SELECT n.number, n.offered_at FROM agreement_versions AS n WHERE n.agreement_id = a.id AND n.state = 'offered'
) AS v ON true
LEFT JOIN LATERAL (
    SELECT array_agg(g.side) AS sides FROM agreement_signatures AS g WHERE g.agreement_id = a.id AND g.number = v.number
) AS s ON true
WHERE (:organisation_id::uuid IS NULL OR a.organisation_id = :organisation_id::uuid)
  AND (:state::text = '' OR a.state = :state::text)
ORDER BY array_position(ARRAY['offered', 'draft', 'signed', 'ended'], a.state), a.changed_at DESC, a.id
LIMIT :most OFFSET :before;

-- name: agreements_count$
-- How many agreements there are, of one body or of all.
SELECT count(*) FROM agreements AS a
WHERE (:organisation_id::uuid IS NULL OR a.organisation_id = :organisation_id::uuid)
  AND (:state::text = '' OR a.state = :state::text);

-- name: outcomes_listed
-- Outcomes of signed agreements by their date, with their owners; as far as they are asked for.
SELECT u.* FROM owned_outcomes AS u
WHERE (:id::uuid IS NULL OR u.id = :id::uuid)
  AND (:agreement_id::uuid IS NULL OR u.agreement_id = :agreement_id::uuid)
  AND (:organisation_id::uuid IS NULL OR u.organisation_id = :organisation_id::uuid)
  AND (:owner_id::uuid IS NULL OR u.owner_id = :owner_id::uuid)
  AND (:state::text = '' OR u.state = :state::text)
  AND (:since::date IS NULL OR u.due_on >= :since::date) AND (:until::date IS NULL OR u.due_on <= :until::date)
  AND (:gone_by::date IS NULL OR u.gone_on <= :gone_by::date)
  AND (:after::uuid IS NULL
       OR (u.due_on, u.id) > (SELECT b.due_on, b.id FROM agreement_outcomes AS b WHERE b.id = :after::uuid))
ORDER BY u.due_on, u.id LIMIT :most;

-- name: outcomes_counted^
-- How many outcomes stand how, as far as owner and body were asked for.
SELECT count(*) FILTER (WHERE u.state = 'open' AND u.due_on > :soon) AS on_track,
       count(*) FILTER (WHERE u.state = 'open' AND u.due_on BETWEEN :today AND :soon) AS due,
       count(*) FILTER (WHERE u.state = 'open' AND u.due_on < :today) AS late,
       count(*) FILTER (WHERE u.state = 'met') AS met, count(*) FILTER (WHERE u.state = 'dropped') AS dropped,
       count(*) FILTER (WHERE u.state = 'open' AND u.gone_on <= :today) AS unowned
FROM owned_outcomes AS u
WHERE (:organisation_id::uuid IS NULL OR u.organisation_id = :organisation_id::uuid)
  AND (:owner_id::uuid IS NULL OR u.owner_id = :owner_id::uuid);

-- name: outcome_owners
-- Whoever owns an outcome, by name.
SELECT DISTINCT u.owner AS name, u.owner_id AS id FROM owned_outcomes AS u ORDER BY name, id LIMIT :most;

-- name: outcome_organisations
-- The bodies that outcomes are agreed on with, by name.
SELECT o.name, o.id FROM organisations AS o
WHERE EXISTS (
    SELECT FROM agreements AS a JOIN agreement_outcomes AS u ON u.agreement_id = a.id WHERE a.organisation_id = o.id
)
ORDER BY o.listed_as, o.id LIMIT :most;

-- name: lock_outcome$
-- One outcome, locked.
SELECT id FROM agreement_outcomes WHERE id = :id FOR UPDATE;

-- name: close_outcome!
-- An outcome is met or dropped.
UPDATE agreement_outcomes SET state = :state, closed_on = :closed_on, note = :note, changed_at = :now WHERE id = :id;

-- name: give_outcome!
-- An outcome has another owner.
UPDATE agreement_outcomes SET person_id = :person_id, contact_id = :contact_id, changed_at = :now WHERE id = :id;

-- name: needed_today
-- What waits for somebody of ours: signatures, reviews, and outcomes that are late or have no owner any more.
SELECT waiting.*, o.name AS organisation FROM (
    SELECT 'signature_waiting' AS kind, a.id, a.terms ->> 'title' AS title, a.organisation_id,
           (v.offered_at AT TIME ZONE 'Europe/London')::date AS due_on
    FROM agreements AS a JOIN agreement_versions AS v ON v.agreement_id = a.id AND v.state = 'offered'
    WHERE NOT EXISTS (
        SELECT FROM agreement_signatures AS g
        WHERE g.agreement_id = a.id AND g.number = v.number AND g.side = 'ours')
    UNION ALL
    SELECT 'review_due', a.id, a.terms ->> 'title', a.organisation_id, r.review_on
    FROM agreement_reviews AS r JOIN agreements AS a ON a.id = r.agreement_id
    WHERE r.reviewed_on IS NULL AND r.review_on <= :until AND a.state <> 'ended'
    UNION ALL
    SELECT 'outcome_late', u.id, u.what, u.organisation_id, u.due_on
    FROM owned_outcomes AS u WHERE u.state = 'open' AND u.due_on < :today
    UNION ALL
    SELECT 'outcome_unowned', u.id, u.what, u.organisation_id, u.gone_on
    FROM owned_outcomes AS u WHERE u.state = 'open' AND u.gone_on <= :today
) AS waiting JOIN organisations AS o ON o.id = waiting.organisation_id
ORDER BY waiting.due_on, waiting.kind, waiting.id LIMIT :most;

-- name: open_agreements_of$
-- How many agreements with a body have not ended.
SELECT count(*) FROM agreements WHERE organisation_id = :organisation_id AND state <> 'ended';

-- name: open_agreements_to_lock
-- The agreements with a body that have not ended, locked in order.
SELECT * FROM agreements WHERE organisation_id = :organisation_id AND state <> 'ended' ORDER BY id FOR UPDATE;

-- name: move_agreements!
-- Everything that was agreed on with one body is with another, because the two are one.
UPDATE agreements SET organisation_id = :surviving, revision = revision + 1 WHERE organisation_id = :losing;

-- name: fold_contacts_of_agreements!
-- Where two contacts are one from now on, what the losing one owns, was sent or has signed is of the surviving one. What
-- was offered or signed stays as it is, word for word.
WITH one AS (
    SELECT losing, surviving FROM unnest(:losing::uuid[], :surviving::uuid[]) AS said (losing, surviving)
), owned AS (
    UPDATE agreement_outcomes AS u SET contact_id = one.surviving FROM one WHERE u.contact_id = one.losing
), signed AS (
    UPDATE agreement_signatures AS g SET contact_id = one.surviving FROM one WHERE g.contact_id = one.losing
)
UPDATE agreements AS a SET revision = a.revision + 1,
    contact_id = coalesce((SELECT one.surviving FROM one WHERE one.losing = a.contact_id), a.contact_id),
    terms = jsonb_set(a.terms, '{outcomes}', (
        SELECT coalesce(jsonb_agg(
            CASE WHEN one.losing IS NULL THEN e.outcome
                 ELSE e.outcome || jsonb_build_object('owner_id', one.surviving) END ORDER BY e.number), '[]')
        FROM jsonb_array_elements(a.terms -> 'outcomes') WITH ORDINALITY AS e (outcome, number)
        LEFT JOIN one ON one.losing::text = e.outcome ->> 'owner_id'))
WHERE a.organisation_id = ANY(:organisations::uuid[])
  AND (a.contact_id = ANY(:losing::uuid[])
       OR EXISTS (SELECT FROM jsonb_array_elements(a.terms -> 'outcomes') AS e (outcome)
                  WHERE e.outcome ->> 'owner_id' = ANY(:losing::uuid[]::text[])));

-- name: hand_over_agreements!
-- What has not ended goes to the successor; what only we had signed was not offered to it.
WITH gone AS (
    UPDATE agreements SET organisation_id = :surviving, contact_id = NULL, revision = revision + 1, changed_at = :now,
        state = CASE WHEN state = 'offered' THEN 'draft' ELSE state END
    WHERE organisation_id = :losing AND state <> 'ended' RETURNING id
)
UPDATE agreement_versions AS v SET state = 'withdrawn' FROM gone WHERE v.agreement_id = gone.id AND v.state = 'offered';

-- name: agreement_outcomes_held
-- The outcomes that somebody owns.
SELECT u.title AS agreement, u.organisation, u.what, u.measure, u.due_on, u.state, u.closed_on, u.note
FROM owned_outcomes AS u WHERE u.owner_id = ANY(:ids::uuid[]) ORDER BY u.due_on, u.id;

-- name: signatures_held
-- What somebody has signed, or what came by their link.
SELECT a.terms ->> 'title' AS agreement, o.name AS organisation, g.number AS version, g.side, g.way, g.name, g.position,
       g.signed_at
FROM agreement_signatures AS g JOIN agreements AS a ON a.id = g.agreement_id JOIN organisations AS o ON o.id = a.organisation_id
WHERE g.person_id = ANY(:ids::uuid[]) OR g.contact_id = ANY(:ids::uuid[]) ORDER BY g.signed_at, a.id;

-- name: signatures_by_name
-- What was signed under a name and came by nobody's link, or by somebody else's.
SELECT a.terms ->> 'title' AS agreement, o.name AS organisation, g.number AS version, g.name, g.position, g.signed_at
FROM agreement_signatures AS g JOIN agreements AS a ON a.id = g.agreement_id JOIN organisations AS o ON o.id = a.organisation_id
WHERE lower(g.name) = ANY(:names::text[])
  AND NOT coalesce(g.person_id = ANY(:ids::uuid[]), false) AND NOT coalesce(g.contact_id = ANY(:ids::uuid[]), false)
ORDER BY g.signed_at, a.id;

-- name: forget_signatures$
-- That a side has signed stays; who it was goes. By a name alone only at bodies where they are known. How many.
WITH forgotten AS (
    UPDATE agreement_signatures AS g SET name = :name, position = '' FROM agreements AS a
    WHERE a.id = g.agreement_id AND g.name <> :name
      AND (g.person_id = ANY(:ids::uuid[]) OR g.contact_id = ANY(:ids::uuid[])
           OR lower(g.name) = ANY(:names::text[]) AND EXISTS (
               SELECT FROM contacts AS c WHERE c.id = ANY(:ids::uuid[]) AND c.organisation_id = a.organisation_id))
    RETURNING 1
)
SELECT count(*) FROM forgotten;

-- name: copies_signed_by$
-- How many copies on paper somebody's name may stand on.
SELECT count(*) FROM agreement_versions AS v WHERE v.copy_id IS NOT NULL AND EXISTS (
    SELECT FROM agreement_signatures AS g WHERE g.agreement_id = v.agreement_id AND g.number = v.number
      AND (g.person_id = ANY(:ids::uuid[]) OR g.contact_id = ANY(:ids::uuid[])));

-- name: agreements_ended_until
-- Agreements that ended before a day and of which a name or a copy on paper remains.
SELECT a.id FROM agreements AS a WHERE a.ended_on < :before AND (
    EXISTS (SELECT FROM agreement_signatures AS g WHERE g.agreement_id = a.id AND g.name <> :name)
    OR EXISTS (SELECT FROM agreement_versions AS v WHERE v.agreement_id = a.id AND v.copy_id IS NOT NULL))
ORDER BY a.ended_on, a.id LIMIT :most FOR UPDATE OF a SKIP LOCKED;

-- name: scrub_signatures!
-- Who signed these agreements is no longer known.
UPDATE agreement_signatures SET name = :name, position = '' WHERE agreement_id = ANY(:ids::uuid[]);

-- name: let_go_of_copies
-- The copies on paper of these agreements, which are then to be dropped.
WITH held AS (
    SELECT agreement_id, number, copy_id FROM agreement_versions
    WHERE agreement_id = ANY(:ids::uuid[]) AND copy_id IS NOT NULL FOR UPDATE
), gone AS (
    UPDATE agreement_versions AS v SET copy_id = NULL FROM held
    WHERE v.agreement_id = held.agreement_id AND v.number = held.number
)
SELECT copy_id FROM held;
