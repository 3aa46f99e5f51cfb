-- name: begun_lately$
-- How often somebody has begun to apply since a moment, with one address or from one computer.
SELECT greatest(
    (SELECT count(*) FROM applicants JOIN applications ON id = application_id
     WHERE email_digest = :email_digest AND begun_at > :since) * :most_from / :most_for,
    (SELECT count(*) FROM applications WHERE begun_from = :begun_from AND begun_at > :since)
);

-- name: begin_application!
-- Enter an empty draft.
INSERT INTO applications (
    id, round_id, reference, link_digest, browser_digest, begun_from, begun_at, link_sent_at, changed_at
) VALUES (:id, :round_id, :reference, :link_digest, :browser_digest, :begun_from, :now, :now, :now);

-- name: keep_applicant!
-- Enter who applies, or write it anew.
INSERT INTO applicants (application_id, sealed, email_digest, name_digest, telephone_digest, person_digest)
VALUES (:application_id, :sealed, :email_digest, :name_digest, :telephone_digest, :person_digest)
ON CONFLICT (application_id) DO UPDATE SET sealed = excluded.sealed, email_digest = excluded.email_digest,
    name_digest = excluded.name_digest, telephone_digest = excluded.telephone_digest,
    person_digest = excluded.person_digest;

-- name: applicant$
-- Who applies, sealed; nothing once they are forgotten.
SELECT sealed FROM applicants WHERE application_id = :application_id;

-- name: application_by_link^
-- What a link leads to, and whether it is the one that was mailed.
SELECT id, round_id, link_digest = :digest AS mailed FROM applications
WHERE link_digest = :digest OR browser_digest = :digest;

-- name: application_by_id^
-- An application.
SELECT id, round_id, reference, state, link_number, profession, qualified_abroad, area, purpose, amount_pence, exam_on,
       exam_passed, status_met, words, begun_at, link_sent_at, submitted_at, scrubbed_at, version
FROM applications WHERE id = :id;

-- name: lock_application^
-- An application that nobody else changes until this transaction has ended.
SELECT id, round_id, reference, state, link_number, profession, qualified_abroad, area, purpose, amount_pence, exam_on,
       exam_passed, status_met, words, begun_at, link_sent_at, submitted_at, scrubbed_at, version
FROM applications WHERE id = :id FOR UPDATE;

-- name: hold_round^
-- A round that stays as it is until this transaction has ended.
SELECT id, fund_id, name, state, opens_on, closes_on, meets_on, most_pence, professions, purposes, eligibility, quorum,
       needs_peer, needs_funder, help_name, help_telephone, opened_at, closed_at, version
FROM rounds WHERE id = :id FOR SHARE;

-- name: save_application$
-- Write anew what is asked for. Its version after that.
UPDATE applications SET profession = :profession, qualified_abroad = :qualified_abroad, area = :area,
    purpose = :purpose, amount_pence = :amount_pence, exam_on = :exam_on, exam_passed = :exam_passed,
    status_met = :status_met, words = :words, version = version + 1, changed_at = :now
WHERE id = :id RETURNING version;

-- name: end_browser_link!
-- From now on only the link that was mailed leads there.
UPDATE applications SET browser_digest = NULL WHERE id = :id;

-- name: renew_links$
-- Let new links lead there, and no older ones. Its version after that.
UPDATE applications SET link_number = :number, link_digest = :link_digest, browser_digest = :browser_digest,
    link_sent_at = :now, version = version + 1, changed_at = :now
WHERE id = :id RETURNING version;

-- name: links_asked_for
-- The applications of an address in a round whose link was not mailed since a moment. It is mailed now.
UPDATE applications SET link_sent_at = :now, version = version + 1
FROM applicants
WHERE application_id = id AND round_id = :round_id AND email_digest = :email_digest AND link_digest IS NOT NULL
    AND link_sent_at <= :before
RETURNING id;

-- name: move_application$
-- Move an application on. Its version after that.
UPDATE applications SET state = :state, version = version + 1, changed_at = :now,
    submitted_at = CASE :state WHEN 'submitted' THEN :now ELSE submitted_at END,
    begun_from = NULL
WHERE id = :id RETURNING version;

-- name: enter_steps!
-- Write down what these applications have come to.
INSERT INTO application_steps (application_id, number, state, happened_at, person_id, rule, words)
SELECT id, coalesce(last.number, 0) + 1, :state, :now, :person_id, :rule, :words
FROM unnest(:ids::uuid[]) AS moved (id)
LEFT JOIN LATERAL (
    SELECT max(number) AS number FROM application_steps WHERE application_id = moved.id
) AS last ON true;

-- name: steps_of
-- What an application has come to, from the first.
SELECT number, state, happened_at, person_id, rule, words FROM application_steps
WHERE application_id = :application_id ORDER BY number;

-- name: add_evidence!
-- Put a file to an application.
INSERT INTO evidence (file_id, application_id, added_at) VALUES (:file_id, :application_id, :now);

-- name: evidence_of
-- The files of an application, as they came.
SELECT file_id, name, media_type, size, added_at FROM evidence JOIN files ON id = file_id
WHERE application_id = :application_id ORDER BY added_at, file_id;

-- name: evidence_by_id^
-- A file of an application.
SELECT file_id, application_id, name, media_type, size, digest FROM evidence JOIN files ON id = file_id
WHERE file_id = :file_id;

-- name: remove_evidence$
-- Take a file out of an application. Its id; nothing when it is none of this one.
DELETE FROM evidence WHERE file_id = :file_id AND application_id = :application_id RETURNING file_id;

-- name: take_evidence
-- Take all files out of these applications.
DELETE FROM evidence WHERE application_id = ANY(:ids::uuid[]) RETURNING file_id;

-- name: drafts_to_remind
-- Drafts whose last day is near and whose writers were not told yet. They are now.
WITH near AS (
    SELECT applications.id FROM applications JOIN rounds ON rounds.id = round_id
    WHERE applications.state = 'draft' AND rounds.state = 'open' AND closes_on BETWEEN :today AND :until
        AND reminded_at IS NULL AND link_sent_at < :before
    ORDER BY applications.id LIMIT :most FOR UPDATE OF applications SKIP LOCKED
)
UPDATE applications SET reminded_at = :now, version = version + 1 FROM near WHERE applications.id = near.id
RETURNING applications.id;

-- name: lapse
-- End what was not sent in time: drafts of rounds that take no more, and returned ones once the panel meets.
WITH late AS (
    SELECT applications.id FROM applications JOIN rounds ON rounds.id = round_id
    WHERE (applications.state = 'draft' AND (rounds.state <> 'open' OR closes_on < :today))
        OR (applications.state = 'returned' AND meets_on <= :today)
    ORDER BY applications.id LIMIT :most FOR UPDATE OF applications SKIP LOCKED
)
UPDATE applications SET state = 'lapsed', version = version + 1, changed_at = :now FROM late
WHERE applications.id = late.id RETURNING applications.id;

-- name: applications_listed
-- The applications of a round in some states, in the order in which they were sent.
SELECT id, reference, state, profession, purpose, amount_pence, exam_on, submitted_at, sealed,
       (SELECT count(*) FROM evidence WHERE evidence.application_id = id) AS files,
       EXISTS (
           SELECT FROM applicants AS other JOIN applications AS theirs ON theirs.id = other.application_id
           WHERE theirs.round_id = :round_id AND theirs.id <> applications.id AND theirs.submitted_at IS NOT NULL
               AND (other.email_digest = applicants.email_digest OR other.name_digest = applicants.name_digest
                   OR other.telephone_digest = applicants.telephone_digest
                   OR other.person_digest = applicants.person_digest)
       ) AS alike
FROM applications LEFT JOIN applicants ON application_id = id
WHERE round_id = :round_id AND state = ANY(:states) AND submitted_at IS NOT NULL
    AND (:after::uuid IS NULL OR (submitted_at, id) > (SELECT submitted_at, id FROM applications WHERE id = :after))
ORDER BY submitted_at, id LIMIT :most;

-- name: applications_counted
-- How many applications of a round are in each state, and what they ask for. Drafts that nobody sent before the round
-- closed are in none.
SELECT state, count(*) AS count, coalesce(sum(amount_pence), 0)::bigint AS asked_pence
FROM applications WHERE round_id = :round_id AND (submitted_at IS NOT NULL OR state = 'draft') GROUP BY state;

-- name: applications_alike
-- Other applications that were sent by the same person, or perhaps by them, the latest first.
SELECT applications.id, reference, applications.state, round_id, rounds.name AS round, purpose, amount_pence,
       submitted_at,
       coalesce(other.email_digest = own.email_digest, false) AS same_email,
       coalesce(other.name_digest = own.name_digest, false) AS same_name,
       coalesce(other.telephone_digest = own.telephone_digest, false) AS same_telephone,
       coalesce(other.person_digest = own.person_digest, false) AS same_person
FROM applicants AS own
JOIN applicants AS other ON other.application_id <> own.application_id
    AND (other.email_digest = own.email_digest OR other.name_digest = own.name_digest
        OR other.telephone_digest = own.telephone_digest OR other.person_digest = own.person_digest)
JOIN applications ON applications.id = other.application_id
JOIN rounds ON rounds.id = round_id
WHERE own.application_id = :id AND submitted_at IS NOT NULL
ORDER BY submitted_at DESC, applications.id LIMIT :most;

-- name: is_registered$
-- Whether the reference that somebody gave is one under which somebody is registered; nothing where they gave none.
SELECT EXISTS (SELECT FROM registrations WHERE person = person_digest) FROM applicants
WHERE application_id = :id AND person_digest IS NOT NULL;

-- name: applications_to_check
-- In how many rounds applications wait to be checked, and how many.
SELECT round_id, rounds.name, count(*) AS count, min(submitted_at) AS since
FROM applications JOIN rounds ON rounds.id = round_id
WHERE applications.state = 'submitted' GROUP BY round_id, rounds.name ORDER BY since LIMIT :most;

-- name: applications_by
-- Every application of some people.
SELECT applications.id, round_id, rounds.name AS round, reference, applications.state, profession, qualified_abroad,
       area, purpose, amount_pence, exam_on, exam_passed, status_met, words, begun_at, submitted_at, sealed
FROM applicants JOIN applications ON applications.id = application_id JOIN rounds ON rounds.id = round_id
WHERE email_digest = ANY(:emails::bytea[]) OR person_digest = ANY(:people::bytea[])
ORDER BY begun_at, applications.id;

-- name: forget_applicants!
-- Forget who has sent these applications.
DELETE FROM applicants WHERE application_id = ANY(:ids::uuid[]);

-- name: scrub_applications!
-- Rid applications of what could tell who has sent them. What was asked for stays, for the figures.
UPDATE applications SET words = '', area = NULL, qualified_abroad = NULL, exam_on = NULL, exam_passed = NULL,
    status_met = NULL, begun_from = NULL, link_digest = NULL, browser_digest = NULL, scrubbed_at = :now,
    version = version + 1, changed_at = :now
WHERE id = ANY(:ids::uuid[]);

-- name: scrub_steps!
-- Rid what these applicants were told of its words.
UPDATE application_steps SET words = '' WHERE application_id = ANY(:ids::uuid[]);

-- name: drop_applications!
-- Delete applications that were never sent.
DELETE FROM applications WHERE id = ANY(:ids::uuid[]) AND submitted_at IS NULL;

-- name: unsent_until
-- What was begun and not sent in rounds that closed before a day.
SELECT applications.id FROM applications JOIN rounds ON rounds.id = round_id
WHERE submitted_at IS NULL AND closes_on < :before
ORDER BY applications.id LIMIT :most FOR UPDATE OF applications SKIP LOCKED;

-- name: unawarded_until
-- What came to nothing, or to no end, in rounds that closed before a day, and still says who it was.
SELECT applications.id FROM applications JOIN rounds ON rounds.id = round_id
WHERE submitted_at IS NOT NULL AND scrubbed_at IS NULL AND closes_on < :before
    AND applications.state NOT IN ('awarded', 'accepted', 'paid', 'reported')
ORDER BY applications.id LIMIT :most FOR UPDATE OF applications SKIP LOCKED;

-- name: applications_sent^
-- How many applications were sent in all rounds, and what they ask for.
SELECT count(*) AS count, coalesce(sum(amount_pence), 0)::bigint AS asked_pence
FROM applications WHERE submitted_at IS NOT NULL;
