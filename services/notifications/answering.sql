-- name: addresses_of_contacts
-- What may be stopped of each of these contacts: their addresses, and the ids of their body, with those of the entries
-- that were merged into it.
SELECT c.id, c.name, c.email, c.postal_address, c.postcode, b.id AS organisation_id,
       ARRAY(SELECT m.id FROM organisations m WHERE m.merged_into = b.id) || b.id AS bodies
FROM contacts c
LEFT JOIN organisations o ON o.id = c.organisation_id
CROSS JOIN LATERAL (SELECT coalesce(o.merged_into, o.id, c.organisation_id) AS id) b
WHERE c.id = ANY (:ids::uuid[]);

-- name: stops_among
-- Every stop that stands and has one of these digests.
SELECT s.id, s.scope, d.digest FROM stops s CROSS JOIN LATERAL unnest(s.digests) AS d (digest)
WHERE s.lifted_at IS NULL AND s.digests && :digests::bytea[] AND d.digest = ANY (:digests::bytea[]);

-- name: enter_stop!
-- Somebody wants no letter any more.
INSERT INTO stops (id, scope, digests, way, letter_id, contact_id, organisation_id, stopped_at)
VALUES (:id, :scope, :digests, :way, :letter_id, :contact_id, :organisation_id, :now);

-- name: set_aside_stopped$
-- What is not sent yet to these contacts does not go, with a line in the history of each letter. How many. What is being
-- claimed at this moment is waited for.
WITH theirs AS (
    SELECT id FROM letters WHERE contact_id = ANY (:contacts::uuid[]) AND state IN ('draft', 'ready')
    ORDER BY id FOR UPDATE
), stopped AS (
    UPDATE letters l SET
        state = 'blocked', reason = 'stopped', failure = :failure, cure = :cure, changed_at = :now, version = l.version + 1
    FROM theirs WHERE l.id = theirs.id RETURNING l.id
), noted AS (
    INSERT INTO letter_history (letter_id, at, what, who, person_id)
    SELECT id, :now, 'Set aside: they want no letter any more', :who, :person_id::uuid FROM stopped
)
SELECT count(*) FROM stopped;

-- name: contacts_at_address
-- Everybody in the address book who is reached at one of these addresses: by e-mail, or by name at a postcode.
SELECT id FROM contacts
WHERE name IS NOT NULL AND (
    lower(email) = lower(:email::text) OR (lower(name), lower(postcode)) = (lower(:name::text), lower(:postcode::text))
);

-- name: contacts_at_bodies
-- Everybody in the address book at one of these bodies.
SELECT id FROM contacts WHERE organisation_id = ANY (:bodies::uuid[]);

-- name: lock_stop^
-- One stop, for whoever lifts it.
SELECT * FROM stops WHERE id = :id FOR UPDATE;

-- name: lift_stop!
-- They may be written to again.
UPDATE stops SET lifted_at = :now, lifted_by = :by, lifted_because = :because WHERE id = :id;

-- name: stops_of_letter
-- Who was stopped by way of a letter, the newest first.
SELECT id, scope, way, stopped_at, lifted_at FROM stops WHERE letter_id = :letter_id ORDER BY stopped_at DESC, id DESC;

-- name: stops
-- A page of all stops, the newest first, with whom they are about as far as we still know it.
SELECT s.id, s.scope, s.way, s.letter_id, s.stopped_at, s.lifted_at, s.lifted_by, s.lifted_because, c.name, c.role,
       coalesce(o.name, l.body_name) AS body_name, l.reference
FROM stops s
LEFT JOIN letters l ON l.id = s.letter_id
LEFT JOIN contacts c ON c.id = s.contact_id
LEFT JOIN organisations o ON o.id = s.organisation_id
WHERE (:before::timestamptz IS NULL OR (s.stopped_at, s.id) < (:before::timestamptz, :before_id::uuid))
ORDER BY s.stopped_at DESC, s.id DESC LIMIT :most;

-- name: stops_held
-- What was stopped for these contacts.
SELECT scope, way, stopped_at, lifted_at, lifted_because FROM stops
WHERE contact_id = ANY (:ids::uuid[]) ORDER BY stopped_at, id;

-- name: forget_why_lifted!
-- What we wrote about these contacts when we lifted a stop. The stop itself stays, whoever is forgotten.
UPDATE stops SET lifted_because = '' WHERE contact_id = ANY (:ids::uuid[]) AND lifted_because <> '';

-- name: set_aside_letter!
-- A letter that was about to be sent does not go.
UPDATE letters SET
    state = 'blocked', claimed_at = NULL, reason = :reason, failure = :failure, cure = :cure, changed_at = :now,
    version = version + 1
WHERE id = :id;

-- name: answers_standing
-- What was said about a letter and not corrected, in the order in which it came; and which of it counts as money.
SELECT id, kind, pledge_pence, confirmed_at IS NOT NULL AND written_back_pence < pledge_pence AS counted FROM answers WHERE letter_id = :letter_id AND corrected_at IS NULL ORDER BY at, id;

-- name: pledges_confirmed
-- What was pledged for a letter, confirmed, and still counts; the newest first.
SELECT id, pledge_pence FROM answers
WHERE letter_id = :letter_id AND confirmed_at IS NOT NULL AND corrected_at IS NULL AND written_back_pence < pledge_pence
ORDER BY at DESC, id DESC;

-- name: correct_answer!
-- A wrong entry, or a pledge that another one has replaced, counts no more.
UPDATE answers SET corrected_at = :now, corrected_by = :by WHERE id = :id;

-- name: enter_suggestion!
-- Somebody to whom a letter was passed on.
INSERT INTO suggestions (id, answer_id, letter_id, name, role, email, made_at)
VALUES (:id, :answer_id, :letter_id, :name, :role, :email, :now);

-- name: is_suggested$
-- Whether a letter was passed on to this address before, and that waits for us or has led to a letter.
SELECT EXISTS (
    SELECT FROM suggestions s LEFT JOIN letters n ON n.id = s.new_letter_id LEFT JOIN contacts c ON c.id = n.contact_id
    WHERE s.letter_id = :letter_id AND (s.settled_at IS NULL OR s.new_letter_id IS NOT NULL)
      AND lower(:email::text) IN (lower(s.email), lower(c.email))
);

-- name: suggestions_of_letter
-- To whom a letter was passed on, the newest first, and the letter that each of them got.
SELECT s.id, s.answer_id, s.name, s.role, s.email, s.made_at, s.settled_at, s.new_letter_id, n.reference AS new_reference
FROM suggestions s LEFT JOIN letters n ON n.id = s.new_letter_id
WHERE s.letter_id = :letter_id ORDER BY s.made_at DESC, s.id DESC;

-- name: passed_on_from^
-- The letter from which this one was passed on.
SELECT l.id, l.reference, l.frozen #>> '{values,contact_name}' AS contact_name
FROM suggestions s JOIN letters l ON l.id = s.letter_id WHERE s.new_letter_id = :letter_id LIMIT 1;

-- name: lock_suggestion^
-- One suggestion, for whoever settles it.
SELECT * FROM suggestions WHERE id = :id FOR UPDATE;

-- name: settle_suggestion!
-- A member of staff has seen to it; the address book knows them now, or never will.
UPDATE suggestions SET
    name = '', role = '', email = '', settled_at = :now, new_letter_id = :new_letter_id
WHERE id = :id;

-- name: drop_suggestion_of!
-- The answer that passed a letter on was a wrong entry.
UPDATE suggestions SET name = '', role = '', email = '', settled_at = :now
WHERE answer_id = :answer_id AND settled_at IS NULL;

-- name: contact_to_write_to^
-- Somebody in the address book, as a letter needs them.
SELECT id, organisation_id, role, channel, name, email, postal_address, postcode, source, withdrawn_on
FROM contacts WHERE id = :id;

-- name: letter_of_contact$
-- The letter of a campaign to somebody.
SELECT id FROM letters WHERE campaign_id = :campaign_id AND contact_id = :contact_id;

-- name: copy_letter!
-- The same letter to somebody else, with a link of its own; what it asks for, and why, stays as it was.
INSERT INTO letters (
    id, campaign_id, organisation_id, contact_id, number, reference, role, channel, body_name, areas, state, ask_pence,
    count, evidence_on, evidence_source, formula_version, frozen, token_digest, message_id, dated, next_try, reason,
    failure, cure, changed_at
)
SELECT :id, l.campaign_id, l.organisation_id, :contact_id, m.number, 'C' || c.number || '-' || lpad(m.number::text, 3, '0'),
       :role, :channel, l.body_name, l.areas, :state, l.ask_pence, l.count, l.evidence_on, l.evidence_source, l.formula_version,
       l.frozen || :says::jsonb || jsonb_build_object('values', (l.frozen -> 'values') || :values::jsonb),
       decode(:token_digest, 'hex'), :message_id, :dated, :now, :reason, :failure, :cure, :now
FROM letters l JOIN campaigns c ON c.id = l.campaign_id
CROSS JOIN LATERAL (
    SELECT greatest(max(k.number) + 1, 1) AS number FROM letters k WHERE k.campaign_id = l.campaign_id
) m
WHERE l.id = :from_id;

-- name: go_on_sending!
-- A campaign that was sent has another letter.
UPDATE campaigns SET state = 'sending', version = version + 1 WHERE id = :id AND state = 'sent';

-- name: suggestions_held
-- Where somebody was suggested to us, by their address or their name; still waiting.
SELECT s.name, s.role, s.email, s.made_at, l.reference FROM suggestions s JOIN letters l ON l.id = s.letter_id
WHERE s.id = ANY (:ids::uuid[]) OR lower(s.email) = ANY (:emails::text[]) OR lower(s.name) = ANY (:names::text[])
ORDER BY s.made_at, s.id;

-- name: forget_suggestions$
-- Keep no longer who was suggested. How many.
WITH forgotten AS (
    UPDATE suggestions SET name = '', role = '', email = '', settled_at = coalesce(settled_at, :now)
    WHERE (id = ANY (:ids::uuid[]) OR lower(email) = ANY (:emails::text[]) OR letter_id = ANY (:letters::uuid[]))
        AND (name, role, email) <> ('', '', '') RETURNING 1
)
SELECT count(*) FROM forgotten;

-- name: forget_answers_by_name$
-- Take these names out of answers to letters that were for others: at the bodies where they are known, or everywhere
-- where they are known at none. How many.
WITH forgotten AS (
    UPDATE answers a SET name = :gone, position = '' FROM letters l
    WHERE l.id = a.letter_id AND lower(a.name) = ANY (:names::text[]) AND NOT a.letter_id = ANY (:letters::uuid[])
      AND (l.organisation_id IN (SELECT c.organisation_id FROM contacts c WHERE c.id = ANY (:ids::uuid[]))
           OR NOT EXISTS (SELECT FROM contacts c WHERE c.id = ANY (:ids::uuid[])))
    RETURNING 1
)
SELECT count(*) FROM forgotten;
