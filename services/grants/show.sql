-- name: published_grants
-- What everybody may read of awards: accepted, not given up or sent back in full, of a round whose decisions are
-- published and of which at least so many can be shown. Of the application its exam, and nothing of who applied.
WITH given AS (
    SELECT rounds.id AS round_id, rounds.name AS round, funds.name AS fund, awards.published_as, awards.amount_pence,
           awards.offered_at, applications.purpose, count(*) OVER (PARTITION BY rounds.id) AS of_round
    FROM awards
    JOIN applications ON applications.id = awards.application_id
    JOIN rounds ON rounds.id = applications.round_id
    JOIN funds ON funds.id = awards.fund_id
    JOIN commitments ON commitments.award_id = awards.application_id
    WHERE rounds.state = 'published' AND awards.accepted_at IS NOT NULL
        AND applications.state IN ('accepted', 'paid', 'reported')
        AND commitments.committed_pence - commitments.released_pence - commitments.returned_pence > 0
)
SELECT round_id, round, fund, published_as, amount_pence, offered_at, purpose FROM given
WHERE of_round >= :least ORDER BY published_as;

-- name: published_last$
-- When anything last happened to an award of a round whose decisions are published.
SELECT max(greatest(awards.offered_at, awards.accepted_at, entered.recorded_at))
FROM awards
JOIN applications ON applications.id = awards.application_id
JOIN rounds ON rounds.id = applications.round_id
LEFT JOIN LATERAL (
    SELECT max(ledger.recorded_at) AS recorded_at FROM ledger WHERE ledger.award_id = awards.application_id
) AS entered ON true
WHERE rounds.state = 'published';

-- name: money_of_period^
-- What came into a fund and left it from one day to another, and what was at the bank at the end.
SELECT coalesce(sum(amount_pence) FILTER (WHERE kind = 'received' AND happened_on >= :first), 0)::bigint AS received_pence,
       coalesce(sum(amount_pence) FILTER (WHERE kind = 'refunded' AND happened_on >= :first), 0)::bigint AS refunded_pence,
       coalesce(sum(amount_pence) FILTER (WHERE kind = 'paid' AND happened_on >= :first), 0)::bigint AS paid_pence,
       coalesce(sum(amount_pence) FILTER (WHERE kind = 'returned' AND happened_on >= :first), 0)::bigint AS returned_pence,
       coalesce(sum(CASE kind WHEN 'received' THEN amount_pence WHEN 'returned' THEN amount_pence
                              WHEN 'refunded' THEN -amount_pence WHEN 'paid' THEN -amount_pence END), 0)::bigint
           AS left_pence
FROM ledger WHERE fund_id = :fund_id AND happened_on <= :last;

-- name: awarded_of_period^
-- What was awarded from a fund between two moments, as published, and what of that is not paid, or is paid and stays so.
SELECT coalesce(sum(awards.amount_pence), 0)::bigint AS awarded_pence,
       coalesce(sum(commitments.committed_pence - commitments.released_pence - commitments.paid_pence), 0)::bigint
           AS open_pence,
       coalesce(sum(commitments.paid_pence - commitments.returned_pence), 0)::bigint AS spent_pence
FROM awards LEFT JOIN commitments ON commitments.award_id = awards.application_id
WHERE awards.fund_id = :fund_id AND offered_at >= :since AND offered_at < :until;

-- name: applications_of_period
-- How many applications for money of a fund were sent between two moments, by profession, exam and what became of them,
-- and how much those were awarded.
SELECT coalesce(profession, '') AS profession, coalesce(purpose, '') AS purpose,
       CASE WHEN awards.application_id IS NOT NULL THEN 'awarded'
            WHEN applications.state IN ('declined', 'ineligible') THEN 'declined'
            ELSE 'open' END AS fate,
       count(*) AS count, coalesce(sum(awards.amount_pence), 0)::bigint AS awarded_pence
FROM applications
JOIN rounds ON rounds.id = applications.round_id
LEFT JOIN awards ON awards.application_id = applications.id
WHERE rounds.fund_id = :fund_id AND applications.state <> 'draft'
    AND submitted_at >= :since AND submitted_at < :until
GROUP BY 1, 2, 3;

-- name: outcomes_of_period^
-- How the exams went that were paid for from a fund, and who works in their profession: each as they said last, where that
-- was between two moments.
SELECT count(*) FILTER (WHERE heard AND result = 'passed') AS passed,
       count(*) FILTER (WHERE heard AND result = 'not_passed') AS not_passed,
       count(*) FILTER (WHERE heard AND result = 'not_sat') AS not_sat,
       count(*) FILTER (WHERE in_post AND in_post_at >= :since AND in_post_at < :until) AS in_post
FROM (
    SELECT result, in_post, in_post_at, said_at >= :since AND said_at < :until AS heard
    FROM outcomes JOIN awards USING (application_id) WHERE awards.fund_id = :fund_id
) AS outcomes;

-- name: conflicts_of_period$
-- How many conflicts of interest were settled between two moments in the rounds of a fund.
SELECT count(*) FROM conflicts
JOIN applications ON applications.id = conflicts.application_id
JOIN rounds ON rounds.id = applications.round_id
WHERE rounds.fund_id = :fund_id AND settled_at >= :since AND settled_at < :until;

-- name: hear_of_letter!
-- Keep that a letter was sent which asks for money, or that it was answered.
INSERT INTO letters_heard AS known (letter_id, organisation_id, asked, answered, heard_at)
VALUES (:letter_id, :organisation_id, :asked, :answered, :now)
ON CONFLICT (letter_id) DO UPDATE SET asked = known.asked OR excluded.asked,
    answered = known.answered OR excluded.answered, heard_at = excluded.heard_at;

-- name: hear_of_result!
-- Keep what came of something, unless something newer is known.
INSERT INTO results_heard AS known (kind, id, counts, epoch, version, heard_at)
VALUES (:kind, :id, :counts, :epoch, :version, :now)
ON CONFLICT (kind, id) DO UPDATE SET counts = excluded.counts, epoch = excluded.epoch, version = excluded.version,
    heard_at = excluded.heard_at
WHERE (known.epoch, known.version) < (excluded.epoch, excluded.version);

-- name: figures_heard^
-- What was heard of others' work, counted by body, and when something was heard last. A body that was merged into
-- another counts once with it.
SELECT (SELECT count(*) FROM organisations WHERE merged_into IS NULL AND (closed_on IS NULL OR closed_on > :today))
           AS partners,
       letters.asked, letters.answered, letters.letters_at, results.outcomes_met, results.referrals_closed,
       results.results_at
FROM (
    SELECT count(DISTINCT coalesce(bodies.shown_id, organisation_id)) FILTER (WHERE asked) AS asked,
           count(DISTINCT coalesce(bodies.shown_id, organisation_id)) FILTER (WHERE asked AND answered) AS answered,
           max(heard_at) FILTER (WHERE asked) AS letters_at
    FROM letters_heard LEFT JOIN bodies ON bodies.id = organisation_id
) AS letters, (
    SELECT count(*) FILTER (WHERE kind = 'outcome_met' AND counts) AS outcomes_met,
           count(*) FILTER (WHERE kind = 'referral_closed' AND counts) AS referrals_closed,
           max(heard_at) AS results_at
    FROM results_heard
) AS results;

-- name: figures_kept^
-- What is counted here. Of applications only those of rounds whose decisions are published: until then nobody learns
-- from a number that there is one which is kept from them.
SELECT (SELECT coalesce(sum(amount_pence - written_back_pence), 0)::bigint FROM pledges) AS pledged_pence,
       (SELECT coalesce(sum(received_pence - refunded_pence), 0)::bigint FROM fund_balances) AS received_pence,
       count(*) FILTER (WHERE applications.state NOT IN ('draft', 'withdrawn', 'lapsed') OR awards.application_id IS NOT NULL)
           AS applied,
       count(awards.application_id) AS awarded,
       count(*) FILTER (WHERE awards.amount_pence < applications.amount_pence) AS awarded_in_part,
       coalesce(sum(awards.amount_pence), 0)::bigint AS awarded_pence,
       count(*) FILTER (WHERE awards.application_id IS NOT NULL AND paid_pence > returned_pence) AS paid,
       coalesce(sum(paid_pence - returned_pence) FILTER (WHERE awards.application_id IS NOT NULL), 0)::bigint AS paid_pence,
       count(*) FILTER (WHERE result = 'passed') AS passed, count(*) FILTER (WHERE in_post) AS in_post
FROM applications
JOIN rounds ON rounds.id = applications.round_id AND rounds.state = 'published'
LEFT JOIN awards ON awards.application_id = applications.id
LEFT JOIN commitments ON commitments.award_id = applications.id
LEFT JOIN outcomes ON outcomes.application_id = applications.id;
