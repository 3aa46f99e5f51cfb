-- name: enter_suggestion!
-- Somebody to whom a letter was passed on, once for each; at a merged body, where it went.
INSERT INTO suggested_contacts (id, organisation_id, letter_id, name, role, email, suggested_at)
SELECT :id, coalesce(o.merged_into, o.id), :letter_id, :name, :role, :email, :suggested_at
FROM organisations o WHERE o.id = :organisation_id
ON CONFLICT (id) DO NOTHING;

-- name: suggestions_of
-- Who waits to be looked at, at one organisation.
SELECT id, name, role, email, letter_id, suggested_at FROM suggested_contacts
WHERE organisation_id = :organisation_id AND settled_at IS NULL ORDER BY suggested_at, id;

-- name: suggestions_waiting
-- Who waits to be looked at, the longest first.
SELECT s.id, s.organisation_id, s.suggested_at, o.name AS organisation
FROM suggested_contacts s JOIN organisations o ON o.id = s.organisation_id
WHERE s.settled_at IS NULL ORDER BY s.suggested_at, s.id LIMIT :most;

-- name: suggestion^
-- One of them, with the name of their body, and who is a contact there already with the same address.
SELECT s.*, o.name AS organisation, ARRAY(
    SELECT c.name FROM contacts c WHERE c.organisation_id = s.organisation_id AND lower(c.email) = lower(s.email)
      AND c.withdrawn_on IS NULL ORDER BY c.name
) AS same_address FROM suggested_contacts s JOIN organisations o ON o.id = s.organisation_id
WHERE s.id = :id;

-- name: lock_suggestion^
-- One of them, for whoever decides.
SELECT * FROM suggested_contacts WHERE id = :id FOR UPDATE;

-- name: settle_suggestion!
-- It is decided; the register has them now, or nobody keeps who it was.
UPDATE suggested_contacts SET name = '', role = '', email = '', settled_at = :now, contact_id = :contact_id
WHERE id = :id;

-- name: suggestions_at$
-- How many wait at an entry.
SELECT count(*) FROM suggested_contacts WHERE organisation_id = :organisation_id AND settled_at IS NULL;

-- name: move_suggestions!
-- Whoever was suggested at one entry is at the surviving one.
UPDATE suggested_contacts SET organisation_id = :surviving WHERE organisation_id = :losing;

-- name: suggestions_held
-- Where somebody was suggested to us and nobody has decided.
SELECT name, role, email, suggested_at FROM suggested_contacts
WHERE settled_at IS NULL
  AND (id = ANY(:ids::uuid[]) OR lower(email) = ANY(:emails::text[]) OR lower(name) = ANY(:names::text[]))
ORDER BY suggested_at, id;

-- name: suggestions_to_forget
-- What waits and is of somebody who is to be forgotten.
SELECT id FROM suggested_contacts
WHERE settled_at IS NULL AND (id = ANY(:ids::uuid[]) OR lower(email) = ANY(:emails::text[])) ORDER BY id;

-- name: suggestions_until
-- What has waited too long.
SELECT id FROM suggested_contacts WHERE settled_at IS NULL AND suggested_at < :before ORDER BY suggested_at LIMIT :most;
