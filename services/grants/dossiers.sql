-- name: application_told^
-- An application by its reference, with what its panel was given to read; nothing in it says who applied.
SELECT applications.id, applications.reference, applications.state, applications.profession, applications.purpose,
       applications.amount_pence, applications.exam_on, applications.submitted_at, applications.round_id,
       rounds.name AS round, rounds.quorum, rounds.needs_peer, rounds.needs_funder, rounds.fund_id,
       funds.name AS fund, cases.label, cases.words, cases.papers, cases.handed_at, cases.handed_by,
       awards.amount_pence AS awarded_pence, awards.offered_at, awards.answer_by, awards.accepted_at
FROM applications
JOIN rounds ON rounds.id = applications.round_id
JOIN funds ON funds.id = rounds.fund_id
LEFT JOIN cases ON cases.application_id = applications.id
LEFT JOIN awards ON awards.application_id = applications.id
WHERE applications.id = :application_id;

-- name: conflicts_told
-- Who was, or might have been, too close to whoever applied, and what was said of it.
SELECT person_id, source, tie, state, words, noticed_at, settled_at, settled_by FROM conflicts
WHERE application_id = :application_id ORDER BY noticed_at, person_id, source;

-- name: scores_told
-- What each member gave, criterion by criterion, and whether the application was kept from them. Their comments as the
-- others could read them: what was written at first may name whoever applied.
SELECT reviews.person_id, coalesce(reviews.shown, '') AS comment, reviews.submitted_at, scores.criterion_id, scores.score,
       EXISTS (
           SELECT FROM removals
           WHERE removals.application_id = reviews.application_id AND removals.person_id = reviews.person_id
       ) AS kept_from
FROM reviews
LEFT JOIN scores ON scores.application_id = reviews.application_id AND scores.person_id = reviews.person_id
LEFT JOIN criteria ON criteria.id = scores.criterion_id
WHERE reviews.application_id = :application_id ORDER BY reviews.person_id, criteria.number;

-- name: decisions_told
-- What was decided, in order, each with what the applicant was told and why it is another one than before.
SELECT decisions.id, number, meeting_id, kind, amount_pence, present, stepped_out, acquainted, basis, decided_by,
       decided_at, reasons.words AS reason, reasons.why_changed
FROM decisions LEFT JOIN reasons ON reasons.decision_id = decisions.id
WHERE application_id = :application_id ORDER BY number;

-- name: upheld_told
-- Why decisions stand although somebody had a part in them who came out to be too close.
SELECT decision_id, upheld.person_id, upheld.words, said_by, said_at
FROM upheld JOIN decisions ON decisions.id = decision_id
WHERE application_id = :application_id ORDER BY number, upheld.person_id;

-- name: money_told
-- Every step of the ledger for an award.
SELECT number, kind, amount_pence, cause_id, happened_on, recorded_at, person_id FROM ledger
WHERE award_id = :application_id ORDER BY number;

-- name: payments_told
-- Every payment of an award, with who prepared and who made it. Not whom it went to by name.
SELECT id, number, amount_pence, returned_pence, payee, state, prepared_by, prepared_at, settled_by, settled_at, paid_on
FROM payments WHERE application_id = :application_id ORDER BY number;

-- name: digests_noted
-- When which dossiers of an application were made, the newest first.
SELECT at, person_id, after ->> 'sha256' AS digest FROM audit
WHERE action = 'dossier_made' AND object = :application_id ORDER BY number DESC LIMIT :most;

-- name: digest_noted^
-- When a dossier of an application with this digest was made last.
SELECT at, person_id FROM audit
WHERE action = 'dossier_made' AND object = :application_id AND after ->> 'sha256' = :digest
ORDER BY number DESC LIMIT 1;
