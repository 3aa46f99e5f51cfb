-- name: people_known_by
-- People who sign in, by id or by address.
SELECT p.id, p.name, p.email, o.name AS organisation FROM people AS p JOIN organisations AS o ON o.id = p.organisation_id
WHERE p.erased_at IS NULL AND (p.id = ANY(:ids::uuid[]) OR p.email_key = ANY(:emails::text[])) ORDER BY p.id;

-- name: contacts_known_by
-- Contacts, by id or by address, those who are no longer written to as well.
SELECT c.id, c.name, c.email, c.role, o.name AS organisation FROM contacts AS c JOIN organisations AS o ON o.id = c.organisation_id
WHERE c.erased_at IS NULL AND (c.id = ANY(:ids::uuid[]) OR lower(c.email) = ANY(:emails::text[])) ORDER BY c.id;

-- name: open_request!
-- Somebody wants something.
INSERT INTO rights_requests (id, kind, state, subject, asked_at, due_on, changed_at)
VALUES (:id, :kind, :state, :subject, :now, :due_on, :now);

-- name: request^
-- One request.
SELECT * FROM rights_requests WHERE id = :id;

-- name: lock_request^
-- One request, locked: its answers come one after the other.
SELECT * FROM rights_requests WHERE id = :id FOR UPDATE;

-- name: requests
-- The newest requests, those that are not over first.
SELECT * FROM rights_requests
ORDER BY state IN ('released', 'objected', 'erased', 'cancelled'), asked_at DESC, id DESC LIMIT :most;

-- name: requests_waiting^
-- How many requests a person has to do something about, and the first day by which.
SELECT count(*) AS count, min(due_on) AS due_on FROM rights_requests WHERE state = 'gathered';

-- name: move_request!
-- Where a request stands now; nothing is kept of whom it was about once that is not needed.
UPDATE rights_requests SET state = :state, subject = :subject, changed_at = :now WHERE id = :id;

-- name: enter_answer$
-- What a service has answered, once.
INSERT INTO rights_answers (request_id, service, step, answered_at, files, objection, scrubbed, kept)
VALUES (:request_id, :service, :step, :now, :files, :objection, :scrubbed, :kept)
ON CONFLICT (request_id, step, service) DO NOTHING RETURNING service;

-- name: answers_to
-- Who has answered a request, and what.
SELECT service, step, answered_at, files, objection, scrubbed, kept FROM rights_answers
WHERE request_id = :request_id ORDER BY answered_at, service;

-- name: enter_finding!
-- One piece of what a service holds.
INSERT INTO rights_findings (request_id, service, number, path, title, piece, content)
VALUES (:request_id, :service, :number, :path, :title, :piece, :content)
ON CONFLICT (request_id, service, number) DO NOTHING;

-- name: findings_count$
-- How many pieces a service has sent.
SELECT count(*) FROM rights_findings WHERE request_id = :request_id AND service = :service;

-- name: files_of
-- The files that were gathered, without what is in them.
SELECT service, path, title, min(number) AS number, sum(octet_length(content)) AS size, max(left_out) AS left_out
FROM rights_findings WHERE request_id = :request_id GROUP BY service, path, title ORDER BY service, min(number);

-- name: pieces_of
-- The pieces of one file in their order; the file begins with this piece.
SELECT f.path, f.title, f.content, f.left_out FROM rights_findings AS f JOIN rights_findings AS first
    ON first.request_id = f.request_id AND first.service = f.service AND first.path = f.path
WHERE first.request_id = :request_id AND first.service = :service AND first.number = :number ORDER BY f.piece;

-- name: leave_out$
-- A file that is not given out, with the reason; or is after all, without one. How many pieces it has.
WITH changed AS (
    UPDATE rights_findings AS f SET left_out = :reason FROM rights_findings AS first
    WHERE first.request_id = :request_id AND first.service = :service AND first.number = :number
      AND f.request_id = first.request_id AND f.service = first.service AND f.path = first.path RETURNING 1
)
SELECT count(*) FROM changed;

-- name: forget_findings!
-- What was gathered is needed no more.
DELETE FROM rights_findings WHERE request_id = :request_id;

-- name: purge_requests$
-- Of requests that were over before a moment: what was gathered, and whom they were about. How many had either.
WITH old AS (
    SELECT id FROM rights_requests
    WHERE changed_at < :before AND state IN ('gathered', 'released', 'objected', 'cancelled') AND subject IS NOT NULL
    ORDER BY changed_at LIMIT :most FOR UPDATE SKIP LOCKED
), emptied AS (
    DELETE FROM rights_findings AS f USING old WHERE f.request_id = old.id
), forgotten AS (
    UPDATE rights_requests AS r SET subject = NULL FROM old WHERE r.id = old.id RETURNING 1
)
SELECT count(*) FROM forgotten;

-- name: sessions_held
-- When and with what somebody has signed in.
SELECT agent, began_at, renewed_at, ended_at FROM sessions WHERE person_id = :person_id ORDER BY began_at;

-- name: tokens_held
-- The programs that somebody has let act in their name.
SELECT name, role, writes, issued_at, expires_at, revoked_at FROM issued_tokens
WHERE person_id = :person_id ORDER BY issued_at;

-- name: contacts_held
-- Everything about these contacts.
SELECT c.*, o.name AS organisation FROM contacts AS c JOIN organisations AS o ON o.id = c.organisation_id
WHERE c.id = ANY(:ids::uuid[]) ORDER BY c.id;

-- name: erase_person^
-- What remains is that there was somebody, for the record of what they did; whoever keeps copies hears of it.
UPDATE people SET name = 'Somebody who was erased', email = '', email_key = 'erased ' || id, erased_at = :now,
    second_factor = NULL, second_factor_since = NULL, second_factor_step = NULL, version = version + 1, changed_at = :now
WHERE id = :id RETURNING *;

-- name: forget_ways_in!
-- How somebody has signed in, and could have.
WITH asked AS (DELETE FROM sign_ins WHERE person_id = :person_id), codes AS (
    DELETE FROM recovery_codes WHERE person_id = :person_id
)
DELETE FROM sessions WHERE person_id = :person_id;

-- name: forget_token_names!
-- What somebody has called their tokens.
UPDATE issued_tokens SET name = '' WHERE person_id = :person_id;

-- name: erase_contact^
-- A contact who is written to no more, and of whom nothing else remains.
UPDATE contacts SET name = 'Somebody who was erased (' || right(id::text, 8) || ')', email = NULL,
    postal_address = '{}', postcode = NULL, source = '', withdrawn_on = coalesce(withdrawn_on, greatest(listed_on, :today::date)),
    erased_at = :now, version = version + 1, changed_at = :now
WHERE id = :id AND erased_at IS NULL RETURNING *;

-- name: note_erased_address!
-- No list brings this address back by itself.
INSERT INTO erased_addresses (digest, erased_at) VALUES (:digest, :now) ON CONFLICT (digest) DO NOTHING;

-- name: may_sign_in$
-- Whether any of these may still sign in.
SELECT EXISTS (SELECT 1 FROM people WHERE id = ANY(:ids::uuid[]) AND barred_at IS NULL);

-- name: contacts_withdrawn_until
-- Contacts that were withdrawn before a day and have had their time.
SELECT id FROM contacts WHERE withdrawn_on < :before AND erased_at IS NULL
ORDER BY withdrawn_on, id LIMIT :most FOR UPDATE SKIP LOCKED;

-- name: people_barred_until
-- People who were barred before a moment and have had their time.
SELECT id FROM people WHERE barred_at < :before AND erased_at IS NULL
ORDER BY barred_at, id LIMIT :most FOR UPDATE SKIP LOCKED;
