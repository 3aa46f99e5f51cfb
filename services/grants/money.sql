-- name: award_by_id^
-- An award with what the ledger says of it, and what of it waits to be paid.
SELECT awards.application_id, awards.fund_id, awards.amount_pence, offered_at, answer_by, accepted_at, payee, invoice,
       invoice_pence, proof_seen_at, proof_wrong, coalesce(awards.exam_on, applications.exam_on) AS exam_on, paid_on,
       asked, asked_at, receipt_seen_at, waived_at, reference, state, applications.round_id, purpose,
       coalesce(applications.amount_pence, awards.amount_pence) AS wanted_pence,
       coalesce(committed_pence - released_pence - commitments.paid_pence, 0) AS open_pence,
       coalesce(commitments.paid_pence - returned_pence, 0) AS paid_pence, given_at,
       (SELECT coalesce(sum(payments.amount_pence), 0)::bigint FROM payments
        WHERE payments.application_id = awards.application_id AND payments.state = 'prepared') AS waiting_pence,
       (SELECT coalesce(sum(payments.amount_pence - payments.returned_pence), 0)::bigint FROM payments
        WHERE payments.application_id = awards.application_id AND payments.payee = 'exam_body'
            AND payments.invoice = awards.invoice AND payments.state IN ('prepared', 'paid')) AS invoice_used_pence,
       (SELECT coalesce(max(number), 0) FROM payments
        WHERE payments.application_id = awards.application_id) AS payments
FROM awards
JOIN applications ON applications.id = awards.application_id
LEFT JOIN commitments ON award_id = awards.application_id
LEFT JOIN bank_details ON bank_details.application_id = awards.application_id
WHERE awards.application_id = :application_id;

-- name: accept_award!
-- Write down that somebody has said yes.
UPDATE awards SET accepted_at = :now, version = version + 1 WHERE application_id = :application_id;

-- name: say_payee!
-- Write down to whom an award is to be paid. What was seen for another payee or another invoice says nothing of it.
UPDATE awards SET payee = :payee, invoice = :invoice, version = version + 1,
    proof_seen_at = CASE WHEN payee = :payee AND invoice = :invoice THEN proof_seen_at END,
    invoice_pence = CASE WHEN payee = :payee AND invoice = :invoice THEN invoice_pence END,
    proof_wrong = CASE WHEN payee = :payee AND invoice = :invoice THEN proof_wrong ELSE '' END
WHERE application_id = :application_id;

-- name: keep_details!
-- Enter where somebody is paid, or write it anew.
INSERT INTO bank_details (application_id, sealed, given_at) VALUES (:application_id, :sealed, :now)
ON CONFLICT (application_id) DO UPDATE SET sealed = excluded.sealed, given_at = excluded.given_at;

-- name: details_of$
-- Where somebody is paid, sealed.
SELECT sealed FROM bank_details WHERE application_id = :application_id;

-- name: drop_details!
-- Forget where these people are paid.
DELETE FROM bank_details WHERE application_id = ANY(:ids::uuid[]);

-- name: details_until
-- Forget where people are paid whose last payment was made before a moment and has not come back.
DELETE FROM bank_details WHERE application_id IN (
    SELECT bank_details.application_id FROM bank_details
    JOIN applications ON applications.id = bank_details.application_id
    WHERE applications.state NOT IN ('awarded', 'accepted') AND given_at < :before AND NOT EXISTS (
        SELECT FROM payments
        WHERE payments.application_id = applications.id AND (payments.state = 'prepared' OR settled_at >= :before)
    )
    ORDER BY 1 LIMIT :most
) RETURNING application_id;

-- name: see_proof!
-- Write down that a booking or an invoice was seen, what the invoice says, and the day of the exam where that is known.
UPDATE awards SET proof_seen_at = :now, proof_wrong = '', exam_on = coalesce(:exam_on, exam_on),
    invoice = :invoice, invoice_pence = :invoice_pence, version = version + 1
WHERE application_id = :application_id;

-- name: say_proof_wrong!
-- Write down what is wrong with a booking or an invoice; nothing once another one came.
UPDATE awards SET proof_wrong = :words, version = version + 1 WHERE application_id = :application_id;

-- name: see_receipt!
-- Write down that a receipt was seen.
UPDATE awards SET receipt_seen_at = :now, version = version + 1 WHERE application_id = :application_id;

-- name: move_exam!
-- Write down another day of an exam. It is asked about anew.
UPDATE awards SET exam_on = :exam_on, asked = 0, asked_at = NULL, version = version + 1
WHERE application_id = :application_id;

-- name: waive!
-- Write down that money is not asked back although the exam was not sat.
UPDATE awards SET waived_at = :now, version = version + 1 WHERE application_id = :application_id;

-- name: set_paid_on!
-- Write down on which day the last of an award was paid; nothing while some is to be paid.
UPDATE awards SET paid_on = :paid_on, asked = 0, asked_at = NULL, version = version + 1
WHERE application_id = :application_id;

-- name: add_award_paper!
-- Put a file to an award.
INSERT INTO award_papers (file_id, application_id, kind, added_at) VALUES (:file_id, :application_id, :kind, :now);

-- name: return_papers!
-- Write down that what there is of one kind is of no use.
UPDATE award_papers SET returned_at = :now
WHERE application_id = :application_id AND kind = :kind AND returned_at IS NULL;

-- name: papers_of_award
-- The files of an award, as they came.
SELECT file_id, kind, name, media_type, size, added_at, returned_at FROM award_papers JOIN files ON id = file_id
WHERE application_id = :application_id ORDER BY added_at, file_id;

-- name: award_paper_by_id^
-- A file of an award.
SELECT file_id, application_id, kind, name, media_type, size, digest FROM award_papers JOIN files ON id = file_id
WHERE file_id = :file_id;

-- name: remove_award_paper$
-- Take a file out of an award. Its id; nothing when it is none of this one and kind.
DELETE FROM award_papers WHERE file_id = :file_id AND application_id = :application_id AND kind = :kind
RETURNING file_id;

-- name: take_award_papers
-- Take the files of some kinds out of these awards, and all where nothing was ever paid.
DELETE FROM award_papers WHERE application_id = ANY(:ids::uuid[]) AND (kind = ANY(:kinds::text[]) OR NOT EXISTS (
    SELECT FROM payments WHERE payments.application_id = award_papers.application_id AND paid_on IS NOT NULL
)) RETURNING file_id;

-- name: enter_award_step!
-- Write down what was done about an award.
INSERT INTO award_steps (application_id, number, what, happened_at, person_id, amount_pence, day, words)
SELECT :application_id, coalesce(max(number), 0) + 1, :what, :now, :person_id, :amount_pence, :day, :words
FROM award_steps WHERE application_id = :application_id;

-- name: award_steps_of
-- What was done about an award, from the first.
SELECT what, happened_at, person_id, amount_pence, day, words FROM award_steps
WHERE application_id = :application_id ORDER BY number;

-- name: scrub_award_steps!
-- Rid what was done about these awards of its words.
UPDATE award_steps SET words = '' WHERE application_id = ANY(:ids::uuid[]);

-- name: awards_to_remind
-- Awards whose last day is near and whom nobody was told of it. They are now.
WITH near AS (
    SELECT awards.application_id FROM awards JOIN applications ON applications.id = awards.application_id
    WHERE state = 'awarded' AND answer_by BETWEEN :today AND :until AND awards.reminded_at IS NULL
    ORDER BY awards.application_id LIMIT :most FOR UPDATE OF applications, awards SKIP LOCKED
)
UPDATE awards SET reminded_at = :now FROM near WHERE awards.application_id = near.application_id
RETURNING awards.application_id, amount_pence, answer_by;

-- name: awards_unanswered
-- Awards that nobody has answered until their last day.
SELECT awards.application_id FROM awards JOIN applications ON applications.id = awards.application_id
WHERE state = 'awarded' AND answer_by < :today
ORDER BY awards.application_id LIMIT :most FOR UPDATE OF applications SKIP LOCKED;

-- name: prepare_payment!
-- Enter a payment for somebody else to make.
INSERT INTO payments (id, application_id, number, amount_pence, payee, invoice, prepared_by, prepared_at)
VALUES (:id, :application_id, :number, :amount_pence, :payee, :invoice, :by, :now);

-- name: payment_by_id^
-- A payment with the award that it is of.
SELECT payments.id, payments.application_id, number, payments.amount_pence, returned_pence, payments.payee,
       payments.invoice, payments.state, prepared_by, prepared_at, settled_by, settled_at, payments.words, payments.paid_on,
       bank_reference, filed_at, filed_by, fund_id, reference, applications.state AS application_state, round_id, purpose
FROM payments
JOIN awards ON awards.application_id = payments.application_id
JOIN applications ON applications.id = payments.application_id
WHERE payments.id = :id;

-- name: settle_payment!
-- Send a payment back to whoever prepared it, or cancel it.
UPDATE payments SET state = :state, settled_by = :by, settled_at = :now, words = :words, version = version + 1
WHERE id = :id;

-- name: cancel_waiting!
-- Cancel whatever is prepared for an award.
UPDATE payments SET state = 'cancelled', settled_by = :by, settled_at = :now, version = version + 1
WHERE application_id = :application_id AND state = 'prepared';

-- name: make_payment!
-- Write down that a payment left the bank.
UPDATE payments SET state = 'paid', settled_by = :by, settled_at = :now, paid_on = :paid_on,
    bank_reference = :bank_reference, payee_sealed = :payee_sealed, version = version + 1
WHERE id = :id;

-- name: enter_return!
-- Enter money that came back.
INSERT INTO payment_returns (id, payment_id, amount_pence, why, words, returned_on, recorded_by, recorded_at)
VALUES (:id, :payment_id, :amount_pence, :why, :words, :returned_on, :by, :now);

-- name: note_return!
-- Add to what came back of a payment.
UPDATE payments SET returned_pence = returned_pence + :pence, version = version + 1,
    state = CASE WHEN returned_pence + :pence = amount_pence THEN 'returned' ELSE state END
WHERE id = :id;

-- name: payments_of
-- The payments of an award, from the first.
SELECT id, number, amount_pence, returned_pence, payee, invoice, state, prepared_by, prepared_at, settled_by, settled_at,
       words, paid_on, bank_reference
FROM payments WHERE application_id = :application_id ORDER BY number;

-- name: returns_of
-- What came back of the payments of an award, from the first.
SELECT payment_returns.id, payment_id, payment_returns.amount_pence, why, payment_returns.words, returned_on, recorded_by,
       recorded_at
FROM payment_returns JOIN payments ON payments.id = payment_id
WHERE application_id = :application_id ORDER BY payment_returns.id;

-- name: payments_listed
-- Payments in some states, the newest first.
SELECT payments.id, payments.application_id, number, payments.amount_pence, returned_pence, payments.payee,
       payments.state, prepared_by, prepared_at, settled_at, payments.paid_on, filed_at, reference, applications.purpose,
       funds.name AS fund
FROM payments
JOIN awards ON awards.application_id = payments.application_id
JOIN applications ON applications.id = payments.application_id
JOIN funds ON funds.id = fund_id
WHERE payments.state = ANY(:states) AND (returned_pence > 0 OR NOT :came_back)
    AND (:before::uuid IS NULL OR payments.id < :before::uuid)
ORDER BY payments.id DESC LIMIT :most;

-- name: payments_counted
-- How many payments are in each state, for how much, and how much of that came back.
SELECT state, count(*) AS count, sum(amount_pence)::bigint AS pence, count(*) FILTER (WHERE returned_pence > 0) AS came_back,
       sum(returned_pence)::bigint AS returned_pence
FROM payments GROUP BY state;

-- name: awards_to_prepare
-- Accepted awards of which something is neither paid nor prepared, those that have waited longest first.
SELECT awards.application_id, awards.amount_pence, accepted_at, payee, invoice, proof_seen_at, given_at, reference,
       applications.purpose, funds.name AS fund,
       committed_pence - released_pence - paid_pence - coalesce(waiting.pence, 0) AS left_pence,
       awards.amount_pence - (paid_pence - returned_pence)
           - (committed_pence - released_pence - paid_pence) AS missing_pence,
       EXISTS (
           SELECT FROM award_papers WHERE award_papers.application_id = awards.application_id AND returned_at IS NULL
               AND kind = CASE payee WHEN 'person' THEN 'booking' WHEN 'exam_body' THEN 'invoice' END
       ) AS proof_came
FROM awards
JOIN applications ON applications.id = awards.application_id
JOIN commitments ON award_id = awards.application_id
JOIN funds ON funds.id = awards.fund_id
LEFT JOIN bank_details ON bank_details.application_id = awards.application_id
LEFT JOIN LATERAL (
    SELECT sum(payments.amount_pence)::bigint AS pence FROM payments
    WHERE payments.application_id = awards.application_id AND payments.state = 'prepared'
) AS waiting ON true
WHERE applications.state = 'accepted'
    AND (committed_pence - released_pence - paid_pence > coalesce(waiting.pence, 0)
        OR awards.amount_pence > committed_pence - released_pence - returned_pence)
    AND (:after::uuid IS NULL OR (accepted_at, awards.application_id) > (
        SELECT accepted_at, application_id FROM awards WHERE application_id = :after::uuid
    ))
ORDER BY accepted_at, awards.application_id LIMIT :most;

-- name: awards_to_report
-- Paid awards of which it is not known how the exam went, or that lack a receipt: those paid longest ago first.
SELECT awards.application_id, awards.amount_pence, paid_on, payee, asked, reference, applications.purpose,
       coalesce(awards.exam_on, applications.exam_on) AS exam_on, funds.name AS fund, result, waived_at,
       receipt_seen_at IS NOT NULL OR EXISTS (
           SELECT FROM award_papers WHERE award_papers.application_id = awards.application_id AND kind = 'receipt'
       ) AS receipt
FROM awards
JOIN applications ON applications.id = awards.application_id
JOIN funds ON funds.id = awards.fund_id
LEFT JOIN outcomes ON outcomes.application_id = awards.application_id
WHERE applications.state = 'paid'
    AND (:after::uuid IS NULL OR (coalesce(paid_on, '-infinity'), awards.application_id) > (
        SELECT coalesce(paid_on, '-infinity'), application_id FROM awards WHERE application_id = :after::uuid
    ))
ORDER BY coalesce(paid_on, '-infinity'), awards.application_id LIMIT :most;

-- name: money_waiting^
-- What waits for the officer and for a payer: how many awards and payments, and for how much.
SELECT
    count(*) FILTER (WHERE proof_came AND proof_seen_at IS NULL AND payee = 'person') AS bookings,
    count(*) FILTER (WHERE proof_came AND proof_seen_at IS NULL AND payee = 'exam_body') AS invoices,
    count(*) FILTER (WHERE left_pence > 0 OR missing_pence > 0) AS to_prepare,
    coalesce(sum(left_pence), 0)::bigint AS to_prepare_pence,
    count(*) FILTER (WHERE left_pence > 0 AND proof_seen_at IS NOT NULL AND (detailed OR payee = 'exam_body')) AS ready,
    count(*) FILTER (WHERE missing_pence > 0) AS undecided,
    (SELECT count(*) FROM applications WHERE applications.state = 'paid') AS to_report,
    (SELECT count(*) FROM outcomes JOIN awards USING (application_id) JOIN applications ON id = application_id
     WHERE result = 'not_sat' AND waived_at IS NULL AND applications.state = 'paid') AS not_sat
FROM (
    SELECT payee, proof_seen_at,
        committed_pence - released_pence - paid_pence - coalesce((
            SELECT sum(payments.amount_pence) FROM payments
            WHERE payments.application_id = awards.application_id AND payments.state = 'prepared'
        ), 0) AS left_pence,
        awards.amount_pence - (paid_pence - returned_pence)
            - (committed_pence - released_pence - paid_pence) AS missing_pence,
        EXISTS (SELECT FROM bank_details WHERE bank_details.application_id = awards.application_id) AS detailed,
        EXISTS (
            SELECT FROM award_papers WHERE award_papers.application_id = awards.application_id AND returned_at IS NULL
                AND kind = CASE payee WHEN 'person' THEN 'booking' WHEN 'exam_body' THEN 'invoice' END
        ) AS proof_came
    FROM awards
    JOIN applications ON applications.id = awards.application_id AND applications.state = 'accepted'
    JOIN commitments ON award_id = awards.application_id
) AS accepted;

-- name: payments_sent_back
-- The last payments of accepted awards that were sent back and not prepared again.
SELECT payments.id, payments.application_id, reference, payments.amount_pence, settled_at FROM payments
JOIN applications ON applications.id = payments.application_id
WHERE payments.state = 'sent_back' AND applications.state = 'accepted' AND NOT EXISTS (
    SELECT FROM payments AS later
    WHERE later.application_id = payments.application_id AND later.number > payments.number
)
ORDER BY settled_at LIMIT :most;

-- name: payments_filed
-- The next payments to people that wait to be made, were not prepared by somebody and first stood in one file for the bank,
-- or in any, with where to pay.
SELECT payments.id, payments.application_id, number, payments.amount_pence, reference, sealed FROM payments
JOIN applications ON applications.id = payments.application_id
JOIN bank_details ON bank_details.application_id = payments.application_id
WHERE payments.state = 'prepared' AND payee = 'person' AND prepared_by <> :but_by
    AND filed_in = coalesce(:filed_in::uuid, filed_in)
    AND (:after::uuid IS NULL OR payments.id > :after::uuid)
ORDER BY payments.id LIMIT :most;

-- name: file_payments^
-- Mark the payments to people that wait to be made, were not prepared by somebody and stood in no file for the bank yet.
-- How many they are, and for how much.
WITH filed AS (
    UPDATE payments SET filed_in = :id, filed_at = :now, filed_by = :by
    FROM bank_details
    WHERE bank_details.application_id = payments.application_id AND state = 'prepared' AND payee = 'person'
        AND prepared_by <> :by AND filed_in IS NULL
    RETURNING amount_pence
)
SELECT count(*) AS count, coalesce(sum(amount_pence), 0)::bigint AS pence FROM filed;

-- name: to_file^
-- The payments to people that somebody may have in a file for the bank: how many and how much stood in none yet, how many
-- and how much did, and since when and by whose taking.
SELECT count(*) FILTER (WHERE filed_at IS NULL) AS fresh,
       coalesce(sum(amount_pence) FILTER (WHERE filed_at IS NULL), 0)::bigint AS fresh_pence, count(filed_at) AS filed,
       coalesce(sum(amount_pence) FILTER (WHERE filed_at IS NOT NULL), 0)::bigint AS filed_pence,
       min(filed_at) AS first_at, (array_agg(filed_by ORDER BY filed_at) FILTER (WHERE filed_at IS NOT NULL))[1] AS first_by
FROM payments JOIN bank_details ON bank_details.application_id = payments.application_id
WHERE state = 'prepared' AND payee = 'person' AND prepared_by <> :but_by;

-- name: to_make_counted^
-- How many payments wait for somebody to make them who has not prepared them, and for how much.
SELECT count(*) AS count, coalesce(sum(amount_pence), 0)::bigint AS pence FROM payments
WHERE state = 'prepared' AND prepared_by <> :but_by;

-- name: say_outcome!
-- Write down how an exam went, or write it anew.
INSERT INTO outcomes (application_id, result, said_at, said_by) VALUES (:application_id, :result, :now, :by)
ON CONFLICT (application_id) DO UPDATE SET result = excluded.result, said_at = excluded.said_at,
    said_by = excluded.said_by;

-- name: say_post!
-- Write down whether somebody works in their profession.
UPDATE outcomes SET in_post = :in_post, in_post_at = :now WHERE application_id = :application_id;

-- name: outcome_of^
-- How an exam went.
SELECT result, said_at, said_by, in_post, in_post_at FROM outcomes WHERE application_id = :application_id;

-- name: drop_outcome!
-- An exam that was said not to have been sat is still to come.
DELETE FROM outcomes WHERE application_id = :application_id;

-- name: awards_to_ask
-- Paid awards whose exam is over and about which we ask now: how often we have asked before.
WITH due AS (
    SELECT awards.application_id FROM awards JOIN applications ON applications.id = awards.application_id
    WHERE state = 'paid' AND asked < :times AND (asked_at IS NULL OR asked_at <= :again)
        AND greatest(coalesce(awards.exam_on, applications.exam_on, paid_on + :days::integer), paid_on) < :today
        AND NOT EXISTS (
            SELECT FROM outcomes WHERE outcomes.application_id = awards.application_id AND result = 'not_sat'
        )
    ORDER BY awards.application_id LIMIT :most FOR UPDATE OF applications, awards SKIP LOCKED
)
UPDATE awards SET asked = asked + 1, asked_at = :now FROM due WHERE awards.application_id = due.application_id
RETURNING awards.application_id, asked - 1 AS asked_before;

-- name: posts_to_ask
-- Awards at their end whose exam was passed, and of whom it is not known that they work in their profession since a
-- moment: they are asked now, once.
WITH due AS (
    SELECT outcomes.application_id FROM outcomes JOIN applications ON applications.id = outcomes.application_id
    WHERE applications.state = 'reported' AND result = 'passed' AND in_post IS NOT TRUE AND post_asked_at IS NULL
        AND greatest(said_at, in_post_at) <= :before
    ORDER BY outcomes.application_id LIMIT :most FOR UPDATE OF applications, outcomes SKIP LOCKED
)
UPDATE outcomes SET post_asked_at = :now FROM due WHERE outcomes.application_id = due.application_id
RETURNING outcomes.application_id;

-- name: touch_application!
-- What belongs to an application has changed.
UPDATE applications SET version = version + 1, changed_at = :now WHERE id = :id;

-- name: awards_until
-- Awards that were last paid, or offered, before a moment and still say to whom.
SELECT awards.application_id FROM awards JOIN applications ON applications.id = awards.application_id
WHERE coalesce((SELECT max(settled_at) FROM payments WHERE payments.application_id = awards.application_id), offered_at)
        < :before
    AND ((scrubbed_at IS NULL AND state IN ('awarded', 'accepted', 'paid', 'reported')) OR EXISTS (
        SELECT FROM payments WHERE payments.application_id = awards.application_id AND payee_sealed IS NOT NULL
    ))
ORDER BY awards.application_id LIMIT :most FOR UPDATE OF applications SKIP LOCKED;

-- name: scrub_payments!
-- Rid the payments of these awards of whom they were paid to.
UPDATE payments SET payee_sealed = NULL, words = '', invoice = '' WHERE application_id = ANY(:ids::uuid[]);

-- name: scrub_returns!
-- Rid what came back of these awards of its words.
UPDATE payment_returns SET words = '' FROM payments
WHERE payments.id = payment_id AND application_id = ANY(:ids::uuid[]);

-- name: scrub_awards!
-- Rid these awards of what the body that holds the exam wrote about somebody.
UPDATE awards SET invoice = '', invoice_pence = NULL, proof_wrong = '', exam_on = NULL WHERE application_id = ANY(:ids::uuid[]);

-- name: money_counted^
-- What is open of awards of these applications.
SELECT count(*) FILTER (WHERE state IN ('accepted')) AS accepted, count(*) FILTER (WHERE EXISTS (
    SELECT FROM payments WHERE payments.application_id = awards.application_id AND payments.state = 'prepared'
)) AS waiting
FROM awards JOIN applications ON applications.id = awards.application_id
WHERE awards.application_id = ANY(:ids::uuid[]);

-- name: have_payments
-- Which of these applications money was ever paid for.
SELECT DISTINCT application_id FROM payments WHERE application_id = ANY(:ids::uuid[]) AND paid_on IS NOT NULL;
